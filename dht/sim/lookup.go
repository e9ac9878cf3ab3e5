package sim

import (
	"net/netip"
	"slices"
	"time"

	"supernode/dht"
	"supernode/dht/wire"
)

const (
	// alpha is how many queries of a lookup wait for answers at a time, at most (Kademlia: 3; clients: 3 to 8).
	alpha = 4

	// mostCandidates bounds the nodes a lookup remembers.
	mostCandidates = 128
)

// Contact is a node by id and address.
type Contact struct {
	ID   wire.ID
	Addr netip.AddrPort
}

// Lookup is an iterative search of an ordinary client: it asks the nodes closest to the target it has heard of for
// closer ones until the K closest have answered.
type Lookup struct {
	Target   wire.ID
	Method   wire.Method   // FindNode or GetPeers
	Announce uint16        // GetPeers: then announce this port to the K closest; 0: do not
	First    []Contact     // to ask at once, besides the closest of the table
	Done     func(*Lookup) // called once, when all is sent and answered or given up

	// Peers are those found, each once. Hops is how many nodes deep the first answer with a peer lay, FirstPeer
	// when it came, since the start: asking a node of the own table is one hop, asking one whom that node named, two.
	// Without a peer Hops is that of the closest node that answered.
	Peers     []netip.AddrPort
	Hops      int
	FirstPeer time.Duration
	Took      time.Duration

	Asked, Answered int     // queries, without announces
	Announced       int     // nodes that confirmed the announce
	Watch           Contact // if one of those asked was this one,
	Met             bool    // and answered

	started    dht.Instant
	candidates []candidate // closest first
	waiting    int         // queries under way
	announcing bool
}

// candidate is a node a lookup has heard of.
type candidate struct {
	contact
	distance uint64
	hops     int
	state    candidateState
	token    string
}

type candidateState uint8

const (
	fresh candidateState = iota
	asked
	answered
	failed
)

// hear takes a node in as a candidate, unless it is one already or there are too many that are closer.
func (l *Lookup) hear(id *wire.ID, addr compact, hops int) {
	c := candidate{contact: contact{id: *id, addr: addr}, distance: high(id) ^ high(&l.Target), hops: hops}
	at, _ := slices.BinarySearchFunc(l.candidates, c.distance, func(o candidate, d uint64) int {
		switch {
		case o.distance < d:
			return -1
		case o.distance > d:
			return 1
		}
		return 0
	})
	if at == mostCandidates || at < len(l.candidates) && l.candidates[at].distance == c.distance {
		return
	}
	if len(l.candidates) == mostCandidates {
		l.candidates = l.candidates[:mostCandidates-1]
	}
	l.candidates = slices.Insert(l.candidates, at, c)
}

func (l *Lookup) find(addr compact) *candidate {
	for i := range l.candidates {
		if l.candidates[i].addr == addr {
			return &l.candidates[i]
		}
	}
	return nil
}

// next is the closest candidate that should be asked now: among the K closest that have not failed, and while no more
// than alpha are waited for. It is nil if there is none.
func (l *Lookup) next() *candidate {
	if l.waiting >= alpha {
		return nil
	}
	promising := 0
	for i := range l.candidates {
		switch c := &l.candidates[i]; c.state {
		case fresh:
			return c
		case asked, answered:
			if promising++; promising == dht.K {
				return nil
			}
		}
	}
	return nil
}

// answer takes an answer to a query of the lookup. addr is whom it is from; a nil message means that none came.
func (l *Lookup) answer(now dht.Instant, addr compact, m *wire.Message, own *wire.ID) {
	l.waiting--
	c := l.find(addr)
	if l.announcing {
		if m != nil {
			l.Announced++
		}
		return
	}
	if c == nil {
		return // driven out by closer ones
	}
	if m == nil {
		c.state = failed
		return
	}
	l.Answered++
	c.state, c.token = answered, string(m.Token)
	if l.Watch.Addr.IsValid() && c.id == l.Watch.ID {
		l.Met = true
	}
	hops := c.hops
	for peer := range m.Peers() {
		if len(l.Peers) == 0 {
			l.Hops, l.FirstPeer = hops, time.Duration(now-l.started)
		}
		if !slices.Contains(l.Peers, peer) {
			l.Peers = append(l.Peers, peer)
		}
	}
	for id, at := range wire.NodeList(m.Nodes, wire.CompactNode4) {
		if id != *own {
			l.hear(&id, compactOf(at), hops+1)
		}
	}
}

// closest are the K closest nodes that answered.
func (l *Lookup) closest(yield func(*candidate) bool) {
	n := 0
	for i := range l.candidates {
		if l.candidates[i].state == answered {
			if n++; !yield(&l.candidates[i]) || n == dht.K {
				return
			}
		}
	}
}

// finish draws up the results.
func (l *Lookup) finish(now dht.Instant) {
	l.Took = time.Duration(now - l.started)
	if len(l.Peers) == 0 {
		for c := range l.closest {
			l.Hops = c.hops
			break
		}
	}
	if l.Done != nil {
		l.Done(l)
	}
	l.candidates = nil
}
