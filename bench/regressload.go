package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"supernode/bench/regress"
	"supernode/bench/slices"
)

// loadComparison is what an end-to-end comparison is of, and for how long.
type loadComparison struct {
	programs regress.Programs
	rate     int // queries a second offered by the fixed measure
	budget   time.Duration
	seed     uint64
	only     []string // metrics to measure a second time, by name; nil: the first run of all
}

// compareUnderLoad compares servers in slices, side by side in one lab, as long as the budget lasts.
func compareUnderLoad(ctx context.Context, c loadComparison, progress func(string)) ([]regress.Series, error) {
	p := c.programs
	config := slices.Config{
		Base: p.Base, Head: p.Head, Null: p.Null, Generator: p.Loadgen, GeneratorBase: p.LoadgenBase, GeneratorHead: p.LoadgenHead,
		Load: slices.DefaultLoad(), Seed: c.seed, Only: c.only,
		Progress: func(done, all int, left time.Duration) {
			progress(fmt.Sprintf("slice %d of %d, %v left", done, all, left.Round(time.Second)))
		},
	}
	config.Load.Rate, config.Load.Payload = c.rate, p.Payload
	if c.only != nil {
		config.Number, config.Seed = 1, c.seed+1 // the second run: other orders, other queries
	}
	if err := config.Fit(c.budget); err != nil {
		return nil, err
	}
	got, err := slices.EndToEnd(ctx, config)
	if err != nil {
		return nil, err
	}
	var out []regress.Series
	for _, s := range got.Series {
		out = append(out, endToEndSeries(s))
	}
	return out, nil
}

// endToEndSeries puts what slices measured before the judge of all timings.
func endToEndSeries(s slices.Series) regress.Series {
	return regress.Series{
		Metric: regress.Metric{Name: s.Name, Unit: s.Unit, Better: s.Better, Kind: regress.KindEndToEnd},
		Pairs:  s.Pairs, Control: s.Control, Null: s.Null,
	}
}

// judgeSlices says of a self-test's series what a run would, with its second run if there was one.
func judgeSlices(first slices.Series, again *slices.Series) slices.Answer {
	d := regress.Decide(endToEndSeries(first), regress.DefaultRules())
	if again != nil {
		d = regress.Confirm(endToEndSeries(first), endToEndSeries(*again), regress.DefaultRules())
	}
	switch d.Verdict {
	case regress.Regression:
		return slices.Slower
	case regress.Inconclusive:
		return slices.Undecided
	}
	return slices.NotSlower
}

// generators are the load generators of both sides, if both have one and there is a null responder for them to ask.
func (r *regression) generators(p *regress.Programs) {
	if p.Null == "" || r.options.baseCmd != "" {
		return
	}
	base, head := filepath.Join(r.base.Programs, "loadgen"), filepath.Join(r.head.Programs, "loadgen")
	for _, path := range []string{base, head} {
		if _, err := os.Stat(path); err != nil {
			return
		}
	}
	p.LoadgenBase, p.LoadgenHead = base, head
}
