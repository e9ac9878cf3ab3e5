package slices

import (
	"context"
	"errors"
	"fmt"
	"time"

	"supernode/bench/lab"
	"supernode/bench/plan"
)

// group is subjects that are compared with each other, and what they are measured at.
type group struct {
	subjects []Subject
	measures []plan.Measure
}

// Size is how much is measured for one decision.
type Size struct {
	Rounds int `json:"rounds"`
	Blocks int `json:"blocks"` // in each round
}

// String says it.
func (s Size) String() string {
	return fmt.Sprintf("%d blocks (rounds of new processes: %d, with %d blocks each)", s.Rounds*s.Blocks, s.Rounds, s.Blocks)
}

// set is what is measured for one decision, or for several at once.
type set struct {
	number int // of the set, in its slices
	groups []group
	load   Load
	size   Size
	seed   uint64
	until  time.Time         // no block begins after it, but for the first; the zero time is never
	record func(Slice) error // called for each slice; may be nil
}

// late says whether it is time to stop.
func (s set) late() bool { return !s.until.IsZero() && time.Now().After(s.until) }

// slices is how many a set takes.
func (s set) slices() (n int) {
	for block := range s.size.Rounds * s.size.Blocks {
		for _, g := range s.groups {
			n += slicesABlock * len(g.present(block)) * len(g.measures)
		}
	}
	return n
}

// estimate is how long the set takes.
func (s set) estimate() time.Duration {
	return time.Duration(s.slices())*s.load.slice() + time.Duration(s.size.Rounds)*raising
}

// present lists the numbers, within the group, of the subjects that a block measures.
func (g group) present(block int) (numbers []int) {
	for i, subject := range g.subjects {
		if block%max(1, subject.Every) == 0 {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// run makes the set's slices, as many as there is time for.
func (s set) run(ctx context.Context, l *lab.Lab) (all []Slice, err error) {
	for round := range s.size.Rounds {
		if round > 0 && s.late() {
			break
		}
		made, err := s.round(ctx, l, round)
		all = append(all, made...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// round makes the slices of one round. The processes are ended before it returns.
func (s set) round(ctx context.Context, l *lab.Lab, round int) (all []Slice, err error) {
	var subjects []Subject
	for _, g := range s.groups {
		subjects = append(subjects, g.subjects...)
	}
	stand, err := raise(ctx, l, s.load, subjects, s.seed)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stand.close()) }()
	for b := range s.size.Blocks {
		block, first := round*s.size.Blocks+b, 0
		if block > 0 && s.late() {
			break
		}
		for _, g := range s.groups {
			present := g.present(block)
			for i, m := range g.measures {
				for place, p := range Order(s.seed, block, i, len(present)) {
					slice, err := stand.slice(ctx, first+present[p], m, s.seed+uint64(block))
					if err != nil {
						return all, err
					}
					slice.Set, slice.Round, slice.Block, slice.Place = s.number, round, block, place
					all = append(all, slice)
					if s.record == nil {
						continue
					}
					if err := s.record(slice); err != nil {
						return all, err
					}
				}
			}
			first += len(g.subjects)
		}
	}
	return all, nil
}
