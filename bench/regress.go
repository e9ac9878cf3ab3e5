package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"supernode/bench/regress"
	"supernode/bench/report"
	"supernode/bench/revision"
	benchslices "supernode/bench/slices"
	"supernode/internal/terminal"
)

// regressOptions are the flags of "bench regress".
type regressOptions struct {
	base, head       string
	baseDir, headDir string
	limit, sizeLimit float64 // per cent
	budget           time.Duration
	short, advisory  bool
	out, history     string
	cpu              int
	seed             uint64

	baseCmd, headCmd, payload string
	rate                      int

	selfTest bool
	reps     int
}

// shortBudget is that of --short.
const shortBudget = 90 * time.Second

func regressCommand() *cobra.Command {
	var o regressOptions
	cmd := &cobra.Command{
		Use:   "regress",
		Short: "Is one revision slower than another? For CI, on a machine that others use too",
		Long: `regress builds two revisions in worktrees of their own, and compares them in the same minutes on the same cores:
figures that do not depend on the machine's mood as hard gates (allocations, system calls, memory, sizes, conntrack
entries), and timings by statistics, with base against base beside them, and a second run before anything fails.
docs/regression.md says how, and how to read it. Needs root for conntrack entries and servers under load only.

Exit status: 0 no regression, 1 a regression or a broken gate (or it failed), 2 a mistake on the command line,
3 inconclusive: not shown, but not ruled out either; 130 interrupted. With --advisory timings do not count.

Progress goes to standard error, the result to standard output, and all of it to DIR: regress.json, report.md, and for
benchstat base.txt and head.txt.`,
		Example: `  bench regress
  bench regress --base v1.2.0 --head HEAD --budget 5m
  bench regress --head . --short
  bench regress --server-cmd-base './old {addr}' --server-cmd-head './new {addr}' --payload dns:example.org`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.register(cmd.Flags())
	return cmd
}

func (o *regressOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&o.base, "base", "", "`REV` to compare with (default: where head left origin/main, or its parent)")
	f.StringVar(&o.head, "head", "HEAD", "`REV` to judge; . is the working tree as it is")
	f.StringVar(&o.baseDir, "base-dir", "", "`DIR` with base's source, or with its programs, instead of --base")
	f.StringVar(&o.headDir, "head-dir", "", "`DIR` with head's source, or with its programs, instead of --head")
	f.Float64Var(&o.limit, "limit", 5, "slow-down that is a regression, in `PERCENT`")
	f.Float64Var(&o.sizeLimit, "size-limit", 2, "growth of a program's file that breaks its gate, in `PERCENT`")
	f.DurationVar(&o.budget, "budget", 8*time.Minute, "how long all of it may take, building included")
	f.BoolVar(&o.short, "short", false, "a budget of "+shortBudget.String()+", and fewer benchmarks")
	f.BoolVar(&o.advisory, "advisory", false, "fail for broken gates only, never for timings")
	f.StringVar(&o.out, "out", "", "`DIR` for the results (default out/regress-DATE-TIME)")
	f.StringVar(&o.history, "history", "", "`FILE` to append the run to, one line of JSON, for bench trend")
	f.IntVar(&o.cpu, "cpu", -1, "`CORE` to run benchmarks on (default the last one)")
	f.Uint64Var(&o.seed, "seed", 0, "`N` that decides the order of turns (default from the clock)")
	f.StringVar(&o.baseCmd, "server-cmd-base", "", "`COMMAND` of a server of your own as base; {addr} in it stands for ADDR:PORT, and no shell reads it")
	f.StringVar(&o.headCmd, "server-cmd-head", "", "`COMMAND` of the server as head; only servers under load are compared then")
	f.IntVar(&o.rate, "rate", benchslices.DefaultLoad().Rate, "`QPS` offered to servers while CPU time is measured")
	f.BoolVar(&o.selfTest, "self-test", false, "compare nothing but known slow-downs, to find out how often they are caught: bench selftest regress with all left as it is by default")
	f.IntVar(&o.reps, "reps", selfTestReps, "`N` repetitions of the self-test")
	f.StringVar(&o.payload, "payload", "", "what `PAYLOAD` these servers are asked, as loadgen takes it: bep15, dns:NAME or hex:BYTES (default the DHT's queries)")
}

