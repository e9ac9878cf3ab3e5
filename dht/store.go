package dht

import (
	"math/rand/v2"

	"supernode/dht/wire"
)

// store is what a node keeps for others. The nodes on several addresses of one host share one: what was announced at one
// address is found at the others.
//
// With several workers the peers are in several parts, each with the swarms of some info_hashes and a gate of its own, so
// that workers seldom meet. With one there is one part, and no lock is taken.
type store struct {
	peers *peerStore // of the first part
	parts []*part    // a power of two
	items *itemStore

	shared    bool // by several workers
	lockItems spin // for the items, if shared: they are seldom asked for

	sample     sample
	lockSample spin // for the sample, if shared

	itemsDue Instant // when to sweep the items next, if shared; see part.due
}

// part is a part of the stored peers.
type part struct {
	gate
	*peerStore
	due Instant // when to sweep it next, if shared: of the worker that polls
}

// partsOfWorker is how many parts there are for each worker, so that two seldom meet in one.
const partsOfWorker = 4

// partPeers is how many peers a part is made for at least: one with few would be full while others have room.
const partPeers = 1024

// newStore makes a store for c.Workers. Each part may have its even share of the peers and of the memory for them, and each source its even share of the floor in each part.
func newStore(c Config, rng *rand.ChaCha8) *store {
	key := newHashKey(rng)
	s := &store{shared: c.Workers > 1, itemsDue: c.Start}
	n := 1
	if s.shared {
		for n = powerOfTwo(partsOfWorker * c.Workers); n > 1 && c.MaxPeers/n < partPeers; {
			n /= 2
		}
	}
	for i := range n {
		p := &part{gate: newGate(c.Workers), peerStore: newPeerStore((c.MaxPeers+i)/n, key), due: c.Start} // MaxPeers in all
		p.shares.floor = (sourceFloor + n - 1) / n
		p.hand.last = c.Start
		s.parts = append(s.parts, p)
	}
	s.peers = s.parts[0].peerStore
	s.items = newItemStore(c.MaxItems, key, c.Start)
	return s
}

// part is where the peers of an info_hash are.
func (s *store) part(infohash *wire.ID) *part {
	if !s.shared {
		return s.parts[0]
	}
	// The parts' own tables are under the lower half of the hash.
	return s.parts[int(s.peers.key.hash20((*[20]byte)(infohash))>>32)&(len(s.parts)-1)]
}

// holdItems makes the worker n the only one to use the items, until freeItems. What it is given of them lies in its own
// scratch space and stays valid afterwards.
func (n *Node) holdItems() {
	if n.shared {
		n.lockItems.lock()
		n.items.scratch = &n.scratch.item
	}
}

func (n *Node) freeItems() {
	if n.shared {
		n.lockItems.unlock()
	}
}

// stored says how many peers, info_hashes and items there are.
func (n *Node) stored() (peers, infohashes, items int) {
	for _, p := range n.parts {
		p.enter(n.worker)
		peers += p.count
		infohashes += p.swarmCount
		p.leave(n.worker)
	}
	n.holdItems()
	defer n.freeItems()
	return peers, infohashes, n.items.count
}

// sweep drops what has expired, a little at each call.
func (n *Node) sweep(now Instant) {
	if !n.shared {
		n.peers.sweep(now)
		n.items.sweep(now)
		return
	}
	for _, p := range n.parts {
		if now >= p.due {
			p.close()
			p.sweep(now)
			p.due = nextSweep(now, p.peerStore)
			p.open()
		}
	}
	if now >= n.itemsDue {
		n.holdItems()
		n.items.sweep(now)
		n.itemsDue = nextSweep(now, n.items)
		n.freeItems()
	}
}

// nextSweep is when to sweep next a store that was swept just now and may get its first entries at any time.
func nextSweep(now Instant, s interface{ sweepAt() (Instant, bool) }) Instant {
	if t, ok := s.sweepAt(); ok {
		return max(t, now.Add(sweepRest))
	}
	return now.Add(maxRest)
}

// sweepAt is when sweep has work to do next.
func (n *Node) sweepAt() Instant {
	next := forever
	if !n.shared {
		if t, ok := n.peers.sweepAt(); ok {
			next = t
		}
		if t, ok := n.items.sweepAt(); ok {
			next = min(next, t)
		}
		return next
	}
	for _, p := range n.parts {
		next = min(next, p.due)
	}
	return min(next, n.itemsDue)
}
