// Package plan says which trials a run of the harness makes, and in what order. It is pure: the same
// [Spec] gives the same [Plan] on every machine, and nothing here touches the kernel.
//
// The words, used alike by the packages beside this one:
//
//   - An arm is one state of the server's firewall: what is compared.
//   - A pattern is how many flows the generator spreads its queries over.
//   - A measure is what the generator does: send at a fixed rate, or as fast as answers come back.
//   - A cell is one arm, pattern and measure.
//   - A trial is one cell measured once: warm-up, then the measured interval.
//   - A block holds every cell exactly once, but for the rare ones (see [Cell.Rare]), which stand in some blocks only.
//     Comparisons are made within a block, so that whatever drifts over minutes (temperature, neighbours on the host)
//     falls on both sides alike.
//
// The order inside a block is random, because a fixed order would give each arm its own predecessor
// and turn what that one leaves behind (warm caches, an emptied table) into a difference between arms.
// It is random in three layers, pattern, measure and then arm, so that the trials which are compared
// with each other run back to back: see R. A. Fisher, The Design of Experiments, 1935, ch. IV, on why
// blocks should be small and homogeneous and randomised inside.
package plan

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Arm names one state of the server's firewall.
type Arm string

const (
	Off     Arm = "off"     // a ruleset of the same length without connection tracking: the baseline
	Control Arm = "control" // Off once more under another name: what it shows is noise
	On      Arm = "on"      // a stateful ruleset: every flow is tracked
	Notrack Arm = "notrack" // the stateful ruleset with the server's port exempted both ways
	Raised  Arm = "raised"  // On, with the table long: assured entries of others leave room for the measured flows only
	Burn    Arm = "burn"    // Off, with a server that wastes a known time for each query: for self-tests, and not to be asked for
	Same    Arm = "same"    // Off a third time, judged like an arm: for self-tests, where a difference it shows is a false alarm
	Filled  Arm = "full"    // On, with the table filled to its limit by assured entries of others before the first query
)

// Tracks reports whether connection tracking is active in the namespace under this arm. It is under
// Notrack as well, where only the server's port is exempt.
func (a Arm) Tracks() bool { return a == On || a == Notrack || a.Fills() }

// Pattern names how many flows the queries come from.
type Pattern string

const (
	Few   Pattern = "few"
	Many  Pattern = "many"
	Fresh Pattern = "new" // every query from a flow that was not seen before in the trial
)

// Flows is the number of distinct flows (client address and port pairs), of Fresh the most there can be in a trial, 0 for
// an unknown pattern. What a trial has is [Spec.FlowsOf].
func (p Pattern) Flows() int { return flows[p] }

// Measure names what the generator does in a trial.
type Measure string

const (
	Fixed Measure = "fixed" // open loop at Spec.Rate: CPU time per answered query, latency, loss
	Max   Measure = "max"   // closed loop with Spec.Window queries outstanding: answers per second

	Search Measure = "search" // open loop, trials of rising and falling rates: the highest with hardly any loss
	Load25 Measure = "load25" // open loop at 25 % of the baseline's highest rate: latency
	Load50 Measure = "load50"
	Load75 Measure = "load75"
)

// Timing is the length of a trial's two parts. What happens during Warmup is thrown away.
type Timing struct {
	Warmup  time.Duration `json:"warmup_ns"`
	Measure time.Duration `json:"measure_ns"`
}

// Spec describes a run. The zero Timing leaves that measure out.
type Spec struct {
	Seed     uint64    `json:"seed"`
	Blocks   int       `json:"blocks"`
	Arms     []Arm     `json:"arms"`
	Patterns []Pattern `json:"flows"`
	Rate     int       `json:"rate"`   // queries per second offered by the fixed measure
	Window   int       `json:"window"` // queries outstanding in the max measure

	Rare      int `json:"rare_blocks,omitempty"` // blocks that hold the rare cells too; 0: all
	FreshRate int `json:"new_rate,omitempty"`    // what is offered with pattern new, where Rate would fill the table; 0: Rate

	Fixed Timing `json:"fixed"`
	Max   Timing `json:"max,omitzero"`

	Searches  int       `json:"searches,omitempty"` // blocks of the second phase, see SearchSlots
	Searching Searching `json:"searching,omitzero"` // what a search may take

	Resolution float64 `json:"resolution,omitzero"` // half the width of an interval that a pilot chose Blocks for, as a share
	Pilot      *Pilot  `json:"pilot,omitempty"`     // what it found; nil if none was made
}

