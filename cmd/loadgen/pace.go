package main

import "math"

const (
	// quantum is the shortest time between two bursts of queries. At 100,000 a second a sleep between any
	// two queries would cost more than the queries; this makes bursts of five.
	quantum = 50_000

	// After a pause the generator makes up for what it did not send, but at no more than catchUp times the
	// rate, as a burst at full speed would overflow queues that the rate itself would not. catchUpSpan
	// is the longest time that counts as part of the ordinary rhythm.
	catchUp     = 2
	catchUpSpan = 5 * quantum
)

// pace is the schedule of an open loop: query k is due at start + k/rate. That never moves; pace only
// remembers how far along the queue is.
type pace struct {
	rate  float64 // queries a second
	start int64
	limit int64 // a query due at limit or later has to wait until limit is raised
	next  int64 // k of the next query to be sent
	last  int64 // when the last burst was sent
}

func newPace(rate float64, start int64) pace {
	return pace{rate: rate, start: start, limit: start, last: start - quantum}
}

// due is when query k is due.
func (p *pace) due(k int64) int64 {
	return p.start + int64(math.Round(float64(k)*1e9/p.rate))
}

// dueBy is how many queries are due up to and including time t.
func (p *pace) dueBy(t int64) int64 {
	if t < p.start {
		return 0
	}
	n := int64(float64(t-p.start)*p.rate/1e9) + 1
	for n > 0 && p.due(n-1) > t {
		n--
	}
	for p.due(n) <= t {
		n++
	}
	return n
}

// ready is how many queries may be sent now.
func (p *pace) ready(now int64) int {
	if now < p.last+quantum {
		return 0
	}
	behind := p.dueBy(min(now, p.limit-1)) - p.next
	rhythm := 1 + int64(catchUp*p.rate*float64(min(now-p.last, catchUpSpan))/1e9)
	return int(min(behind, rhythm))
}

// sent records that a burst of n went out.
func (p *pace) sent(n int, now int64) {
	p.next += int64(n)
	p.last = now
}

// complete says that all queries due before limit have been sent.
func (p *pace) complete() bool { return p.due(p.next) >= p.limit }

// wake is when ready will next be more than 0, at the earliest.
func (p *pace) wake() int64 {
	if p.complete() {
		return math.MaxInt64
	}
	return max(p.due(p.next), p.last+quantum)
}
