package main

import (
	"context"
	"errors"
	"math"
	"time"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/bench/search"
	"supernode/bench/stat"
	"supernode/bench/trial"
)

// How a search goes; its times are the plan's.
const (
	searchCoarse = 0.05  // the width that short steps reach
	searchFine   = 0.025 // and the long ones
	searchFirst  = 1.5   // the first step offers so many times what a closed loop sees answered
	searchLeast  = 0.02  // no rate below this part of that is tried
	searchMost   = 5_000_000
	// searchGrace is how long answers are awaited after a step. On a link without a wire they come in a few milliseconds.
	searchGrace = 40 * time.Millisecond
	// searchOverhead is what a step takes besides its length, its warm-up and the wait: readings, and words with the generator.
	searchOverhead = 10 * time.Millisecond
)

// searchLosses are the losses that are looked for, the strictest first.
var searchLosses = []float64{0.001, 0.005}

// searches makes the second phase: the highest rates with hardly any loss, and then latency at shares of the baseline's.
func (r *experiment) searches(ctx context.Context, rig *trial.Rig, w *record.Writer) (recorded int, err error) {
	slots := plan.SearchSlots(r.plan.Spec)
	if len(slots) == 0 {
		return 0, nil
	}
	r.progress.begin("search", r.plan.Searches, len(slots), r.plan.SearchEstimate(), 0)
	repeats := len(slots) / 8
	rates := map[plan.Pattern][]float64{} // that the baseline and its control were found to answer
	for _, slot := range slots {
		r.progress.step(slot.Block, slot.Position == 0, slot.Cell.String())
		t, err := attempt(ctx, rig, slot, r.searchLoad(slot, rates[slot.Flows]), &repeats, w.Append)
		if err != nil {
			return recorded, err
		}
		recorded++
		if rate := found(t); rate > 0 && (slot.Arm == plan.Off || slot.Arm == plan.Control) {
			rates[slot.Flows] = append(rates[slot.Flows], rate)
		}
	}
	return recorded, nil
}

// found is the rate that the strictest loss of a search came to, 0 if there is none.
func found(t record.Trial) float64 {
	if t.Search == nil || len(t.Search.Found) == 0 {
		return 0
	}
	return t.Search.Found[0].QPS
}

// searchLoad is what the generator is asked to do in a slot of the second phase. Before it, every flow asks once, so that
// an arm that tracks has its entries.
func (r *experiment) searchLoad(slot plan.Slot, rates []float64) trial.Load {
	flows, seed := slot.Flows.Flows(), r.plan.Seed+uint64(slot.Block)
	prime := r.prime(flows, seed)
	if slot.Measure == plan.Search {
		return trial.Load{Flows: flows, Prime: prime, Series: r.series(flows, seed)}
	}
	t := r.plan.Searching.Load
	return trial.Load{
		Rate: loadRate(slot.Measure, rates, r.answers), DurationS: t.Measure.Seconds(), WarmupS: t.Warmup.Seconds(),
		Flows: flows, Seed: seed, Prime: prime,
	}
}

// loadRate is a measure's share of what the baseline answers: of the median of the rates found so far, by searches of the
// baseline and its control, in this block and those before it. If these found none, it is of what a closed loop sees
// answered.
func loadRate(m plan.Measure, rates []float64, answers float64) float64 {
	base := answers
	if len(rates) > 0 {
		base = stat.Median(rates)
	}
	return max(1, math.Round(m.Share()*base)) // 0 would be a closed loop
}

// inTime is how many queries of a step count as answered: those that were answered at all, but no more than had their answers
// when the step ended, and a hundredth. A rate that cannot be held shows in a queue that grows; and a socket may have room
// for a queue that takes longer to overflow than a step lasts.
func inTime(step record.Trial) uint64 {
	return min(step.Load.Answered, step.Answered+step.Load.Sent/100)
}

// series makes the steps of one search.
func (r *experiment) series(flows int, seed uint64) trial.Series {
	t, grace := r.plan.Searching, searchGrace.Seconds()
	return func(step func(trial.Load) (record.Trial, error)) (record.Search, error) {
		return search.Run(search.Config{
			Losses: searchLosses, Start: searchFirst * r.answers, Least: max(1, searchLeast*r.answers), Most: searchMost,
			Short: t.Short, Long: t.Long, Coarse: searchCoarse, Fine: searchFine,
			Overhead: t.Warmup + searchGrace + searchOverhead, Budget: t.Budget,
		}, func(rate float64, length time.Duration) (search.Outcome, error) {
			made, err := step(trial.Load{
				Rate: rate, WarmupS: t.Warmup.Seconds(), DurationS: length.Seconds(), Flows: flows, Seed: seed, GraceS: &grace,
			})
			if errors.Is(err, trial.ErrSilent) { // more than it can bear
				return search.Outcome{Sent: uint64(rate * length.Seconds())}, nil
			}
			if errors.Is(err, trial.ErrUncharged) {
				return search.Outcome{Disturbed: "the harness came too late to its clocks"}, nil
			}
			return search.Outcome{
				Sent: made.Load.Sent, Answered: inTime(made), Limited: made.Load.GeneratorLimited, Disturbed: report.Disturbed(made),
			}, err
		})
	}
}
