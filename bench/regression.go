package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supernode/bench/inprocess"
	"supernode/bench/measure"
	"supernode/bench/regress"
	"supernode/internal/pin"
)

// Shares of what is left of the budget once the programs are built. The rest is for the second run of what the first
// cannot settle, and for what takes its time without asking; the latter must leave so much for the former.
const (
	inProcessShare = 0.40
	endToEndShare  = 0.30
	secondReserve  = 0.25
	secondShare    = 0.85 // of what is left then
)

// Rounds of in-process benchmarks: at least one, for the gates, whatever the budget.
const (
	leastRounds = 1
	mostRounds  = 60
)

// regression is a "bench regress" under way.
type regression struct {
	options  regressOptions
	progress *progress
	started  time.Time

	base, head       inprocess.Side // where programs and sources are
	missing          map[string]bool
	supernodes       bool // both sides have one
	loadgen, null    string
	cpu              int
	series           map[string]regress.Series
	order            []string
	decisions        map[string]regress.Decision
	baseText, inHead strings.Builder // what the test programs printed
	result           regress.Result
	dir              string // for temporary files; "": the system's
	measured         bool   // there is something to write
	noLoad           bool   // no time for servers under load
	noGenerators     bool   // a generator that was to be compared failed
}

// left is what is left of the budget.
func (r *regression) left() time.Duration { return r.options.budget - time.Since(r.started) }

// conduct does all but writing the result.
func (r *regression) conduct(ctx context.Context) (err error) {
	rules := regress.DefaultRules()
	rules.Limit = r.options.limit / 100
	r.result = regress.Result{Started: r.started.UTC(), Command: os.Args, Rules: rules, Advisory: r.options.advisory, Machine: machineLine()}
	r.missing, r.series, r.decisions = map[string]bool{}, map[string]regress.Series{}, map[string]regress.Decision{}
	if err := r.placePrograms(); err != nil {
		return err
	}
	if r.options.baseCmd != "" {
		r.result.Base, r.result.Head = regress.Side{Name: r.options.baseCmd}, regress.Side{Name: r.options.headCmd}
	} else {
		workspace, prepared := r.prepare(ctx)
		if workspace != nil {
			defer func() { err = errors.Join(err, workspace.Close()) }()
		}
		if prepared != nil {
			return prepared
		}
	}
	err = r.measure(ctx)
	if err != nil {
		r.result.Incomplete = true
		r.result.Notes = append(r.result.Notes, "the run ended early: "+err.Error())
	}
	r.conclude()
	r.measured = true
	return err
}

// placePrograms finds what both sides are measured with.
func (r *regression) placePrograms() error {
	dir, err := programDir()
	if err != nil {
		return err
	}
	r.loadgen, r.null = filepath.Join(dir, "loadgen"), filepath.Join(dir, "null-server")
	if err := havePrograms("make", r.loadgen); err != nil {
		return err
	}
	var online pin.List
	if online, err = pin.Online(); err != nil {
		return err
	}
	r.cpu = r.options.cpu
	if r.cpu < 0 {
		if r.cpu, err = lastAllowed(); err != nil {
			return err
		}
	}
	if !slices.Contains(online, r.cpu) {
		return usagef("--cpu %d: this machine has processors %s", r.cpu, online.String())
	}
	return nil
}

// measure takes all figures, and settles what the first run leaves open in a second one.
func (r *regression) measure(ctx context.Context) error {
	if r.options.baseCmd == "" {
		if err := r.fixedGates(ctx); err != nil {
			return err
		}
	}
	budget, loadShare := r.left(), endToEndShare
	if len(r.suitesHere(nil)) == 0 {
		loadShare += inProcessShare // nobody else wants it
	}
	if r.options.baseCmd == "" {
		share := inProcessShare
		if !r.canLoad() {
			share += endToEndShare
		} else if least := r.leastUnderLoad(); r.portion(budget, loadShare) < least {
			r.notCompared("servers under load: %v are left for them, %d blocks take %v (--budget)",
				r.portion(budget, loadShare).Round(time.Second), r.result.Rules.MinPairs, least.Round(time.Second))
			share += endToEndShare
			r.noLoad = true
		}
		if err := r.inProcess(ctx, nil, r.portion(budget, share)); err != nil {
			return err
		}
		if err := r.liveGates(ctx); err != nil {
			return err
		}
	}
	left := r.left() - r.portion(budget, secondReserve)
	if err := r.underLoad(ctx, nil, max(0, min(left, r.portion(budget, loadShare)))); err != nil {
		return err
	}
	return r.second(ctx)
}

