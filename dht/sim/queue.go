package sim

import (
	"net/netip"

	"supernode/dht"
)

// event is something that will happen to a host: a datagram arrives, or, if it has no source, its node wants to
// wake up.
type event struct {
	at      dht.Instant
	order   uint64 // among events of the same time: as they were made
	host    *Host
	src     netip.AddrPort
	payload []byte
}

func (e *event) before(f *event) bool { return e.at < f.at || e.at == f.at && e.order < f.order }

// queue holds events, the earliest first: a binary heap.
type queue struct {
	heap []event
	made uint64
}

func (q *queue) push(e event) {
	q.made++
	e.order = q.made
	h := append(q.heap, e)
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h[i].before(&h[parent]) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
	q.heap = h
}

func (q *queue) pop() event {
	h := q.heap
	first, last := h[0], len(h)-1
	h[0], h[last] = h[last], event{}
	h = h[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].before(&h[least]) {
				least = child
			}
		}
		if least == i {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	q.heap = h
	return first
}
