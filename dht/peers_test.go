package dht

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
	"supernode/dht/wire"
)

// peerModel is the peer store without limits of time resolution or memory.
type peerModel map[wire.ID]map[netip.Addr]modelPeer

type modelPeer struct {
	port    uint16
	seed    bool
	expires Instant // a multiple of stampUnit
}

// stored reads everything in the store, expired peers included, and checks the bonds between its parts.
func stored(t rapid.TB, p *peerStore) peerModel {
	m, count, used := peerModel{}, 0, 0
	for i := range p.allocated {
		s := p.swarm(i)
		if !s.used {
			continue
		}
		used++
		if at, ok := p.find(&s.infohash); !ok || at != i {
			t.Fatalf("swarm %d is not found", i)
		}
		m[s.infohash] = map[netip.Addr]modelPeer{}
		for f := range family(families) {
			l := &s.lists[f]
			last := netip.Addr{}
			for j := range int(l.n) {
				r := p.record(f, l, j)
				a := wire.Addr(r[:addrSize[f]])
				if !last.Less(a.Addr()) {
					t.Fatalf("records out of order: %v behind %v", a, last)
				}
				last = a.Addr()
				m[s.infohash][a.Addr()] = modelPeer{port: a.Port(), seed: stampOf(r)&stampSeed != 0}
				count++
			}
			if l.n > 0 && int(l.n) > classCapacity[l.class] {
				t.Fatalf("%d records in an array for %d", l.n, classCapacity[l.class])
			}
		}
	}
	if count != p.count || used != p.swarmCount {
		t.Fatalf("%d peers in %d swarms, counted %d in %d", count, used, p.count, p.swarmCount)
	}
	return m
}

// valuesOf is what a reply would say, decoded.
func valuesOf(p *peerStore, now Instant, infohash wire.ID, f family, random uint64, room int) []netip.AddrPort {
	m := wire.Message{Values: p.appendValues(nil, now, &infohash, f, random, room)}
	return slices.Collect(m.Peers())
}

func TestPeerStoreAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{1, 3, 20, 200}).Draw(t, "limit")
		p := newPeerStore(limit, hashKey{1, 2, 3, 4})
		start := rapid.SampledFrom(starts).Draw(t, "start")
		now := start - start%stampUnit
		p.hand.last = now
		model := peerModel{}
		// forget removes what the store was free to sweep from the model.
		forget := func(t *rapid.T) {
			held := stored(t, p)
			for infohash, peers := range model {
				for ip, peer := range peers {
					if got, ok := held[infohash][ip]; ok {
						if got.port != peer.port || got.seed != peer.seed {
							t.Fatalf("%v: stored %v, announced %v", ip, got, peer)
						}
					} else if peer.expires > now {
						t.Fatalf("%v is lost %v early", ip, time.Duration(peer.expires-now))
					} else {
						delete(peers, ip)
					}
				}
			}
			for infohash, peers := range held {
				for ip := range peers {
					if _, ok := model[infohash][ip]; !ok {
						t.Fatalf("%v was never announced", ip)
					}
				}
			}
		}
		announce := func(t *rapid.T, infohash wire.ID) {
			f := family(rapid.IntRange(0, 1).Draw(t, "family"))
			a := netip.AddrPortFrom(addrOf(f, rapid.IntRange(1, 40).Draw(t, "host")).Addr(), rapid.Uint16Min(1).Draw(t, "port"))
			seed := rapid.Bool().Draw(t, "seed")
			_, known := model[infohash][a.Addr()]
			want := known || p.count < limit
			if got := p.announce(now, &infohash, a, seed); got != want {
				t.Fatalf("announce %v with %d of %d peers, known %v: %v", a, p.count, limit, known, got)
			}
			if want {
				if model[infohash] == nil {
					model[infohash] = map[netip.Addr]modelPeer{}
				}
				model[infohash][a.Addr()] = modelPeer{a.Port(), seed, now.Add(peerLifetime)}
			}
		}
		infohashes := rapid.Map(rapid.ByteRange(0, 7), filledID)
		t.Repeat(map[string]func(*rapid.T){
			"announce": func(t *rapid.T) { announce(t, infohashes.Draw(t, "infohash")) },
			"announce many": func(t *rapid.T) {
				infohash := infohashes.Draw(t, "infohash")
				for range rapid.IntRange(1, 50).Draw(t, "count") {
					announce(t, infohash)
				}
			},
			"time": func(t *rapid.T) { now += stampUnit * Instant(rapid.IntRange(0, 300).Draw(t, "units")) },
			"sweep": func(t *rapid.T) {
				p.sweep(now)
				forget(t)
			},
			"sweep a whole turn": func(t *rapid.T) {
				for range 4 {
					now += stampUnit * Instant(20)
					p.sweep(now)
				}
				now += sweepPeriod
				p.sweep(now)
				for infohash, peers := range stored(t, p) {
					for ip := range peers {
						if e := model[infohash][ip].expires; e <= now-sweepPeriod {
							t.Fatalf("%v is still stored %v after its end", ip, time.Duration(now-e))
						}
					}
				}
				forget(t)
			},
			"": func(t *rapid.T) {
				infohash := infohashes.Draw(t, "infohash")
				f := family(rapid.IntRange(0, 1).Draw(t, "family"))
				room := rapid.SampledFrom([]int{-5, 0, 7, 8, 21, 100, 1000}).Draw(t, "room")
				want := map[netip.AddrPort]bool{}
				for ip, peer := range model[infohash] {
					if familyOf(ip) == f && peer.expires > now {
						want[netip.AddrPortFrom(ip, peer.port)] = true
					}
				}
				got := map[netip.AddrPort]bool{}
				for _, a := range valuesOf(p, now, infohash, f, rapid.Uint64().Draw(t, "random"), room) {
					if got[a] || !want[a] {
						t.Fatalf("%v is in the reply twice, or should not be", a)
					}
					got[a] = true
				}
				if n := min(len(want), max(0, room)/valueSize[f]); len(got) != n {
					t.Fatalf("%d peers of %d in %d bytes, want %d", len(got), len(want), room, n)
				}
				stored(t, p)
				if p.count > limit || p.full() != (p.count == limit) {
					t.Fatalf("%d of %d peers, full %v", p.count, limit, p.full())
				}
			},
		})
	})
}