// check finds what is wrong with the flags by themselves, and settles those that depend on others.
func (o *regressOptions) check(given func(flag string) bool) error {
	switch {
	case o.limit <= 0 || o.limit > 100:
		return usagef("--limit %g: must be more than 0 and at most 100", o.limit)
	case o.sizeLimit < 0:
		return usagef("--size-limit %g: must not be negative", o.sizeLimit)
	case o.rate < 1:
		return usagef("--rate %d: must be at least 1", o.rate)
	case given("reps"):
		return usagef("--reps: it is for --self-test")
	case o.budget <= 0:
		return usagef("--budget %v: must be more than 0", o.budget)
	case given("base") && given("base-dir"):
		return usagef("--base and --base-dir: give one of them")
	case given("head") && given("head-dir"):
		return usagef("--head and --head-dir: give one of them")
	case given("server-cmd-base") != given("server-cmd-head"):
		return usagef("--server-cmd-base and --server-cmd-head: one needs the other")
	case given("server-cmd-base") && (strings.TrimSpace(o.baseCmd) == "" || strings.TrimSpace(o.headCmd) == ""):
		return usagef("--server-cmd-base and --server-cmd-head: must not be empty")
	case given("payload") && !given("server-cmd-base"):
		return usagef("--payload: it is for --server-cmd-base and --server-cmd-head")
	}
	if given("server-cmd-base") {
		for _, flag := range []string{"base", "head", "base-dir", "head-dir", "size-limit"} {
			if given(flag) {
				return usagef("--server-cmd-base and --%s: servers of your own have no revisions here, leave one out", flag)
			}
		}
		if err := o.checkOwnServers(given); err != nil {
			return err
		}
	}
	if o.short && !given("budget") {
		o.budget = shortBudget
	}
	if !given("seed") {
		o.seed = fromClock()
	}
	if o.out == "" {
		o.out = filepath.Join("out", "regress-"+time.Now().Format("20060102-150405"))
	}
	return checkOut(o.out, regress.ResultFile)
}

// checkOwnServers finds what is wrong with --server-cmd-base and --server-cmd-head, of which servers under load are all there is.
func (o *regressOptions) checkOwnServers(given func(flag string) bool) error {
	for _, c := range []struct{ flag, command string }{{"server-cmd-base", o.baseCmd}, {"server-cmd-head", o.headCmd}} {
		if !strings.Contains(c.command, "{addr}") {
			return usagef("--%s %q: {addr} must be in it, for the ADDR:PORT to answer on", c.flag, c.command)
		}
	}
	if given("cpu") {
		return usagef("--server-cmd-base and --cpu: the core is that of benchmarks, which servers of your own have none of, leave one out")
	}
	if os.Geteuid() != 0 {
		return usagef("--server-cmd-base: servers under load need root, for network namespaces: use sudo")
	}
	return nil
}

func (o *regressOptions) run(cmd *cobra.Command) (err error) {
	if o.selfTest {
		return o.runSelfTest(cmd)
	}
	if err := o.check(cmd.Flags().Changed); err != nil {
		return err
	}
	r := regression{options: *o, progress: newProgress(cmd.ErrOrStderr(), 0, 0, 0), started: time.Now()}
	err = r.conduct(cmd.Context())
	if errors.Is(err, revision.ErrNoParent) || o.advisory && errors.As(err, new(exitError)) {
		fmt.Fprintf(cmd.OutOrStdout(), "nothing to compare: %v\n", err)
		return nil
	}
	if r.measured && cmd.Context().Err() == nil { // what gates found before an error is not lost with it
		err = errors.Join(err, r.write())
	}
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if err := r.result.Table(out, terminal.Colour(out)); err != nil {
		return err
	}
	path, err := filepath.Abs(filepath.Join(o.out, regress.MarkdownFile))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nreport: %s\n", path)
	if status := r.result.ExitStatus(); status != 0 {
		return exitError{status, errors.New(r.result.Sentence())}
	}
	return nil
}

// runSelfTest does what bench selftest regress does.
func (o *regressOptions) runSelfTest(cmd *cobra.Command) error {
	for _, flag := range []string{"base", "head", "base-dir", "head-dir", "limit", "size-limit", "budget", "short", "advisory", "history", "cpu",
		"server-cmd-base", "server-cmd-head", "payload", "rate"} {
		if cmd.Flags().Changed(flag) {
			return usagef("--self-test and --%s: a self-test compares a server with itself, leave one of them out", flag)
		}
	}
	args := []string{"--reps", strconv.Itoa(o.reps)}
	for _, flag := range []string{"out", "seed"} {
		if f := cmd.Flags().Lookup(flag); f.Changed {
			args = append(args, "--"+flag, f.Value.String())
		}
	}
	test := selfTestRegressCommand()
	test.SetArgs(args)
	test.SetOut(cmd.OutOrStdout())
	test.SetErr(cmd.ErrOrStderr())
	test.SilenceUsage, test.SilenceErrors = true, true
	return test.ExecuteContext(cmd.Context())
}

// write leaves the run's files.
func (r *regression) write() error {
	dir := r.options.out
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make directory for the results: %w", err)
	}
	err := errors.Join(
		report.Replace(filepath.Join(dir, regress.ResultFile), r.result.WriteJSON),
		report.Replace(filepath.Join(dir, regress.MarkdownFile), r.result.Markdown),
		report.Replace(filepath.Join(dir, regress.BaseFile), r.benchText(false)),
		report.Replace(filepath.Join(dir, regress.HeadFile), r.benchText(true)),
	)
	if err == nil && r.options.history != "" {
		err = r.result.AppendHistory(r.options.history)
	}
	return err
}
