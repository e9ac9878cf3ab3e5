package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"supernode/bench/inprocess"
	"supernode/bench/regress"
)

// inProcess runs the benchmarks that both sides have: all, or again those of the named timings.
func (r *regression) inProcess(ctx context.Context, only map[string]bool, budget time.Duration) error {
	var suites []inprocess.Suite
	for _, s := range r.options.suites() {
		if !r.missing[s.Binary()] && (only == nil || s.HasAny(only)) {
			suites = append(suites, s)
		}
	}
	if len(suites) == 0 {
		return nil
	}
	r.progress.say("benchmarks, for %v", budget.Round(time.Second))
	seed, least := r.options.seed, leastRounds
	if only != nil {
		seed, least = seed+1, 0 // the gates have what they need
	}
	got, err := inprocess.Run(ctx, inprocess.Config{
		Base: r.base, Head: r.head, Suites: suites, CPU: r.cpu, Least: least, Most: mostRounds,
		Until: time.Now().Add(budget), Seed: seed, Only: only,
		Progress: func(round int, s inprocess.Suite) { r.progress.note("round %d: %s of %s", round, s.Bench, s.Package) },
	})
	r.progress.clear()
	if err != nil {
		return err
	}
	r.progress.say("%s of benchmarks", count(got.Rounds, "round"))
	r.add(got.Series)
	r.baseText.WriteString(got.BaseText)
	r.inHead.WriteString(got.HeadText)
	if only == nil {
		r.result.Gates = append(r.result.Gates, got.Gates...)
	}
	for _, name := range got.Unlike {
		r.notCompared("benchmark %s: one side only has it", name)
	}
	for _, name := range got.Failed {
		r.notCompared("%s", name)
	}
	return nil
}

// canLoad says whether servers under load can be compared here.
func (r *regression) canLoad() bool {
	return os.Geteuid() == 0 && (r.supernodes || r.options.baseCmd != "")
}

// underLoad compares servers under load: in all timings, or again in the named ones.
func (r *regression) underLoad(ctx context.Context, only []string, budget time.Duration) error {
	if r.options.baseCmd == "" && !r.supernodes {
		return nil
	}
	if os.Geteuid() != 0 {
		r.notCompared("servers under load: needs root, for network namespaces")
		return nil
	}
	p := regress.Programs{Base: r.options.baseCmd, Head: r.options.headCmd, Loadgen: r.loadgen, Payload: r.options.payload}
	if p.Base == "" {
		const flags = " run --listen {addr} --bootstrap none --state-dir none --http none --allow-private --rate-limit off --log-level warn"
		p.Base, p.Head = r.base.Programs+"/"+supernodeBinary+flags, r.head.Programs+"/"+supernodeBinary+flags
	}
	if _, err := os.Stat(r.null); err == nil && p.Payload == "" {
		p.Null = r.null + " {addr}"
	}
	r.generators(&p)
	r.progress.say("servers under load, for %v", budget.Round(time.Second))
	series, err := compareUnderLoad(ctx, loadComparison{
		programs: p, rate: r.options.rate, budget: budget, seed: r.options.seed, only: only,
		dir: r.options.out, note: r.noteLoad, omit: func(metric, why string) { r.notCompared("%s: %s", metric, why) },
	}, func(text string) { r.progress.note("%s", text) })
	r.progress.clear()
	if err != nil {
		return fmt.Errorf("compare servers under load: %w", err)
	}
	r.add(series)
	return nil
}
