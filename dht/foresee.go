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
// Expect takes note of what datagrams ask about, and Foresee asks for all their places, first for those that follow from
// the datagrams alone, then for those that follow from what is there.
//
// Nothing depends on it. A datagram that was not expected, or is not what it looked like, is handled all the same.
type foresight struct {
	n     int
	hints [Ahead]hint
}

// hint is what a datagram to come seems to ask about.
type hint struct {
	point      wire.ID
	source     uint64
	family     family
	isInfohash bool
	found      bool
	hash       uint32 // of an info_hash, in its part of the store
	swarm      uint32
	part       *part
}

// Expect says that Handle will be given the datagram in from src soon, behind at most Ahead-1 others. It keeps nothing of
// in, and changes nothing that can be seen but the time that Handle takes.
func (n *Node) Expect(src netip.AddrPort, in []byte) {
	f, source := familyOf(src.Addr()), sourceOf(src.Addr())
	n.newcomers.fetch(source, f)
	if n.limit != nil {
		n.limit.fetch(source)
	}
	point, isInfohash := wire.Operand(in)
	if a := &n.ahead; point != nil && a.n < Ahead {
		h := &a.hints[a.n]
		h.point, h.source, h.family, h.isInfohash = wire.ID(point), source, f, isInfohash
		a.n++
	}
}

// Foresee fetches what the datagrams expected since the last call will need: call it before Handle is given the first of
// them.
func (n *Node) Foresee() {
	hints := n.ahead.hints[:n.ahead.n]
	n.ahead.n = 0
	n.enter()
	for i := range hints {
		h := &hints[i]
		t := n.tables[h.family]
		if b := t.bucket(t.bucketOf(h.point[:])); b != nil {
			fetch(&b[0], t.bucketAhead)
		}
	}
	n.leave()
	for i := range hints {
		if h := &hints[i]; h.isInfohash {
			h.part = n.part(&h.point)
			h.fetchEntry(n.worker)
		}
	}
	for i := range hints {
		if h := &hints[i]; h.isInfohash {
			h.fetchSwarm(n.worker)
		}
	}
	for i := range hints {
		if h := &hints[i]; h.isInfohash && h.found {
			h.fetchRecords(n.worker)
		}
	}
}

func (h *hint) fetchEntry(worker int) {
	h.part.enter(worker)
	defer h.part.leave(worker)
	h.hash = h.part.hash(&h.point)
	h.part.index.fetch(h.hash)
	h.part.shares.fetch(h.source)
}

func (h *hint) fetchSwarm(worker int) {
	h.part.enter(worker)
	defer h.part.leave(worker)
	probe := h.part.index.probe(h.hash)
	if h.swarm, h.found = probe.next(); h.found {
		const size = unsafe.Sizeof(swarm{})
		fetchIn(h.part.swarms[h.swarm/chunkSwarms], size*uintptr(h.swarm%chunkSwarms), int(size))
	}
}

func (h *hint) fetchRecords(worker int) {
	h.part.enter(worker)
	defer h.part.leave(worker)
	if int(h.swarm) >= h.part.swarmCount { // it is gone since
		return
	}
	if l := h.part.list(h.swarm, h.family); l.n > 0 {
		records := h.part.records(h.family, l)
		fetch(&records[0], min(len(records), aheadRecords))
	}
}

// aheadRecords bounds the bytes of a swarm's records that are fetched: the reply names a few of them, from anywhere in a
// large one.
const aheadRecords = 256

// fetch asks the processor for the lines of its cache that hold the n bytes from p on, and does not wait for them.
func fetch[T any](p *T, n int) { prefetch(unsafe.Pointer(p), n) }

// fetchIn is fetch for the n bytes at an offset in what p points to. It does not touch p, as the address of a field or
// element would: to prove that p is not nil, Go reads from it, and waits.
func fetchIn[T any](p *T, offset uintptr, n int) { prefetch(unsafe.Add(unsafe.Pointer(p), offset), n) }
