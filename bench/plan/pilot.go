package plan

import (
	"math/rand/v2"
	"time"
)

// Pilot is what a pilot found and chose: from the spread of the control against the baseline, and nothing of the arms that
// are compared, so that how long a run is cannot depend on what it shows.
type Pilot struct {
	Pairs     int     `json:"pairs"`      // of control and baseline that it measured
	Spread    float64 `json:"spread"`     // of their log ratios of CPU time, as a standard deviation
	Needed    int     `json:"needed"`     // blocks for Spec.Resolution
	Blocks    int     `json:"blocks"`     // chosen: fewer than that where the time does not allow them
	HalfWidth float64 `json:"half_width"` // of an interval that so many blocks should give, as a share
}

const (
	// pilotPairs is how many pairs a pilot makes: the spread of fewer would be a guess.
	pilotPairs = 16
	// A pilot chooses from this many blocks. Fewer than the least leave the tails of the latencies unknown.
	LeastBlocks = 16
	MostBlocks  = 200
	// Limit is how long a run that a pilot sizes may take, trials that are made again included; the fill curve comes after.
	Limit = 14 * time.Minute
)

// PilotSlots lays out the pilot of a run: the fixed measure of the baseline and its control, in blocks of their own.
func PilotSlots(s Spec) []Slot {
	patterns := s.SearchPatterns() // those that are cheap to make
	if len(patterns) == 0 {
		patterns = s.Patterns
	}
	rng := rand.New(rand.NewPCG(s.Seed, 0x70696c6f74)) // the second word keeps this stream apart from that of New
	var slots []Slot
	for block := 0; len(slots) < 2*pilotPairs; block++ {
		position := 0
		for _, pattern := range shuffled(rng, patterns) {
			for _, arm := range shuffled(rng, []Arm{Off, Control}) {
				slots = append(slots, Slot{Block: block, Position: position, Cell: Cell{Arm: arm, Flows: pattern, Measure: Fixed}})
				position++
			}
		}
	}
	return slots
}

// Sized says whether a pilot is to choose the number of blocks.
func (s Spec) Sized() bool { return s.Resolution > 0 && s.Pilot == nil && s.Fixed.Measure > 0 }

// pilotEstimate is how long the pilot of a run takes, whether it is to come or has been made.
func (s Spec) pilotEstimate() time.Duration {
	if s.Resolution <= 0 || s.Fixed.Measure <= 0 {
		return 0
	}
	var d time.Duration
	for _, slot := range PilotSlots(s) {
		d += s.length(slot.Cell)
	}
	return d
}

// Fitting is the most blocks that the limit leaves time for, trials made again included, at least LeastBlocks.
func (s Spec) Fitting() int {
	blocks := MostBlocks
	for ; blocks > LeastBlocks; blocks-- {
		s.Blocks = blocks
		again := (s.Estimate() - s.SearchEstimate() - s.pilotEstimate()) / 8 // as Repeats allows
		if s.Estimate()+again <= Limit {
			break
		}
	}
	return blocks
}
