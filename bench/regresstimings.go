package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"supernode/bench/gates"
	"supernode/bench/inprocess"
	"supernode/bench/regress"
	benchslices "supernode/bench/slices"
)

// inProcess runs the benchmarks that both sides have: all, or again those of the named timings.
func (r *regression) inProcess(ctx context.Context, only map[string]bool, budget time.Duration) error {
	suites := r.suitesHere(only)
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
		Until: time.Now().Add(budget), Seed: seed, Only: only, Dir: r.dir,
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

// suitesHere are those that both sides have: all, or those of the named timings.
func (r *regression) suitesHere(only map[string]bool) (suites []inprocess.Suite) {
	if r.options.baseCmd != "" {
		return nil
	}
	for _, s := range r.options.suites() {
		if !r.missing[s.Binary()] && (only == nil || s.HasAny(only)) {
			suites = append(suites, s)
		}
	}
	return suites
}

// canLoad says whether servers under load can be compared here.
func (r *regression) canLoad() bool {
	return os.Geteuid() == 0 && (r.supernodes || r.options.baseCmd != "")
}

// underLoad compares servers under load: in all timings, or again in the named ones.
func (r *regression) underLoad(ctx context.Context, only []string, budget time.Duration) error {
	if r.options.baseCmd == "" && !r.supernodes || r.noLoad {
		return nil
	}
	if os.Geteuid() != 0 {
		r.notCompared("servers under load: needs root, for network namespaces")
		return nil
	}
	p := r.loadPrograms(ctx)
	r.progress.say("servers under load, for %v", budget.Round(time.Second))
	until := time.Now().Add(budget)
	compare := func() ([]regress.Series, error) {
		defer r.progress.clear()
		return compareUnderLoad(ctx, loadComparison{
			programs: p, rate: r.options.rate, budget: max(0, time.Until(until)), seed: r.options.seed, only: only,
			dir: r.options.out, note: r.noteLoad, omit: func(metric, why string) { r.notCompared("%s: %s", metric, why) },
		}, func(text string) { r.progress.note("%s", text) })
	}
	series, err := compare()
	if err != nil && ctx.Err() == nil && p.LoadgenBase != "" && ofGenerator.MatchString(err.Error()) {
		// An older generator may not know what it is asked for now. The servers are asked by another one.
		r.notCompared("load generators: %v", err)
		r.noGenerators = true
		p.LoadgenBase, p.LoadgenHead = "", ""
		if only = r.ofServers(only); only == nil || len(only) > 0 {
			series, err = compare()
		} else {
			err = nil
		}
	}
	if err != nil {
		return r.failed(ctx, "servers under load", err)
	}
	r.add(series)
	return nil
}

// ofGenerator finds, in an error of a comparison, that it is one of a generator that is compared and not of a server.
var ofGenerator = regexp.MustCompile(`(start|fill tables of|measure) (base|head|control) generator: `)

// ofServers leaves out the timings of generators, whose names say so.
func (r *regression) ofServers(only []string) []string {
	return slices.DeleteFunc(slices.Clone(only), func(name string) bool { return strings.Contains(name, "generator") })
}

// loadPrograms are what the comparison under load runs.
func (r *regression) loadPrograms(ctx context.Context) regress.Programs {
	p := regress.Programs{Base: r.options.baseCmd, Head: r.options.headCmd, Loadgen: r.loadgen, Payload: r.options.payload}
	if p.Base == "" {
		p.Base, p.Head = r.serverCommand(ctx, r.base, "base"), r.serverCommand(ctx, r.head, "head")
	}
	if _, err := os.Stat(r.null); err == nil && p.Payload == "" {
		p.Null = r.null + " {addr}"
	}
	if !r.noGenerators {
		r.generators(&p)
	}
	return p
}

// serverCommand is that of a side's supernode. Each flag turns something off; a revision that does not know it has nothing to
// turn off, and is run without.
func (r *regression) serverCommand(ctx context.Context, side inprocess.Side, name string) string {
	program := filepath.Join(side.Programs, supernodeBinary)
	flags, unknown := gates.Accepted(ctx, program, "--listen={addr}", "--bootstrap=none", "--state-dir=none", "--http=none",
		"--allow-private", "--rate-limit=off", "--log-level=warn")
	if len(unknown) > 0 {
		if note := fmt.Sprintf("%s does not know %s and is run without", name, strings.Join(unknown, ", ")); !slices.Contains(r.result.Notes, note) {
			r.result.Notes = append(r.result.Notes, note)
		}
	}
	return program + " run " + strings.Join(flags, " ")
}

// leastUnderLoad is how long servers under load take until their pairs decide anything.
func (r *regression) leastUnderLoad() time.Duration {
	p := r.loadPrograms(context.Background())
	config := benchslices.Config{
		Base: p.Base, Head: p.Head, Null: p.Null, Generator: p.Loadgen, GeneratorBase: p.LoadgenBase, GeneratorHead: p.LoadgenHead,
		Load: benchslices.DefaultLoad(), Size: benchslices.Size{Rounds: 1, Blocks: r.result.Rules.MinPairs},
	}
	least, err := config.Estimate()
	if err != nil {
		return 0 // the comparison itself will say what is wrong
	}
	return least
}
