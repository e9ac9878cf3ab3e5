package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"supernode/bench/lab"
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/bench/slices"
	"supernode/bench/stat"
	"supernode/bench/trial"
)

// armSelfTest puts the experiment of "bench conntrack" to the test: its plan, trials, records and rules, with an arm in
// which the server is slower by a known share. The null responder is the server, as it can be switched by a signal: one
// process is all arms, as it is in the experiment.
type armSelfTest struct {
	reps, blocks int
	share        float64 // of a query's CPU time that the arm burn wastes
	seed         uint64
	dir          string // of the records
	null         string // path of the program
	loadgen      string // path of the program
	progress     *progress
}

// selfTestSpec is the plan of one repetition: a quick run, of a minute and a half at the default number of blocks. What half as
// many can tell is simulated in the tests of package report.
func selfTestSpec(blocks int, seed uint64) plan.Spec {
	spec := plan.Quick()
	spec.Seed, spec.Blocks, spec.Patterns = seed, blocks, []plan.Pattern{plan.Few}
	spec.Arms = []plan.Arm{plan.Off, plan.Control, plan.Burn, plan.Same}
	spec.Fixed = plan.Timing{Warmup: 50 * time.Millisecond, Measure: 180 * time.Millisecond}
	return spec
}

// run makes the repetitions. The findings hold those that were whole.
func (t *armSelfTest) run(ctx context.Context) (f armFindings, err error) {
	defer t.progress.clear()
	defer func() { f.sum() }()
	l, err := buildLab(ctx, lab.Default())
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	spec := selfTestSpec(t.blocks, t.seed)
	f.Share, f.Seed, f.Warnings = t.share, t.seed, l.Warnings()
	t.progress.say("measuring what a query and the work to waste cost")
	if f.Calibration, f.Rate, err = t.calibrate(ctx, l, spec); err != nil {
		return f, err
	}
	t.progress.say("%s; %d queries/s are offered", f.Calibration, f.Rate)
	spec.Rate = f.Rate
	f.Plan = spec
	rig, err := t.rig(ctx, l, f.Calibration.Turns(t.share))
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, rig.Close()) }()
	for rep := range t.reps {
		spec.Seed = t.seed + uint64(rep)<<20
		r, err := t.repetition(ctx, l, rig, spec, filepath.Join(t.dir, repetitionDir(rep)))
		if err != nil {
			return f, fmt.Errorf("repetition %d: %w", rep+1, err)
		}
		f.Repetitions = append(f.Repetitions, r)
		t.progress.say("repetition %d of %d, %.0f s: burn %s (%.3f), same %s (%.3f)", rep+1, t.reps, r.Seconds,
			r.Burn.Verdict, r.Burn.Ratio, r.Same.Verdict, r.Same.Ratio)
	}
	return f, nil
}

// repetitionDir is where a repetition's records are.
func repetitionDir(rep int) string { return fmt.Sprintf("rep-%02d", rep+1) }

// rig starts the null responder with so many turns of the loop to waste for each answer, switched off.
func (t *armSelfTest) rig(ctx context.Context, l *lab.Lab, turns int) (*trial.Rig, error) {
	return trial.Assemble(ctx, l, trial.Setup{
		Server: t.null + " --burn " + strconv.Itoa(turns) + "x {addr}", Addr: l.ServerEndpoint(), Generator: t.loadgen,
		Flows: plan.Few.Flows(), Ready: readyTimeout,
	})
}

// burning switches the waste. The server hears of it within a moment, and the warm-up hides that.
func burning(rig *trial.Rig, arm plan.Arm) error {
	if arm == plan.Burn {
		return rig.Signal(syscall.SIGUSR1)
	}
	return rig.Signal(syscall.SIGUSR2)
}

// burner is a rig whose server is told of each trial what to waste.
type burner struct{ *trial.Rig }

func (b burner) Run(ctx context.Context, slot plan.Slot, load trial.Load) (record.Trial, error) {
	if err := burning(b.Rig, slot.Arm); err != nil {
		return record.Trial{}, err
	}
	return b.Rig.Run(ctx, slot, load)
}

const (
	probeTurns      = 1500 // take two or three microseconds, and stand out of the noise of as long a query
	calibrateBlocks = 12   // no more than the repetitions have, but enough to be sure that wasted work costs something
	calibrateLeast  = 4
)

