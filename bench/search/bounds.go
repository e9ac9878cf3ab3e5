package search

import "math"

// level tells the lengths of steps apart.
type level int

const (
	short level = iota
	long
)

// evidence is a step that counts.
type evidence struct {
	rate     float64
	level    level
	loss     float64
	answered float64 // a second
	reached  bool    // so many were sent as were to be
	limited  bool
}

// bad says whether the step speaks against the rate. A generator that was late with some, but sent all, has only made it
// harder for the server.
func (e evidence) bad(loss float64) bool { return !e.reached || e.loss > loss }

// bounds are what the steps so far say about a loss.
type bounds struct {
	lo       float64 // the highest rate below hi that passed; 0 if none did
	hi       float64 // the lowest that failed; infinite if none did
	answered float64 // a second, of a step at hi
	limited  bool    // at hi it was the generator that failed
	doubtful float64 // a rate that needs another step before it can be said to have failed; 0 if there is none
}

// closed says whether there are two bounds, close to each other.
func (b bounds) closed(width float64) bool { return b.lo > 0 && b.hi <= b.lo*(1+width) }

// bounds judges every rate that was tried. At level long, only long steps count.
func (s *state) bounds(loss float64, l level) bounds {
	b := bounds{hi: math.Inf(1)}
	passed := make([]float64, 0, len(s.evidence))
	for _, e := range s.evidence {
		switch v := s.verdict(e.rate, loss, l); {
		case v.passed:
			passed = append(passed, e.rate)
		case v.doubtful:
			b.doubtful = e.rate
		case v.failed && e.rate < b.hi:
			b.hi, b.answered, b.limited = e.rate, v.answered, v.limited
		}
	}
	for _, rate := range passed {
		if rate < b.hi {
			b.lo = max(b.lo, rate)
		}
	}
	return b
}

// verdict is what all steps at one rate come to.
type verdict struct {
	passed, failed, doubtful bool
	limited                  bool    // the generator failed, in most of them
	answered                 float64 // a second, the most of them
}

// verdict judges a rate. Long steps outweigh short ones: of those one good one is enough, and it takes two bad ones to fail.
// Where there are only short ones, the last decides.
func (s *state) verdict(rate, loss float64, l level) (v verdict) {
	var bad, limited int
	var last *evidence
	for i := range s.evidence {
		e := &s.evidence[i]
		if e.rate != rate {
			continue
		}
		if e.level == short {
			last = e
			continue
		}
		if !e.bad(loss) {
			return verdict{passed: true}
		}
		bad++
		if e.limited {
			limited++
		}
		v.answered = max(v.answered, e.answered)
	}
	switch {
	case bad > 1:
		v.failed, v.limited = true, 2*limited > bad
	case bad == 1 && l == long:
		v.doubtful = true
	case l == short && last != nil:
		v.passed, v.failed, v.limited, v.answered = !last.bad(loss), last.bad(loss), last.limited, last.answered
	}
	return v
}
