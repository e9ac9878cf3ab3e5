package dht

import (
	"net/netip"
	"unsafe"

	"supernode/dht/wire"
)

// Ahead is for how many datagrams a node looks ahead at a time.
const Ahead = 64

// A query for one of a million info_hashes needs memory in five or six places of which none is in a cache, and each is
// known only when the one before has arrived. Processors wait for several places at a time as readily as for one, but
// not across the thousands of instructions between one query's and the next's. So a batch is looked through beforehand:
// Expect asks for the places that follow from the datagram alone, Foresee for those that follow from what is there.
//
// Nothing depends on it. A datagram that was not expected, or is not what it looked like, is handled all the same.
type foresight struct {
	n     int
	hints [Ahead]hint
}

// hint is an info_hash that a datagram to come seems to ask for.
type hint struct {
	family family
	found  bool
	hash   uint32
	swarm  uint32
}

// Expect says that Handle will be given the datagram in from src soon, behind at most Ahead-1 others. It keeps nothing of
// in, and changes nothing that can be seen but the time that Handle takes.
func (n *Node) Expect(src netip.AddrPort, in []byte) {
	point, isInfohash := wire.Operand(in)
	if point == nil {
		return
	}
	f := familyOf(src.Addr())
	t := n.tables[f]
	if b := t.bucket(t.bucketOf(point)); b != nil {
		fetch(&b[0], t.bucketAhead)
	}
	if a := &n.ahead; isInfohash && a.n < Ahead {
		h := &a.hints[a.n]
		*h = hint{family: f, hash: n.peers.hash((*wire.ID)(point))}
		n.peers.index.fetch(h.hash)
		a.n++
	}
}

// Foresee goes on with what Expect began, and ends it: call it behind the last Expect of a batch.
func (n *Node) Foresee() {
	a, p := &n.ahead, n.peers
	hints := a.hints[:a.n]
	for i := range hints {
		h := &hints[i]
		probe := p.index.probe(h.hash)
		if h.swarm, h.found = probe.next(); h.found {
			fetch(p.swarm(h.swarm), int(unsafe.Sizeof(swarm{})))
		}
	}
	for i := range hints {
		if h := &hints[i]; h.found {
			if l := p.list(h.swarm, h.family); l.n > 0 {
				records := p.records(h.family, l)
				fetch(&records[0], min(len(records), aheadRecords))
			}
		}
	}
	a.n = 0
}

// aheadRecords bounds the bytes of a swarm's records that are fetched: the reply names a few of them, from anywhere in a
// large one.
const aheadRecords = 256

// fetch asks the processor for the lines of its cache that hold the n bytes from p on, and does not wait for them.
func fetch[T any](p *T, n int) { prefetch(unsafe.Pointer(p), n) }