// TestSwarmCap fills one swarm beyond its bound: who announced longest ago makes room.
func TestSwarmCap(t *testing.T) {
	for f := range family(families) {
		p := newPeerStore(1_000_000, hashKey{1, 2, 3, 4})
		infohash := filledID('h')
		now := Instant(0)
		const extra = 100
		for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(swarmPeers + extra) {
			now += stampUnit
			require.True(t, p.announce(now, &infohash, addrOf(f, i), false))
			if p.count == swarmPeers {
				require.True(t, p.announce(now, &infohash, addrOf(f, i), true), "a second announce takes no room")
				require.Equal(t, swarmPeers, p.count)
			}
		}
		held := stored(t, p)
		require.Len(t, held[infohash], swarmPeers)
		perm := rand.New(rand.NewPCG(1, 2)).Perm(swarmPeers + extra)
		for n, i := range perm {
			_, ok := held[infohash][addrOf(f, i).Addr()]
			if n < 10 {
				require.False(t, ok, "announce %d of %d should have made room", n, len(perm))
			} else if n >= len(perm)-extra {
				require.True(t, ok, "announce %d of %d is gone", n, len(perm))
			}
		}
	}
}

// TestValuesAreRandom asks for few of many peers often: each must have its share.
func TestValuesAreRandom(t *testing.T) {
	for _, peers := range []int{2, 50, 515, swarmPeers} {
		t.Run(fmt.Sprint(peers), func(t *testing.T) {
			p := newPeerStore(1_000_000, hashKey{1, 2, 3, 4})
			infohash := filledID('h')
			for i := range peers {
				require.True(t, p.announce(0, &infohash, addr4(i), false))
			}
			rng := rand.NewChaCha8([32]byte{5})
			seen := map[netip.AddrPort]int{}
			const replies, each = 4000, 40
			for range replies {
				got := valuesOf(p, 0, infohash, v4, rng.Uint64(), each*valueSize[v4])
				require.Len(t, got, min(peers, each))
				for _, a := range got {
					seen[a]++
				}
			}
			require.Len(t, seen, peers, "some peers are never handed out")
			share := replies * min(peers, each) / peers
			least, most := slices.Min(slices.Collect(maps.Values(seen))), slices.Max(slices.Collect(maps.Values(seen)))
			require.Greater(t, least, share/2)
			require.Less(t, most, share*2)
		})
	}
}

// TestPeerMemoryIsReused lets generations of swarms come and go: memory follows the peak, not the sum.
func TestPeerMemoryIsReused(t *testing.T) {
	p := newPeerStore(10_000, hashKey{1, 2, 3, 4})
	now := Instant(0)
	p.hand.last = now
	for generation := range 20 {
		for i := range 2000 {
			infohash := idOf(byte(generation), byte(i>>8), byte(i))
			for peer := range 3 {
				require.True(t, p.announce(now, &infohash, addr4(peer), false))
			}
		}
		for end := now.Add(peerLifetime) + 2*sweepPeriod; now < end; now += Instant(time.Second) {
			p.sweep(now)
		}
		require.Zero(t, p.count)
		require.Zero(t, p.swarmCount)
	}
	require.EqualValues(t, 2000, p.allocated)
	for class := range 3 {
		require.LessOrEqual(t, p.arenas[v4].classes[class].allocated, uint32(2000))
	}
}
