// Package search looks for the highest rate of queries that a server answers with hardly any of them lost: for each
// loss that is allowed, the highest rate that was shown to lose no more, and the lowest that was shown to lose more. It
// is pure: the trials, called steps here, are made by a function that it is given.
//
// In spirit this is the throughput test of RFC 2544, section 26.1, which allows no loss at all and halves an interval by
// steps of a minute. A server on a shared machine is not so steady, and has not so much time. From MLRsearch
// (draft-ietf-bmwg-mlrsearch) come four departures:
//
//   - Short steps first. They find the region, and decide nothing; long steps, near the bounds, decide.
//   - The first step offers too much, and what is answered of it is the first guess.
//   - All losses are looked for at once: a step says something about each.
//   - Bounds may prove wrong. A rate that a longer step contradicts is dropped, and the search goes outward again, in
//     widths that double, until it has a bound on either side.
//
// # What noise does to it
//
// A disturbance, say a neighbour that takes the processor for some milliseconds, adds to the loss of a step. None takes
// loss away. So one good long step shows that the server can, and it takes two bad ones, with no good one, to say that it
// cannot. If a share q of the long steps is hit, a rate that is well within the server's means is taken for too high with
// probability q²; the figure errs to the low side. Where every tenth step is hit, nineteen searches in twenty come within
// 2 % of the truth, which this package's tests simulate. Nor does it speak against a server that the generator kept its schedule
// badly, if all was sent: the queries came in bursts then, which is harder to answer.
//
// Of rates that passed and rates that failed, the lowest that failed is believed: what is reported as the highest rate has
// nothing that failed below it.
package search

import (
	"fmt"
	"math"
	"time"

	"supernode/bench/record"
)

// Config says what to look for, and in what time. Rates are queries a second; widths are how far the upper bound may be
// above the lower one, as a share of it.
type Config struct {
	Losses []float64 // shares of the queries that may be lost, the strictest first
	Start  float64   // the first rate, better too high than too low
	Least  float64   // no rate below this is tried
	Most   float64   // nor above this: what the generator is good for

	Short, Long  time.Duration // lengths of steps
	Coarse, Fine float64       // widths that short and long steps are to reach
	Overhead     time.Duration // what a step takes besides its length
	Budget       time.Duration // of all steps with their overhead
}

// Outcome is what came of a step.
type Outcome struct {
	Sent, Answered uint64
	Limited        bool   // the generator had trouble: if the step is bad, it was perhaps not the server
	Disturbed      string // why it does not count at all: it is made again
}

// Loss is the share of the queries that was lost. Of nothing, all of it is.
func (o Outcome) Loss() float64 {
	if o.Sent == 0 {
		return 1
	}
	return float64(o.Sent-min(o.Sent, o.Answered)) / float64(o.Sent)
}

// Measure makes one step. An error ends the search.
type Measure func(rate float64, length time.Duration) (Outcome, error)

// Run makes the search. With an error it returns the steps that were made.
func Run(c Config, measure Measure) (record.Search, error) {
	if err := c.validate(); err != nil {
		return record.Search{}, err
	}
	c.Least, c.Most = math.Ceil(c.Least), math.Floor(c.Most)
	s := &state{Config: c, measure: measure}
	result := record.Search{Found: []record.Found{}}
	for _, loss := range c.Losses {
		done, err := s.find(loss)
		if err != nil {
			return record.Search{Found: result.Found, Steps: s.steps}, err
		}
		result.Found = append(result.Found, s.found(loss, done))
	}
	result.Steps = s.steps
	return result, nil
}

func (c Config) validate() error {
	switch {
	case len(c.Losses) == 0:
		return fmt.Errorf("search: no loss to look for")
	case !(c.Least >= 1) || !(c.Most >= c.Least):
		return fmt.Errorf("search: rates %v to %v: must be 1 or more, and rise", c.Least, c.Most)
	case !(c.Fine > 0) || !(c.Coarse >= c.Fine):
		return fmt.Errorf("search: widths %v and %v: must be more than 0, and the coarse one not below the fine", c.Coarse, c.Fine)
	case c.Short <= 0 || c.Long < c.Short || c.Overhead < 0:
		return fmt.Errorf("search: steps of %v and %v: must be more than 0, and the long ones not shorter", c.Short, c.Long)
	}
	return nil
}

