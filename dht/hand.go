package dht

import "math"

// sweepHand is the hand of a clock that goes round a growing collection once a period, a little at each call, so
// that work on all of it is spread evenly over time. It owes the steps that time has earned until they are made:
// a hand that could not move (a full queue, a process that was stopped) catches up over the next calls, by one
// turn at most.
type sweepHand struct {
	position int
	last     Instant
	owed     float64 // steps
}

// turn earns the steps from the last call until now, for a collection of n elements. The part of a step that is
// owed beside a whole turn is kept.
func (h *sweepHand) turn(now Instant, n int, period Instant) {
	elapsed := min(max(now-h.last, 0), period)
	h.last = now
	h.owed = min(h.owed+float64(elapsed)*float64(n)/float64(period), float64(n+1))
}

// move makes steps, which must be owed.
func (h *sweepHand) move(steps, n int) {
	h.position = (h.position + steps) % n
	h.owed -= float64(steps)
}

// when is the time at which so many steps will be owed.
func (h *sweepHand) when(steps, n int, period Instant) Instant {
	missing := max(float64(steps)-h.owed, 0)
	return h.last + Instant(math.Ceil(missing*float64(period)/float64(n)))
}
