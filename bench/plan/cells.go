package plan

import (
	"math"
	"slices"
	"time"
)

// Not every arm is measured with every pattern and measure, nor in every block:
//
//   - Raised and Filled are measured at the fixed rate only. They have a table to fill before each trial.
//   - Filled is measured with one pattern. It refuses every flow it does not know, and it knows none.
//   - Fresh is measured at the fixed rate only: how many flows a closed loop would take nobody knows beforehand, and
//     they must fit in the table.
//   - Rare cells, those of Raised, Filled and Fresh, stand in Spec.Rare blocks, spread evenly, so that a run has time for
//     many pairs of what it is mainly about.

// Fills says that the table is filled by entries of others before each trial of the arm.
func (a Arm) Fills() bool { return a == Raised || a == Filled }

// Answers says whether the arm's server gets to see any query, and so answers. Filled drops all of them.
func (a Arm) Answers() bool { return a != Filled }

// Rare says whether the cell stands in some blocks only.
func (c Cell) Rare() bool { return c.Arm.Fills() || c.Flows == Fresh }

// Has says whether any block of the spec holds the cell.
func (s Spec) Has(c Cell) bool {
	switch {
	case !slices.Contains(s.Arms, c.Arm) || !slices.Contains(s.Patterns, c.Flows) || !slices.Contains(s.Measures(), c.Measure):
		return false
	case c.Measure != Fixed && c.Rare():
		return false
	}
	return c.Arm != Filled || c.Flows == s.Main()
}

// Main is the pattern that a run speaks of first, and that Filled is measured with: Many where it is asked for, as that is
// what a busy node on the internet sees.
func (s Spec) Main() Pattern {
	switch {
	case slices.Contains(s.Patterns, Many):
		return Many
	case len(s.Patterns) == 0:
		return ""
	}
	return s.Patterns[0]
}

// holds says whether the block holds the cell.
func (s Spec) holds(block int, c Cell) bool { return s.Has(c) && (!c.Rare() || s.rareBlock(block)) }

// rareBlock spreads s.Rare blocks evenly over all, the first among them.
func (s Spec) rareBlock(block int) bool {
	return s.Rare <= 0 || s.Rare >= s.Blocks || block*s.Rare%s.Blocks < s.Rare
}

// arms are those measured in a block with one pattern and measure, in report order.
func (s Spec) arms(block int, p Pattern, m Measure) []Arm {
	var out []Arm
	for _, a := range s.Arms {
		if s.holds(block, Cell{Arm: a, Flows: p, Measure: m}) {
			out = append(out, a)
		}
	}
	return out
}

// cells calls visit for every trial of the spec, in the order of blocks.
func (s Spec) cells(visit func(block int, c Cell)) {
	for block := range s.Blocks {
		for _, p := range s.Patterns {
			for _, m := range s.Measures() {
				for _, a := range s.arms(block, p, m) {
					visit(block, Cell{Arm: a, Flows: p, Measure: m})
				}
			}
		}
	}
}

// Trials is how many trials the spec asks for.
func (s Spec) Trials() (n int) {
	s.cells(func(int, Cell) { n++ })
	return n
}

// RateOf is the rate offered by the fixed measure with a pattern, in queries a second.
func (s Spec) RateOf(p Pattern) int {
	if p == Fresh && s.FreshRate > 0 {
		return s.FreshRate
	}
	return s.Rate
}

// FlowsOf is how many flows a trial of the fixed measure has, and of any other but for Fresh.
func (s Spec) FlowsOf(p Pattern) int {
	if p == Fresh {
		return FreshFlows(float64(s.RateOf(p)), s.Fixed)
	}
	return p.Flows()
}

const (
	// freshSlack is by how many the flows of a trial exceed its queries. The generator walks all flows in rounds, changes
	// sockets after 64 queries, and so may begin the next round of one socket 64 queries before the others are through; a
	// million flows take 8 sockets.
	freshSlack = 1024
	// freshShare is the part of the table that Fresh may fill in one trial. The kernel begins to evict at 95 % of the limit
	// (nf_conntrack_core.c, gc_worker), and Raised wants to add others.
	freshShare = 0.5
)

// FreshFlows is how many flows a trial needs for each query to have one of its own, its warm-up included.
func FreshFlows(rate float64, t Timing) int {
	return int(math.Ceil(rate*(t.Warmup+t.Measure).Seconds())) + freshSlack
}

// FitFresh lowers the rate that is offered with Fresh so that one trial fills at most half of a table of limit entries, 0
// being an unknown one, and takes no more flows than there are. It says whether it had to.
func (s *Spec) FitFresh(limit uint64) (lowered bool) {
	most := flows[Fresh]
	if limit > 0 {
		most = min(most, int(freshShare*float64(limit)))
	}
	s.FreshRate = 0
	if FreshFlows(float64(s.Rate), s.Fixed) <= most {
		return false
	}
	s.FreshRate = max(1, int(float64(most-freshSlack)/(s.Fixed.Warmup+s.Fixed.Measure).Seconds()))
	return true
}

// length is what a trial of the cell takes on the wall clock.
func (s Spec) length(c Cell) time.Duration {
	t := s.Timing(c.Measure)
	d := t.Warmup + t.Measure + perTrial
	if c.Arm.Fills() {
		d += perFill
	}
	if c.Arm.Answers() {
		d += c.Flows.primed()
	}
	return d
}

// primed is how long it takes until every flow of the pattern has asked once, before a trial. New flows must not.
func (p Pattern) primed() time.Duration {
	if p == Fresh {
		return 0
	}
	return time.Duration(p.Flows()) * perFlow
}

// Estimate is how long a run of the spec should take on the wall clock, building the lab included.
func (s Spec) Estimate() time.Duration {
	d := perRun
	s.cells(func(_ int, c Cell) { d += s.length(c) })
	return d + s.pilotEstimate() + s.SearchEstimate()
}