// state is a search under way.
type state struct {
	Config
	measure  Measure
	evidence []evidence
	steps    []record.Step
	spent    time.Duration
}

// find narrows the bounds for a loss, and says whether they came as close as they should within the budget.
func (s *state) find(loss float64) (done bool, err error) {
	for _, l := range []level{short, long} {
		if done, err = s.narrow(loss, l); !done || err != nil {
			return false, err
		}
	}
	return true, nil
}

// narrow makes steps of one length until the bounds that they show are close enough.
func (s *state) narrow(loss float64, l level) (done bool, err error) {
	width := s.width(l)
	outward := width // how far to go beyond a bound that has nothing on its other side; doubles at each try
	for {
		b := s.bounds(loss, l)
		rate := b.doubtful
		switch {
		case rate > 0: // once more
		case b.closed(width), b.lo >= s.Most, b.hi <= s.Least:
			return true, nil
		default:
			rate, outward = s.next(loss, l, b, outward)
			if rate <= b.lo || rate >= b.hi { // no whole number is left between
				return true, nil
			}
		}
		if made, err := s.step(rate, l); !made || err != nil {
			return false, err
		}
	}
}

// next is the rate to try, between the bounds or beyond the one there is, and the next step outward.
func (s *state) next(loss float64, l level, b bounds, outward float64) (rate, further float64) {
	hint := bounds{hi: math.Inf(1)}
	if l == long {
		hint = s.bounds(loss, short)
	}
	switch {
	case b.lo > 0: // up
		rate = b.lo * (1 + outward)
		if middle := math.Sqrt(b.lo * b.hi); rate > middle {
			return s.clamp(middle), outward
		}
		if b.lo < hint.hi && hint.hi < b.hi && hint.hi <= b.lo*(1+2*s.Coarse) {
			return s.clamp(hint.hi), outward
		}
		return s.clamp(rate), 2 * outward
	case math.IsInf(b.hi, 1): // no bound at all
		if hint.lo > 0 {
			return hint.lo, outward
		}
		return s.clamp(s.Start), outward
	case hint.lo > 0 && hint.lo < b.hi: // down
		return hint.lo, outward
	}
	if answered := b.answered * (1 - s.width(l)/2); answered > 0 && answered < b.hi/(1+outward) {
		return s.clamp(answered), outward
	}
	return s.clamp(b.hi / (1 + outward)), 2 * outward
}

func (s *state) width(l level) float64 {
	if l == long {
		return s.Fine
	}
	return s.Coarse
}

// clamp rounds a rate to a whole number within what may be tried.
func (s *state) clamp(rate float64) float64 {
	return min(max(math.Round(rate), s.Least), s.Most)
}

// fullRate is how much of a rate must have been sent for its step to say that the server can.
const fullRate = 0.99

// step makes a step, if there is time for it.
func (s *state) step(rate float64, l level) (made bool, err error) {
	length := s.Short
	if l == long {
		length = s.Long
	}
	if s.spent += length + s.Overhead; s.spent > s.Budget {
		return false, nil
	}
	o, err := s.measure(rate, length)
	if err != nil {
		return false, fmt.Errorf("offer %.0f queries/s: %w", rate, err)
	}
	s.steps = append(s.steps, record.Step{
		OfferedQPS: rate, DurationS: length.Seconds(), Sent: o.Sent, Answered: o.Answered,
		LossRatio: o.Loss(), Limited: o.Limited, Disturbed: o.Disturbed,
	})
	if o.Disturbed != "" {
		return true, nil
	}
	s.evidence = append(s.evidence, evidence{
		rate: rate, level: l, loss: o.Loss(), answered: float64(o.Answered) / length.Seconds(),
		reached: float64(o.Sent) >= fullRate*rate*length.Seconds()-1, limited: o.Limited,
	})
	return true, nil
}

// found is what is known of a loss at the end.
func (s *state) found(loss float64, done bool) record.Found {
	b := s.bounds(loss, long)
	if !done && b.lo == 0 {
		b = s.bounds(loss, short)
	}
	f := record.Found{LossRatio: loss, QPS: b.lo, Unfinished: !done}
	if !math.IsInf(b.hi, 1) {
		f.AtMost = b.hi
	}
	f.Limited = b.limited || b.lo >= s.Most
	return f
}
