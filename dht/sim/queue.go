package sim

import (
	"net/netip"

	"supernode/dht"
)

// event is something that will happen to a host: a datagram arrives, or, if it has no payload, its node wants to
// wake up.
type event struct {
	host    *Host
	src     netip.AddrPort
	payload []byte
}

// queue holds events, the earliest first, those of the same time as they were made: a heap of four children a
// node. The heap moves small entries without a pointer in them; the events stay where they are.
type queue struct {
	heap   []entry
	events []event
	free   []uint32 // places of events to use again
	made   uint64
}

type entry struct {
	at    dht.Instant
	order uint64
	event uint32
}

func (e *entry) before(f *entry) bool { return e.at < f.at || e.at == f.at && e.order < f.order }

// next is when the earliest event happens; ok is false if there is none.
func (q *queue) next() (at dht.Instant, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

func (q *queue) push(at dht.Instant, e event) {
	var place uint32
	if last := len(q.free) - 1; last >= 0 {
		place, q.free = q.free[last], q.free[:last]
		q.events[place] = e
	} else {
		place = uint32(len(q.events))
		q.events = append(q.events, e)
	}
	q.made++
	moved := entry{at, q.made, place}
	h := append(q.heap, moved)
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !moved.before(&h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = moved
	q.heap = h
}

// pop removes the earliest event. There must be one.
func (q *queue) pop() (dht.Instant, event) {
	h := q.heap
	first, last := h[0], len(h)-1
	moved := h[last]
	h = h[:last]
	q.heap = h
	for i := 0; last > 0; {
		least := 4*i + 1
		if least >= last {
			h[i] = moved
			break
		}
		for child := least + 1; child < min(4*i+5, last); child++ {
			if h[child].before(&h[least]) {
				least = child
			}
		}
		if !h[least].before(&moved) {
			h[i] = moved
			break
		}
		h[i] = h[least]
		i = least
	}
	e := q.events[first.event]
	q.events[first.event] = event{}
	q.free = append(q.free, first.event)
	return first.at, e
}
