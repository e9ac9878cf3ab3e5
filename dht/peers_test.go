package dht

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
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
	m, count := peerModel{}, 0
	sources := newShares(p.limit, sourceFloor, &p.key)
	for i := range uint32(p.swarmCount) {
		s := p.swarm(i)
		if _, twice := m[s.infohash]; twice {
			t.Fatalf("swarm %d is there twice", i)
		}
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
				sources.add(sourceIn(f, r))
				count++
			}
			if l.n > 0 && int(l.n) > classCapacity[l.class] {
				t.Fatalf("%d records in an array for %d", l.n, classCapacity[l.class])
			}
		}
	}
	if count != p.count {
		t.Fatalf("%d peers, counted %d", count, p.count)
	}
	if !slices.Equal(sources.rows[0], p.shares.rows[0]) || !slices.Equal(sources.rows[1], p.shares.rows[1]) {
		t.Fatalf("the sources' shares are not what they have")
	}
	if p.bytes() > p.budget {
		t.Fatalf("%d bytes of %d", p.bytes(), p.budget)
	}
	return m
}

// valuesOf is what a reply would say, decoded.
func valuesOf(p *peerStore, now Instant, infohash wire.ID, f family, noSeed bool, random uint64, room int) []netip.AddrPort {
	m := wire.Message{Values: p.appendValues(nil, now, &infohash, f, noSeed, random, room)}
	return slices.Collect(m.Peers())
}

func TestPeerStoreAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{1, 3, 20, 200}).Draw(t, "limit")
		p := newPeerStore(limit, testKey)
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
			"restore": func(t *rapid.T) {
				infohash, host := infohashes.Draw(t, "infohash"), rapid.IntRange(1, 40).Draw(t, "host")
				a := addrOf(family(rapid.IntRange(0, 1).Draw(t, "family")), host)
				left := stampUnit * Instant(rapid.IntRange(-1, 500).Draw(t, "units"))
				old, known := model[infohash][a.Addr()]
				want := left > 0 && (known || p.count < limit)
				if got := p.restore(now, &infohash, a, time.Duration(left), true); got != want {
					t.Fatalf("restore %v for %v: %v", a, time.Duration(left), got)
				}
				if end := now + min(left, Instant(peerLifetime)); want && (!known || end > old.expires) {
					if model[infohash] == nil {
						model[infohash] = map[netip.Addr]modelPeer{}
					}
					model[infohash][a.Addr()] = modelPeer{a.Port(), true, end}
				}
			},
			"": func(t *rapid.T) {
				infohash := infohashes.Draw(t, "infohash")
				f := family(rapid.IntRange(0, 1).Draw(t, "family"))
				room := rapid.SampledFrom([]int{-5, 0, 7, 8, 21, 100, 1000}).Draw(t, "room")
				noSeed := rapid.Bool().Draw(t, "noseed")
				want := map[netip.AddrPort]bool{}
				for ip, peer := range model[infohash] {
					if familyOf(ip) == f && peer.expires > now && !(noSeed && peer.seed) {
						want[netip.AddrPortFrom(ip, peer.port)] = true
					}
				}
				got := map[netip.AddrPort]bool{}
				for _, a := range valuesOf(p, now, infohash, f, noSeed, rapid.Uint64().Draw(t, "random"), room) {
					if got[a] || !want[a] {
						t.Fatalf("%v is in the reply twice, or should not be", a)
					}
					got[a] = true
				}
				if n := min(len(want), max(0, room)/valueSize[f]); len(got) != n {
					t.Fatalf("%d peers of %d in %d bytes, want %d", len(got), len(want), room, n)
				}
				forget(t)
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
		p := newPeerStore(1_000_000, testKey)
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

// TestNetworkCap announces one swarm from many addresses of one IPv6 /64: a few of them are kept, the latest.
func TestNetworkCap(t *testing.T) {
	p := newPeerStore(1_000_000, testKey)
	infohash, now := filledID('h'), Instant(0)
	in64 := func(network, host int) netip.AddrPort {
		a := addr6(network).Addr().As16()
		a[14], a[15] = byte(host>>8), byte(host)
		return netip.AddrPortFrom(netip.AddrFrom16(a), 6881)
	}
	for _, network := range []int{1, 3} {
		require.True(t, p.announce(now, &infohash, in64(network, 1), false))
	}
	for _, host := range rand.New(rand.NewPCG(1, 2)).Perm(500) {
		now += stampUnit
		require.True(t, p.announce(now, &infohash, in64(2, host), false))
		held := stored(t, p)[infohash]
		require.LessOrEqual(t, len(held), 2+networkPeers)
		require.Contains(t, held, in64(2, host).Addr())
		require.Contains(t, held, in64(1, 1).Addr())
		require.Contains(t, held, in64(3, 1).Addr())
	}
	held := stored(t, p)[infohash]
	require.Len(t, held, 2+networkPeers)
	perm := rand.New(rand.NewPCG(1, 2)).Perm(500)
	for _, host := range perm[len(perm)-networkPeers:] {
		require.Contains(t, held, in64(2, host).Addr(), "the latest stay")
	}
}

// TestPeerMemoryIsReused lets generations of swarms of ever other sizes come and go: memory follows the largest of
// them, not their sum, and little is kept when all are gone.
func TestPeerMemoryIsReused(t *testing.T) {
	p := newPeerStore(1_000_000, testKey)
	now := Instant(0)
	p.hand.last = now
	largest := 0
	for generation, size := range []int{1, 1000, 2, 70, 5, 300, 1, 20, 1000} {
		swarms := 20_000 / size
		before := p.pages.used
		require.Zero(t, before)
		for i := range swarms {
			infohash := idOf(byte(generation), byte(i>>8), byte(i))
			for peer := range size {
				require.True(t, p.announce(now, &infohash, addrOf(family(i%2), peer*31+i), false))
			}
		}
		stored(t, p)
		largest = max(largest, p.pages.used)
		require.LessOrEqual(t, p.pages.used*peerPage, 20_000*24*3/2+2*len(classCapacity)*peerPage)
		require.LessOrEqual(t, p.pages.bytes(), (largest+sparePages)*peerPage)
		for end := now.Add(peerLifetime) + 2*sweepPeriod; now < end; now += Instant(time.Second) {
			p.sweep(now)
		}
		require.Zero(t, p.count)
		require.Zero(t, p.swarmCount)
	}
	require.LessOrEqual(t, p.pages.bytes(), sparePages*peerPage)
	require.LessOrEqual(t, len(p.swarms), 1)
}

// TestBytes compares what the store says it takes with what the allocator says.
func TestBytes(t *testing.T) {
	memory := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := memory()
	p := newPeerStore(1_000_000, testKey)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		infohash := idOf(byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32N(4)))
		p.announce(0, &infohash, addrOf(family(rng.Uint32N(2)), int(rng.Uint32())), false)
	}
	require.InEpsilon(t, memory()-before, p.bytes(), 0.02)
	runtime.KeepAlive(p)
}

// TestMemoryBudget fills stores with the peers that take most memory, IPv6 alone in their swarms: they refuse more
// when they have taken what they may, and have their memory back when the peers are gone.
func TestMemoryBudget(t *testing.T) {
	const limit = 400_000
	p := newPeerStore(limit, testKey)
	infohash := func(i int) wire.ID { return idOf(byte(i), byte(i>>8), byte(i>>16)) }
	announced := 0
	for ; announced < limit; announced++ {
		h := infohash(announced)
		if !p.announce(0, &h, addr6(announced), false) {
			break
		}
	}
	require.Less(t, announced, limit)
	require.Greater(t, announced, limit/2)
	require.True(t, p.full())
	require.LessOrEqual(t, p.bytes(), p.budget)
	require.Greater(t, p.bytes(), p.budget*95/100, "the budget can be used")
	h := infohash(announced)
	require.False(t, p.takes(&h, addr6(announced).Addr()), "a full store gives no tokens")
	h = infohash(7)
	require.True(t, p.takes(&h, addr6(7).Addr()), "who is in it may stay")
	require.True(t, p.announce(stampUnit, &h, addr6(7), true))

	for now := Instant(0); now < Instant(peerLifetime)+2*sweepPeriod; now += Instant(100 * time.Millisecond) {
		p.sweep(now)
	}
	require.Zero(t, p.count)
	require.False(t, p.full())
}
