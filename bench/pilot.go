package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/bench/stat"
	"supernode/bench/trial"
)

// size has a pilot choose the number of blocks. Its trials are not recorded: they are of the baseline and its control
// alone, and decide nothing but how often the run's own are made.
func (r *experiment) size(ctx context.Context, rig *trial.Rig) error {
	if !r.plan.Sized() {
		return nil
	}
	slots := plan.PilotSlots(r.plan.Spec)
	r.progress.say("a pilot of %s: how noisy is this machine?", count(len(slots), "trial"))
	spares := len(slots) / 4
	cpu := map[plan.Slot]float64{}
	for i, slot := range slots {
		r.progress.note("pilot: %d of %d done", i, len(slots))
		t, err := attempt(ctx, rig, slot, r.load(slot), &spares, func(record.Trial) error { return nil })
		if err != nil && !errors.Is(err, trial.ErrSilent) { // a server that stays silent is for the run itself to find
			return fmt.Errorf("pilot: %w", err)
		}
		if err == nil && report.Excluded(t) == "" {
			slot.Position = 0
			cpu[slot] = float64(t.Server+t.ServerNAPI) / float64(t.Answered)
		}
	}
	spec := r.plan.Spec
	spec.Pilot = sized(spec, controlPairs(cpu))
	spec.Blocks = spec.Pilot.Blocks
	p, err := plan.New(spec)
	if err != nil {
		return err
	}
	r.plan = p
	r.progress.begin("block", p.Blocks, len(p.Slots), p.Estimate()-p.SearchEstimate(), p.SearchEstimate())
	r.progress.say("%s", describePilot(spec))
	return nil
}

// controlPairs puts the trials of a pilot together.
func controlPairs(cpu map[plan.Slot]float64) (pairs []stat.Pair) {
	for slot, ns := range cpu {
		if slot.Arm != plan.Off {
			continue
		}
		slot.Arm = plan.Control
		if control, ok := cpu[slot]; ok {
			pairs = append(pairs, stat.Pair{Base: ns, Arm: control})
		}
	}
	return pairs
}

// mostNeeded is where to stop counting the blocks that a very noisy machine would need.
const mostNeeded = 1000

// sized chooses the number of blocks. A pilot that most trials of were disturbed knows nothing, and chooses as many as there
// is time for.
func sized(spec plan.Spec, pairs []stat.Pair) *plan.Pilot {
	rules := stat.DefaultRules()
	spread, n := stat.Spread(pairs)
	p := &plan.Pilot{Pairs: n, Spread: spread, Needed: mostNeeded}
	if n >= rules.MinPairs {
		p.Needed = rules.Blocks(spread, spec.Resolution, plan.LeastBlocks, mostNeeded)
	}
	p.Blocks = min(p.Needed, spec.Fitting())
	p.HalfWidth = rules.HalfWidth(spread, p.Blocks)
	return p
}

func describePilot(s plan.Spec) string {
	p := s.Pilot
	switch {
	case p.Pairs < stat.DefaultRules().MinPairs:
		return fmt.Sprintf("the host disturbed the pilot: %d blocks, as many as %v leave time for", p.Blocks, plan.Limit)
	case p.Needed > p.Blocks:
		more := strconv.Itoa(p.Needed)
		if p.Needed == mostNeeded {
			more += " or more"
		}
		return fmt.Sprintf("the baseline scatters by %.1f %% against itself: ±%.1f %% would take %s blocks, %v leave time for %d, which should give ±%.1f %%",
			100*p.Spread, 100*s.Resolution, more, plan.Limit, p.Blocks, 100*p.HalfWidth)
	}
	return fmt.Sprintf("the baseline scatters by %.1f %% against itself: %d blocks should give intervals of ±%.1f %%", 100*p.Spread, p.Blocks, 100*p.HalfWidth)
}

// parseResolution reads "2%", "2 %" or "0.02".
func parseResolution(text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		value /= 100
	}
	if err != nil || !(value >= 0.001 && value <= 0.5) {
		return 0, fmt.Errorf("must be a share from 0.1%% to 50%%, as in 2%% or 0.02")
	}
	return value, nil
}
