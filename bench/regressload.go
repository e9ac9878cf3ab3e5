package main

import (
	"context"
	"encoding/json"
	"errors"
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

	dir  string                   // for the slices; "" keeps none
	note func(string)             // hears what qualifies the figures; may be nil
	omit func(metric, why string) // hears what says nothing of the servers and is left out; may be nil
}

// jobBudget is the budget of a run that is given none.
const jobBudget = 8 * time.Minute

// jobSize is what such a run gives a comparison under load, its generators and null responder included. What it spends on
// building comes off, which differs from machine to machine: this is the most there is.
func jobSize() (slices.Size, error) {
	c := slices.Config{
		Base: "base", Head: "head", Null: "null", Generator: "loadgen", GeneratorBase: "loadgen", GeneratorHead: "loadgen",
		Load: slices.DefaultLoad(),
	}
	share := endToEndShare // a variable, as constants are not rounded
	err := c.Fit(time.Duration(share * float64(jobBudget)))
	return c.Size, err
}

// slicesFile is what a run under load leaves in its directory, the second run behind the first.
const slicesFile = "slices.jsonl"

// records opens it.
func (c loadComparison) records() (*os.File, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if c.only == nil {
		flags |= os.O_TRUNC
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, fmt.Errorf("create directory for records: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(c.dir, slicesFile), flags, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create records: %w", err)
	}
	return file, nil
}

// compareUnderLoad compares servers in slices, side by side in one lab, as long as the budget lasts.
func compareUnderLoad(ctx context.Context, c loadComparison, progress func(string)) (out []regress.Series, err error) {
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
	switch err := config.Fit(c.budget); {
	case errors.Is(err, slices.ErrTooShort):
		if c.omit != nil && c.only == nil { // of a second run the decision says it
			c.omit("servers under load", err.Error())
		}
		return nil, nil
	case err != nil:
		return nil, err
	}
	if c.dir != "" {
		file, err := c.records()
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		records := json.NewEncoder(file)
		config.Record = func(s slices.Slice) error { return records.Encode(s) }
	}
	got, err := slices.EndToEnd(ctx, config)
	if err != nil {
		return nil, err
	}
	return c.take(got), nil
}

// take hands on what may be judged, and tells the rest.
func (c loadComparison) take(got slices.Result) (out []regress.Series) {
	var notes []string
	for _, s := range got.Series {
		if s.Doubt != "" {
			if c.omit != nil {
				c.omit(s.Name, s.Doubt)
			}
			continue
		}
		out = append(out, endToEndSeries(s))
		if s.Rounds > 1 {
			notes = append(notes, fmt.Sprintf("%s: medians of %d rounds of new processes spread by %.1f %%", s.Name, s.Rounds, 100*s.Luck))
		}
	}
	if c.note == nil {
		return out
	}
	for _, text := range append(append(got.Warnings[:len(got.Warnings):len(got.Warnings)], slices.Quality(got.Slices)), notes...) {
		c.note(text)
	}
	return out
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
	if first.Doubt != "" {
		return slices.NotCompared
	}
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

// noteLoad adds to the result's notes.
func (r *regression) noteLoad(text string) {
	r.result.Notes = append(r.result.Notes, "under load: "+text)
}
