package plan

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Searching is the time that the second phase takes for what it measures.
type Searching struct {
	Warmup time.Duration `json:"warmup_ns"` // before each step of a search
	Short  time.Duration `json:"short_ns"`  // length of the steps that look for the region
	Long   time.Duration `json:"long_ns"`   // length of the steps that decide
	Budget time.Duration `json:"budget_ns"` // of one search, all its steps together
	Load   Timing        `json:"load"`      // of one trial of latency
}

// loads are the measures of latency in the second phase.
var loads = []struct {
	measure Measure
	share   float64
}{{Load25, 0.25}, {Load50, 0.50}, {Load75, 0.75}}

// Share is the part of the baseline's highest rate that a measure offers, 0 if the measure offers none.
func (m Measure) Share() float64 {
	for _, l := range loads {
		if l.measure == m {
			return l.share
		}
	}
	return 0
}

// SearchMeasures lists the measures of the second phase, the order being the one they are made in.
func (s Spec) SearchMeasures() []Measure {
	if s.Searches < 1 {
		return nil
	}
	measures := []Measure{Search}
	for _, l := range loads {
		measures = append(measures, l.measure)
	}
	return measures
}

// SearchArms lists the arms of the second phase. A full table is no steady state: it drops whatever is new at any rate;
// and one that is nearly full would have to be made so before every step.
func (s Spec) SearchArms() []Arm { return slices.DeleteFunc(slices.Clone(s.Arms), Arm.Fills) }

// Searched says whether the second phase holds the cell.
func (s Spec) Searched(c Cell) bool {
	return slices.Contains(s.SearchArms(), c.Arm) && slices.Contains(s.SearchPatterns(), c.Flows) && slices.Contains(s.SearchMeasures(), c.Measure)
}

// SearchPatterns lists the flow patterns of the second phase. Where every query opens a flow, how long a rate can be held
// depends on the length of the table, so there is no highest rate to be found.
func (s Spec) SearchPatterns() []Pattern {
	return slices.DeleteFunc(slices.Clone(s.Patterns), func(p Pattern) bool { return p == Fresh })
}

// SearchTrials is how many trials the second phase has, a search counted as one.
func (s Spec) SearchTrials() int {
	return max(0, s.Searches) * len(s.SearchArms()) * len(s.SearchPatterns()) * len(s.SearchMeasures())
}

// SearchSlots lays out the second phase: s.Searches blocks, numbered from 0 as the first phase's are. In a block, each
// pattern's searches come first, since the rates of its latency trials follow from them; in between, arms and loads are
// in random order.
func SearchSlots(s Spec) []Slot {
	rng := rand.New(rand.NewPCG(s.Seed, 0x736561726368)) // the second word keeps this stream apart from that of New
	slots := make([]Slot, 0, s.SearchTrials())
	for block := range max(0, s.Searches) {
		position := 0
		for _, pattern := range shuffled(rng, s.SearchPatterns()) {
			measures := s.SearchMeasures()
			for _, measure := range append(measures[:1:1], shuffled(rng, measures[1:])...) {
				for _, arm := range shuffled(rng, s.SearchArms()) {
					slots = append(slots, Slot{Block: block, Position: position, Cell: Cell{Arm: arm, Flows: pattern, Measure: measure}})
					position++
				}
			}
		}
	}
	return slots
}

// SearchEstimate is how long the second phase should take.
func (s Spec) SearchEstimate() time.Duration {
	if s.Searches < 1 {
		return 0
	}
	t := s.Searching
	var cells time.Duration
	for _, p := range s.SearchPatterns() {
		besides := p.primed() + perTrial
		cells += t.Budget + besides + time.Duration(len(loads))*(t.Load.Warmup+t.Load.Measure+besides)
	}
	return cells * time.Duration(s.Searches*len(s.SearchArms()))
}

func (s Spec) validateSearches() error {
	t := s.Searching
	switch {
	case s.Searches < 0:
		return fmt.Errorf("check plan: %d searches: give 0 for none", s.Searches)
	case s.Searches == 0:
		return nil
	case t.Short <= 0 || t.Long < t.Short || t.Budget < t.Long:
		return fmt.Errorf("check plan: searches of steps of %v and %v within %v: each must be longer than the one before", t.Short, t.Long, t.Budget)
	case t.Load.Measure <= 0 || t.Load.Warmup < 0 || t.Warmup < 0:
		return errors.New("check plan: searches: a time that is missing or negative")
	}
	return nil
}