// calibrate chooses the rate, and measures what a query takes at it and what a turn does flat out.
func (t *armSelfTest) calibrate(ctx context.Context, l *lab.Lab, spec plan.Spec) (c slices.Calibration, rate int, err error) {
	rig, err := t.rig(ctx, l, probeTurns)
	if err != nil {
		return c, 0, err
	}
	defer func() { err = errors.Join(err, rig.Close()) }()
	if err := l.SetRules(lab.RulesPlain, rig.Port()); err != nil {
		return c, 0, err
	}
	measure := func(arm plan.Arm, load trial.Load) (r record.Trial, err error) {
		load.WarmupS, load.DurationS, load.Flows = spec.Fixed.Warmup.Seconds(), spec.Fixed.Measure.Seconds(), plan.Few.Flows()
		if err := burning(rig, arm); err != nil {
			return r, err
		}
		err = rig.Measure(ctx, &r, load)
		return r, err
	}
	pilot, err := measure(plan.Off, trial.Load{Window: spec.Window, Seed: t.seed})
	if err != nil {
		return c, 0, fmt.Errorf("pilot: %w", err)
	}
	rate = plan.Rate(float64(pilot.Answered) / (float64(pilot.Duration) / 1e9))
	var queries []float64
	var flatOut []stat.Pair
	for block := range min(calibrateBlocks, max(calibrateLeast, t.blocks)) {
		costs := map[plan.Arm][]float64{}
		seed := t.seed + uint64(block)
		for _, number := range slices.Order(t.seed, block, 0, 2) {
			arm := []plan.Arm{plan.Off, plan.Burn}[number]
			got, err := measure(arm, trial.Load{Window: spec.Window, Seed: seed})
			if err != nil {
				return c, 0, fmt.Errorf("calibrate: %w", err)
			}
			costs[arm] = append(costs[arm], costOf(got))
		}
		if pair, ok := pairOf(costs[plan.Off], costs[plan.Burn]); ok {
			flatOut = append(flatOut, pair)
		}
		got, err := measure(plan.Off, trial.Load{Rate: float64(rate), Seed: seed})
		if err != nil {
			return c, 0, fmt.Errorf("calibrate: %w", err)
		}
		if cost := costOf(got); cost > 0 {
			queries = append(queries, cost)
		}
	}
	c, err = slices.NewCalibration(queries, flatOut, probeTurns)
	return c, rate, err
}

// pairOf puts the means of both sides together, if each trial of the block has a cost: one side's mean would be of another
// moment than the other's, or half of what it is.
func pairOf(base, arm []float64) (stat.Pair, bool) {
	mean := func(costs []float64) (sum float64) {
		for _, cost := range costs {
			if cost <= 0 {
				return 0
			}
			sum += cost / float64(len(costs))
		}
		return sum
	}
	p := stat.Pair{Base: mean(base), Arm: mean(arm)}
	return p, p.Base > 0 && p.Arm > 0
}

// costOf is the CPU time of the server's side for an answered query, 0 of none.
func costOf(t record.Trial) float64 {
	if t.Answered == 0 {
		return 0
	}
	return float64(t.Server+t.ServerNAPI) / float64(t.Answered)
}

// repetition is one run of the experiment: planned, recorded and summarised as any other.
func (t *armSelfTest) repetition(ctx context.Context, l *lab.Lab, rig *trial.Rig, spec plan.Spec, dir string) (r armRepetition, err error) {
	start := time.Now()
	p, err := plan.New(spec)
	if err != nil {
		return r, err
	}
	w, err := record.Create(dir, record.Header{
		Started: start.UTC(), Command: os.Args, Versions: map[string]string{"bench": version, "loadgen": versionOf(ctx, t.loadgen)},
		Plan: spec, Machine: machine(l), Notes: l.Warnings(),
	})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	repeats, recorded := p.Repeats(), 0
	keep := func(made record.Trial) error {
		recorded++
		return w.Append(made)
	}
	for _, slot := range p.Slots {
		if _, err := attempt(ctx, burner{rig}, slot, load(spec, slot), &repeats, keep); err != nil {
			if recorded == 0 { // good for nothing, and in the way of the next attempt
				err = errors.Join(err, os.Remove(filepath.Join(dir, record.FileName)))
			}
			return r, err
		}
	}
	run, err := record.ReadDir(dir)
	if err != nil {
		return r, err
	}
	s, err := report.Summarize(run)
	if err != nil {
		return r, err
	}
	r.take(s)
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}
