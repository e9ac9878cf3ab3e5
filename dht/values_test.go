package dht

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestValuesAreRandom asks for some of a swarm's peers often. Each must have its share, whatever part of the swarm has
// expired: chance alone would put the counts of some thousand peers within six deviations of what is due.
func TestValuesAreRandom(t *testing.T) {
	for _, swarm := range []struct{ peers, living int }{
		{2, 2}, {50, 50}, {515, 515}, {swarmPeers, swarmPeers}, {swarmPeers, 200}, {515, 100}, {swarmPeers, swarmPeers - 20},
	} {
		t.Run(fmt.Sprint(swarm), func(t *testing.T) {
			p := newPeerStore(1_000_000, testKey)
			infohash := filledID('h')
			perm := rand.New(rand.NewPCG(1, 2)).Perm(swarm.peers)
			for n, i := range perm {
				now := Instant(0)
				if n < swarm.living {
					now = Instant(time.Minute)
				}
				require.True(t, p.announce(now, &infohash, addr4(i), false))
			}
			rng := rand.NewChaCha8([32]byte{5})
			seen := map[netip.AddrPort]int{}
			const replies, each = 8000, 40
			for range replies {
				got := valuesOf(p, Instant(peerLifetime), infohash, v4, false, rng.Uint64(), each*valueSize[v4])
				require.Len(t, got, min(swarm.living, each))
				for _, a := range got {
					seen[a]++
				}
			}
			require.Len(t, seen, swarm.living, "some peers are never handed out")
			due := replies * min(swarm.living, each) / swarm.living
			for a, n := range seen {
				require.InDelta(t, due, n, 0.2*float64(due), "%v", a)
			}
		})
	}
}

// TestStaleValues asks about a swarm of which almost all has expired before its turn to be swept has come: the first
// reply cleans it, so that the next ones have little to look at.
func TestStaleValues(t *testing.T) {
	for f := range family(families) {
		p := newPeerStore(1_000_000, testKey)
		infohash := filledID('h')
		for i := range swarmPeers {
			require.True(t, p.announce(0, &infohash, addrOf(f, i), false))
		}
		late := Instant(time.Minute)
		require.True(t, p.announce(late, &infohash, addrOf(f, 500), false))
		p.appendValues(nil, late, &infohash, f, false, 1, 800)
		require.Equal(t, swarmPeers, p.count, "nothing has expired")
		got := valuesOf(p, Instant(peerLifetime), infohash, f, false, 1, 800)
		require.Equal(t, []netip.AddrPort{addrOf(f, 500)}, got)
		require.Equal(t, 1, p.count)
		stored(t, p)
	}
}

// TestNoSeed asks for downloaders in swarms of both (BEP 33).
func TestNoSeed(t *testing.T) {
	for _, swarm := range []struct{ seeds, others, least int }{
		{0, 1, 1}, {1, 0, 0}, {1, 1, 1}, {100, 20, 20}, {swarmPeers - 100, 100, 10}, {swarmPeers / 2, swarmPeers / 2, 40},
	} {
		t.Run(fmt.Sprint(swarm), func(t *testing.T) {
			p := newPeerStore(1_000_000, testKey)
			infohash := filledID('h')
			for n, i := range rand.New(rand.NewPCG(1, 2)).Perm(swarm.seeds + swarm.others) {
				port := uint16(2)
				if n < swarm.seeds {
					port = 1
				}
				require.True(t, p.announce(0, &infohash, netip.AddrPortFrom(addr4(i).Addr(), port), n < swarm.seeds))
			}
			rng := rand.NewChaCha8([32]byte{5})
			for range 100 {
				got := valuesOf(p, 0, infohash, v4, true, rng.Uint64(), 40*valueSize[v4])
				require.GreaterOrEqual(t, len(got), swarm.least)
				for _, a := range got {
					require.EqualValues(t, 2, a.Port(), "a seed")
				}
			}
		})
	}
}
