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

	// clump is how many standard deviations more than the mean of a Poisson process count as its ordinary rhythm.
	clump = 6
)

// pace is the schedule of an open loop: query k is due at start + k/rate, or when a drawn schedule says. That never moves;
// pace only remembers how far along the queue is.
type pace struct {
	rate  float64 // of all threads, queries a second
	first int64   // of the queries of all threads, which are ours: number first, and then every step-th
	step  int64
	drawn *drawn // nil: at one rate, evenly
	start int64
	limit int64 // a query due at limit or later has to wait until limit is raised
	next  int64 // k of the next query to be sent
	last  int64 // when the last burst was sent, or its first batch
	left  int64 // of that burst, how many more may be sent, of what was due at last
}

// newPace is a schedule at one rate, of which the part p is ours.
func newPace(rate float64, p part, start int64) pace {
	return pace{rate: rate, first: int64(p.index), step: int64(p.threads()), start: start, limit: start, last: start - quantum}
}

// paceOf is the schedule of a trial that begins at start.
func paceOf(p *params, start int64) pace {
	c := newPace(float64(p.rate), p.part, start)
	if p.profile != nil || p.arrivals == arrivePoisson {
		c.drawn = newDrawn(p)
	}
	return c
}

// due is when query k is due. In a drawn schedule k must not be far from next.
func (p *pace) due(k int64) int64 {
	if p.drawn != nil {
		return p.start + p.drawn.at(k)
	}
	return p.start + int64(math.Round(float64(k*p.step+p.first)*1e9/p.rate))
}

// dueBy is how many queries are due up to and including time t. Of a drawn schedule it counts no more than a batch beyond
// next.
func (p *pace) dueBy(t int64) int64 {
	if t < p.start {
		return 0
	}
	if p.drawn != nil {
		n := p.next
		for n < p.next+batch && p.due(n) <= t {
			n++
		}
		return n
	}
	n := max(0, int64((float64(t-p.start)*p.rate/1e9-float64(p.first))/float64(p.step))+1)
	for n > 0 && p.due(n-1) > t {
		n--
	}
	for p.due(n) <= t {
		n++
	}
	return n
}

// ready is how many queries may be sent now. A burst that takes several batches goes on without a pause: with one batch a
// quantum, no rate could be more than batch/quantum.
func (p *pace) ready(now int64) int {
	by, most := now, int64(0)
	if now < p.last+quantum {
		by, most = p.last, p.left
	} else {
		most = p.burst(now)
	}
	if most <= 0 {
		return 0
	}
	behind := p.dueBy(min(by, p.limit-1)) - p.next
	return int(max(0, min(behind, most)))
}

// burst is how many queries a burst may have that begins now.
func (p *pace) burst(now int64) int64 {
	mean := p.rateAt(now) * float64(min(now-p.last, catchUpSpan)) / 1e9
	rhythm := 1 + catchUp*mean
	if p.drawn != nil && p.drawn.gaps != nil {
		rhythm += clump * math.Sqrt(mean)
	}
	return int64(rhythm)
}

// rateAt is our share of the rate: where it changes, the higher one of now and of when the next query was due, so that
// what is left of a fast time is not sent at the pace of a slow one.
func (p *pace) rateAt(now int64) float64 {
	if p.drawn == nil {
		return p.rate / float64(p.step)
	}
	return max(p.drawn.rate(now-p.start), p.drawn.rate(p.due(p.next)-p.start))
}

// sent records that n went out: a burst, or more of one.
func (p *pace) sent(n int, now int64) {
	if now >= p.last+quantum {
		p.left, p.last = p.burst(now), now
	}
	p.left -= int64(n)
	p.next += int64(n)
}

// complete says that all queries due before limit have been sent.
func (p *pace) complete() bool { return p.due(p.next) >= p.limit }

// unsent is how many queries due before t have not been sent; of a drawn schedule, how many are to be expected.
func (p *pace) unsent(t int64) int64 {
	if next := p.due(p.next); p.drawn != nil {
		if next >= t {
			return 0
		}
		n := p.drawn.number(next-p.start, t-p.start)
		if p.drawn.gaps != nil {
			n++ // the next one, which is known
		}
		return n
	}
	return max(0, p.dueBy(t-1)-p.next)
}

// offered is the rate, in queries a second, that is asked of us from one time to another: that of our share.
func (p *pace) offered(from, to int64) float64 {
	if p.drawn == nil || to <= from {
		return p.rate / float64(p.step)
	}
	return p.drawn.between(from-p.start, to-p.start) / (float64(to-from) / 1e9)
}

// wake is when ready will next be more than 0, at the earliest.
func (p *pace) wake() int64 {
	if p.complete() {
		return math.MaxInt64
	}
	due := p.due(p.next)
	if p.left > 0 && due <= p.last {
		return p.last // the burst is not over
	}
	return max(due, p.last+quantum)
}
