package dht

import (
	"math"
	"net/netip"
	"time"

	"supernode/dht/wire"
)

// eachSwarm is where each begins.
const eachSwarm = math.MaxInt

// each yields the peers of one swarm that have not expired at now: of the last with a number below below. next is what
// to call it with for the one after that; zero is the end. Time may pass between calls, and swarms may change: those
// that were there all the while are yielded. The info_hash is valid until yield returns; remaining is right to
// the store's resolution, and never too long.
func (p *peerStore) each(now Instant, below int, yield func(infohash *wire.ID, peer netip.AddrPort, remaining time.Duration, seed bool)) (next int) {
	i := min(below, int(p.allocated)) - 1
	if i < 0 {
		return 0
	}
	s := p.swarm(uint32(i))
	if !s.used {
		return i
	}
	for f := range family(families) {
		for r := p.records(f, &s.lists[f]); len(r) > 0; r = r[peerSize[f]:] {
			end := stampOf(r[:peerSize[f]])
			if left := end.left(now); left > 0 {
				yield(&s.infohash, wire.Addr(r[:addrSize[f]]), time.Duration(left), end&stampSeed != 0)
			}
		}
	}
	return i
}

// restore is announce for a peer that has so long left to live.
func (p *peerStore) restore(now Instant, infohash *wire.ID, peer netip.AddrPort, remaining time.Duration, seed bool) bool {
	return p.announce(now.Add(remaining-peerLifetime), infohash, peer, seed)
}

// left is how long after now the end s comes, zero or less if it has come.
func (s stamp) left(now Instant) Instant {
	units := (s - newStamp(now, false)) & stampTime
	if units > stampTime/2 {
		return 0
	}
	return Instant(units)*stampUnit - now%stampUnit
}