// portion is a share of a budget, and not negative.
func (r *regression) portion(budget time.Duration, share float64) time.Duration {
	return max(0, time.Duration(share*float64(budget)))
}

// second measures again what the first run calls a regression, or cannot call anything.
func (r *regression) second(ctx context.Context) error {
	var open []string
	inProcess, loaded := map[string]bool{}, []string{}
	for _, name := range r.order {
		s := r.series[name]
		d := regress.Decide(s, r.result.Rules)
		r.decisions[name] = d
		if d.Verdict != regress.Regression && d.Verdict != regress.Inconclusive {
			continue
		}
		open = append(open, name)
		if s.Kind == regress.KindInProcess {
			inProcess[name] = true
		} else {
			loaded = append(loaded, name)
		}
	}
	if len(open) == 0 {
		return nil
	}
	r.progress.say("second run of %s: %s", count(len(open), "timing"), strings.Join(open, ", "))
	first := r.series
	r.series = map[string]regress.Series{}
	err := r.again(ctx, inProcess, loaded)
	for _, name := range open {
		again := r.series[name]
		r.decisions[name] = regress.Confirm(first[name], again, r.result.Rules)
		both := first[name]
		both.Pairs, both.Control = slices.Concat(both.Pairs, again.Pairs), slices.Concat(both.Control, again.Control)
		both.Null = slices.Concat(both.Null, again.Null)
		first[name] = both
	}
	r.series = first
	return err
}

// again measures timings a second time.
func (r *regression) again(ctx context.Context, inProcess map[string]bool, loaded []string) error {
	budget := r.portion(r.left(), secondShare)
	if len(inProcess) > 0 {
		share := budget
		if len(loaded) > 0 {
			share /= 2
		}
		if err := r.inProcess(ctx, inProcess, share); err != nil {
			return err
		}
		budget -= share
	}
	if len(loaded) > 0 {
		return r.underLoad(ctx, loaded, budget)
	}
	return nil
}

// add keeps series, in the order of their first appearance.
func (r *regression) add(series []regress.Series) {
	for _, s := range series {
		if !slices.Contains(r.order, s.Name) {
			r.order = append(r.order, s.Name)
		}
		r.series[s.Name] = s
	}
}

// conclude makes the result of what was measured. What a run that ended early has not decided on is left open: it had no
// second run.
func (r *regression) conclude() {
	for _, name := range r.order {
		if _, ok := r.decisions[name]; !ok {
			r.decisions[name] = regress.Confirm(r.series[name], regress.Series{}, r.result.Rules)
		}
		r.result.Series = append(r.result.Series, r.series[name])
		r.result.Decisions = append(r.result.Decisions, r.decisions[name])
	}
	slices.Sort(r.result.NotCompared)
	r.result.Seconds = time.Since(r.started).Seconds()
	r.result.Judge()
}

func (r *regression) benchText(head bool) func(io.Writer) error {
	printed := r.baseText.String()
	if head {
		printed = r.inHead.String()
	}
	return func(w io.Writer) error { return regress.WriteBench(w, printed, r.result.Series, head) }
}

// notCompared notes what was not, once.
func (r *regression) notCompared(format string, args ...any) {
	if note := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; "); !slices.Contains(r.result.NotCompared, note) {
		r.result.NotCompared = append(r.result.NotCompared, note)
	}
}

// failed notes that something could not be compared that should have been, so that a run which shows no regression does not
// rule one out either. What ends the run is returned: the end of ctx, and a mistake on the command line.
func (r *regression) failed(ctx context.Context, what string, err error) error {
	if err == nil || ctx.Err() != nil || errors.As(err, new(usageError)) {
		return err
	}
	r.notCompared("%s: %v", what, err)
	r.result.Incomplete = true
	return nil
}

// allowed are the processors that this process may use.
func allowed() (list pin.List, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("ask for this process's processors: %w", err)
	}
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			list = append(list, cpu)
		}
	}
	return list, nil
}

func lastAllowed() (int, error) {
	list, err := allowed()
	if err != nil {
		return 0, err
	}
	return list[len(list)-1], nil
}

func machineLine() string {
	facts := measure.Machine()
	line := fmt.Sprintf("%s, %s, Linux %s", facts.CPUModel, count(facts.CPUs, "processor"), release())
	if facts.Virtualised != "" {
		line += ", " + facts.Virtualised
	}
	return line
}