// Cell is one combination that is measured once in every block that holds it.
type Cell struct {
	Arm     Arm     `json:"arm"`
	Flows   Pattern `json:"flows"`
	Measure Measure `json:"measure"`
}

func (c Cell) String() string { return fmt.Sprintf("%s/%s/%s", c.Measure, c.Flows, c.Arm) }

// Slot is the place of one trial in a run. Block and Position (within the block) count from 0.
type Slot struct {
	Block    int `json:"block"`
	Position int `json:"position"`
	Cell
}

// Plan is a Spec with its trials in the order they are to be run.
type Plan struct {
	Spec
	Slots []Slot
}

// New checks spec and lays out its trials.
func New(spec Spec) (Plan, error) {
	if err := spec.Validate(); err != nil {
		return Plan{}, err
	}
	// The second word only keeps this stream apart from others seeded with the same number.
	rng := rand.New(rand.NewPCG(spec.Seed, 0x706c616e))
	slots := make([]Slot, 0, spec.Trials())
	for block := range spec.Blocks {
		position := 0
		for _, pattern := range shuffled(rng, spec.Patterns) {
			for _, measure := range shuffled(rng, spec.Measures()) {
				for _, arm := range shuffled(rng, spec.arms(block, pattern, measure)) {
					cell := Cell{Arm: arm, Flows: pattern, Measure: measure}
					slots = append(slots, Slot{Block: block, Position: position, Cell: cell})
					position++
				}
			}
		}
	}
	return Plan{Spec: spec, Slots: slots}, nil
}

func shuffled[T any](rng *rand.Rand, in []T) []T {
	out := slices.Clone(in)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// Measures lists the measures the spec gives time to.
func (s Spec) Measures() []Measure {
	var ms []Measure
	if s.Fixed.Measure > 0 {
		ms = append(ms, Fixed)
	}
	if s.Max.Measure > 0 {
		ms = append(ms, Max)
	}
	return ms
}

// Timing is the length of a trial of measure m.
func (s Spec) Timing(m Measure) Timing {
	if m == Max {
		return s.Max
	}
	return s.Fixed
}

// Validate says what is wrong with the spec and how to mend it.
func (s Spec) Validate() error {
	switch {
	case s.Blocks < 1:
		return fmt.Errorf("check plan: %d blocks: give at least 1", s.Blocks)
	case !slices.Contains(s.Arms, Off):
		return errors.New("check plan: arm off is missing: it is the baseline, add it")
	case !slices.Contains(s.Arms, Control):
		return errors.New("check plan: arm control is missing: without it nothing tells an effect from noise, add it")
	case len(s.Patterns) == 0:
		return errors.New("check plan: no flow pattern: give some of " + join(patterns))
	case len(s.Measures()) == 0:
		return errors.New("check plan: no measure has any time: set fixed or max")
	case s.Fixed.Measure > 0 && s.Rate < 1:
		return fmt.Errorf("check plan: rate %d: give the queries per second to offer", s.Rate)
	case s.Max.Measure > 0 && s.Window < 1:
		return fmt.Errorf("check plan: window %d: give the queries to keep outstanding", s.Window)
	case s.Fixed.Warmup < 0 || s.Max.Warmup < 0 || s.Fixed.Measure < 0 || s.Max.Measure < 0:
		return errors.New("check plan: a negative time")
	case s.Rare < 0 || s.FreshRate < 0:
		return fmt.Errorf("check plan: %d rare blocks, rate %d with pattern %s: must not be negative", s.Rare, s.FreshRate, Fresh)
	}
	if err := s.validateSearches(); err != nil {
		return err
	}
	if err := known(s.Arms, append(Arms(), Burn, Same), "arm"); err != nil {
		return err
	}
	if err := known(s.Patterns, patterns, "flow pattern"); err != nil {
		return err
	}
	if s.Trials() == 0 {
		return fmt.Errorf("check plan: pattern %s is not measured flat out: add another, or give the fixed measure time", Fresh)
	}
	return nil
}
