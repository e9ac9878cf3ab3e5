package dht

import (
	"math"
	"net/netip"
	"time"

	"supernode/dht/wire"
)

// eachSwarm is where each begins.
const eachSwarm = math.MaxInt

// each yields the peers of one swarm that have not expired: those of swarm number below-1, or of the last one if
// there are not so many. next is what to call it with for the swarm after that; zero is the end. One call looks
// at twice swarmPeers records at most.
//
// Time may pass between calls, and peers come and go. A peer that was stored when the first call was made and
// still is at the last has been yielded, perhaps twice; one that was stored since may be missing. That is why the
// numbers fall: a swarm only ever changes its number for a smaller one.
//
// The info_hash is valid until yield returns. remaining is rounded down to the resolution of the store, four
// seconds.
func (p *peerStore) each(now Instant, below int, yield func(infohash *wire.ID, peer netip.AddrPort, remaining time.Duration, seed bool)) (next int) {
	i := min(below, p.swarmCount) - 1
	if i < 0 {
		return 0
	}
	s, clock := p.swarm(uint32(i)), newStamp(now, false)
	for f := range family(families) {
		for r := p.records(f, &s.lists[f]); len(r) > 0; r = r[peerSize[f]:] {
			if end := stampOf(r[:peerSize[f]]); !end.expired(clock) {
				yield(&s.infohash, wire.Addr(r[:addrSize[f]]), end.left(clock), end&stampSeed != 0)
			}
		}
	}
	return i
}

// restore stores a peer that was yielded by each, for what remains of its life: peerLifetime at most, whatever it
// says. Every bound holds as it does for an announce, and an entry that lives longer is left alone. It reports
// whether the peer is in the store; one that nothing remains of, without a port or with an address that is no
// host's is not taken. Whether the node talks to hosts of that realm is for the caller to check.
func (p *peerStore) restore(now Instant, infohash *wire.ID, peer netip.AddrPort, remaining time.Duration, seed bool) bool {
	if remaining <= 0 || peer.Port() == 0 || realmOf(peer.Addr()) == never {
		return false
	}
	end := newStamp(now.Add(min(remaining, peerLifetime)), seed)
	if i, ok := p.find(infohash); ok {
		var buf [maxPeerSize]byte
		f, record := familyOf(peer.Addr()), appendPeerRecord(buf[:0], peer, end)
		if at, found := p.search(f, p.list(i, f), record); found && !stampOf(p.record(f, p.list(i, f), at)).before(end) {
			return true
		}
	}
	return p.put(infohash, peer, end)
}
