package dht

// sweepHand is the hand of a clock that goes round a growing collection once a period, a little at each call, so
// that work on all of it is spread evenly over time.
type sweepHand struct {
	position int
	last     Instant
	fraction float64 // of a step, owed from earlier calls
}

// maxSteps bounds the work of one call; a hand that fell behind (a process that was stopped) catches up over
// the next calls.
const maxSteps = 512

// due is how many steps to make now, for a collection of n elements. Steps beyond maxSteps are forgiven, up to
// one turn.
func (h *sweepHand) due(now Instant, n int, period Instant) int {
	elapsed := min(now-h.last, period)
	h.last = now
	h.fraction = min(h.fraction+float64(elapsed)*float64(n)/float64(period), float64(n))
	steps := min(int(h.fraction), maxSteps)
	h.fraction -= float64(steps)
	return steps
}

// next moves the hand on by one and returns where it was.
func (h *sweepHand) next(n int) int {
	if h.position >= n {
		h.position = 0
	}
	h.position++
	return h.position - 1
}
