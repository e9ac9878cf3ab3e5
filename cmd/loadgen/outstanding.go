package main

import "supernode/dht/wire"

// slot is what is remembered of one query. 32 bytes, so that two share a cache line.
type slot struct {
	due, sent int64
	seq       uint32
	flow      uint32
	item      uint32 // number of the info_hash asked for
	method    wire.Method
	state     slotState
	cohort    bool  // sent within the measured interval
	segment   uint8 // of a profile, that it was due in
}

type slotState uint8

const (
	slotFree     slotState = iota
	slotPending            // neither answered nor timed out
	slotAnswered           // a further answer is a duplicate
	slotLost               // an answer is late
)

// verdict is what an answer turned out to be.
type verdict uint8

const (
	verdictAnswer    verdict = iota
	verdictLate              // after the time-out
	verdictDuplicate         // another answer came before
	verdictUnmatched         // to no query of ours
	verdictWrongFlow         // to a query of ours, but sent to another flow than asked
)

// outstanding is the table of queries, a ring of fixed size. A query's number is its transaction id and
// its place. A slot outlives its query's time-out until its place is needed again, so that late and
// repeated answers are known for what they are.
type outstanding struct {
	slots      []slot // a power of two of them
	timeout    int64  // ns from sending
	first      uint32 // the trial's first query
	tail, head uint32 // queries in [tail, head) may be pending
	issued     uint64 // since the table was made
	pending    int
}

// newOutstanding returns a table with at least size slots. Numbers begin at first.
func newOutstanding(size int, timeout int64, first uint32) *outstanding {
	n := 1
	for n < size {
		n *= 2
	}
	return &outstanding{slots: make([]slot, n), timeout: timeout, first: first, tail: first, head: first}
}

func (o *outstanding) at(seq uint32) *slot { return &o.slots[seq&uint32(len(o.slots)-1)] }

// add remembers a query that is about to be sent, and returns its number. A table that is full gives up
// its oldest query before its time.
func (o *outstanding) add(q slot) uint32 {
	if o.head-o.tail == uint32(len(o.slots)) {
		o.retire()
	}
	q.seq, q.state = o.head, slotPending
	*o.at(o.head) = q
	o.head++
	o.issued++
	o.pending++
	return q.seq
}

// retire gives up the oldest query, if it is still pending, and says whether it was.
func (o *outstanding) retire() (lost bool) {
	if s := o.at(o.tail); s.state == slotPending {
		s.state = slotLost
		o.pending--
		lost = true
	}
	o.tail++
	return lost
}

// expire gives up what has been pending for the time-out, and returns how many that were. Queries time
// out in the order they were sent, so it looks at each only once.
func (o *outstanding) expire(now int64) (lost int) {
	for o.tail != o.head {
		if s := o.at(o.tail); s.state == slotPending && now < s.sent+o.timeout {
			break
		}
		if o.retire() {
			lost++
		}
	}
	return lost
}

// abandon begins a new trial: what is still pending is given up, and its answers will count as late.
func (o *outstanding) abandon() {
	for o.tail != o.head {
		o.retire()
	}
	o.first = o.head
}

// deadline is when the oldest pending query times out. Only valid after expire, and if any is pending.
func (o *outstanding) deadline() int64 { return o.at(o.tail).sent + o.timeout }

// recent is the latest query to flow whose number ends in low, for protocols that carry no more of it; if flow has none,
// it is the latest of any.
func (o *outstanding) recent(low uint16, flow uint32) (seq uint32) {
	latest := o.head - 1 - uint32(uint16(o.head-1)-low)
	for seq = latest; ; seq -= 1 << 16 {
		age := o.head - seq
		if uint64(age) > o.issued || age > uint32(len(o.slots)) {
			return latest
		}
		if o.at(seq).flow == flow {
			return seq
		}
	}
}

// answer judges an answer to query seq that came to flow. The slot is nil where the query is too old to be
// remembered, or of an earlier trial, and where there is none. The caller has called expire just before.
func (o *outstanding) answer(seq, flow uint32) (*slot, verdict) {
	age := o.head - seq // 1 is the latest
	if age == 0 || uint64(age) > o.issued {
		return nil, verdictUnmatched
	}
	if age > uint32(len(o.slots)) || age > o.head-o.first {
		return nil, verdictLate
	}
	s := o.at(seq)
	switch {
	case s.flow != flow:
		return s, verdictWrongFlow
	case s.state == slotPending:
		s.state = slotAnswered
		o.pending--
		return s, verdictAnswer
	case s.state == slotLost:
		s.state = slotAnswered
		return s, verdictLate
	}
	return s, verdictDuplicate
}
