package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"supernode/bench/plan"
	"supernode/bench/record"
)

// conntrackOptions are the flags of "bench conntrack".
type conntrackOptions struct {
	quick     bool
	out       string
	arms      string
	flows     string
	blocks    int
	rate      int
	serverCmd string
	ready     time.Duration
	seed      uint64
	selfTest  bool
	reps      int
}

// maxBlocks is half a day of the longest run there is.
const maxBlocks = 1000

// readyTimeout is how long a server may take from its start to its first answer.
const readyTimeout = 20 * time.Second

func conntrackCommand() *cobra.Command {
	var o conntrackOptions
	cmd := &cobra.Command{
		Use:   "conntrack",
		Short: "Measure a server with connection tracking off, on, and exempted for its port",
		Long: `conntrack measures what connection tracking costs a UDP server: CPU time per answered query, latency and throughput,
with the same server and generator under different firewall rulesets, in blocks of random order. Nothing outside its own
two network namespaces is changed. Needs root. Eight or nine minutes; --quick is a first answer in less than one.

Progress goes to standard error, the result to standard output, and all of it to DIR: trials.jsonl (raw), summary.json,
report.md and bench.txt (for benchstat). An interrupted run keeps the trials it has made: see bench report.`,
		Example: `  bench conntrack --quick
  bench conntrack --arms on --flows many --out results
  bench conntrack --server-cmd '/usr/local/bin/mydht --bind {addr}'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.register(cmd.Flags())
	return cmd
}

func (o *conntrackOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.BoolVar(&o.quick, "quick", false, "under a minute: fewer blocks, CPU time and latency only")
	f.StringVar(&o.out, "out", "", "`DIR` for records and report, which must not hold records yet (default out/conntrack-DATE-TIME)")
	f.StringVar(&o.arms, "arms", "", "`LIST` of what to compare, of "+join(plan.Arms())+" (default all)")
	f.StringVar(&o.flows, "flows", "", "`LIST` of flow patterns, of "+join(plan.Patterns())+" (default all)")
	f.IntVar(&o.blocks, "blocks", 0, "`N` blocks, each holding every arm once (default 36, with --quick 7)")
	f.IntVar(&o.rate, "rate", 0, "`QPS` offered while CPU time is measured (default: 40 % of what a pilot sees answered, at most 80000)")
	f.StringVar(&o.serverCmd, "server-cmd", "", "`COMMAND` of another DHT server to measure; {addr} in it stands for ADDR:PORT, and no shell reads it")
	f.DurationVar(&o.ready, "ready-timeout", readyTimeout, "how long the server may take to its first answer")
	f.Uint64Var(&o.seed, "seed", 0, "`N` that decides the trials' order and the queries (default from the clock)")
	f.BoolVar(&o.selfTest, "self-test", false, "measure nothing but the experiment: how often does it find a slow-down of 10 % that is made on purpose, and how often one that is not there")
	f.IntVar(&o.reps, "reps", selfTestReps, "`N` runs of the self-test")
}

func join[T ~string](list []T) string {
	names := make([]string, len(list))
	for i, name := range list {
		names[i] = string(name)
	}
	return strings.Join(names, ",")
}

// spec makes the plan's description of the flags; given says which of them were.
func (o *conntrackOptions) spec(given func(flag string) bool) (spec plan.Spec, err error) {
	spec = plan.Full()
	if o.quick {
		spec = plan.Quick()
	}
	if given("arms") {
		if spec.Arms, err = plan.ParseArms(o.arms); err != nil {
			return spec, usagef("--arms: %w", err)
		}
	}
	if given("flows") {
		if spec.Patterns, err = plan.ParsePatterns(o.flows); err != nil {
			return spec, usagef("--flows: %w", err)
		}
	}
	if given("blocks") {
		spec.Blocks = o.blocks
	}
	if given("rate") {
		spec.Rate = o.rate
	}
	switch {
	case spec.Blocks < 1 || spec.Blocks > maxBlocks:
		return spec, usagef("--blocks %d: must be 1 to %d", spec.Blocks, maxBlocks)
	case spec.Rate < 1:
		return spec, usagef("--rate %d: must be at least 1", spec.Rate)
	case given("server-cmd") && strings.TrimSpace(o.serverCmd) == "":
		return spec, usagef("--server-cmd: must not be empty")
	case o.ready <= 0:
		return spec, usagef("--ready-timeout %v: must be more than 0", o.ready)
	}
	spec.Seed = o.seed
	if !given("seed") {
		spec.Seed = fromClock()
	}
	return spec, nil
}

func fromClock() uint64 { return uint64(time.Now().UnixNano()) }

func (o *conntrackOptions) run(cmd *cobra.Command) error {
	if o.selfTest {
		return o.testItself(cmd)
	}
	if cmd.Flags().Changed("reps") {
		return usagef("--reps %d: means something with --self-test only", o.reps)
	}
	spec, err := o.spec(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	p, err := plan.New(spec)
	if err != nil {
		return usageError{err}
	}
	if o.out == "" {
		o.out = filepath.Join("out", "conntrack-"+time.Now().Format("20060102-150405"))
	}
	if err := checkOut(o.out, record.FileName); err != nil {
		return err
	}
	if err := needRoot(); err != nil {
		return err
	}
	dir, err := programDir()
	if err != nil {
		return err
	}
	r := experiment{
		plan: p, dir: o.out, serverCmd: o.serverCmd, loadgen: filepath.Join(dir, "loadgen"), ready: o.ready,
		rateGiven: cmd.Flags().Changed("rate"), progress: newProgress(cmd.ErrOrStderr(), p.Blocks, len(p.Slots), p.Estimate()),
	}
	needed := []string{r.loadgen}
	if r.serverCmd == "" {
		r.supernode = filepath.Join(dir, "supernode")
		r.serverCmd = r.supernode + " run --listen {addr} --bootstrap none --state-dir none --http none --allow-private --rate-limit off --log-level warn"
		needed = append(needed, r.supernode)
	}
	if err := havePrograms("make", needed...); err != nil {
		return err
	}
	if err := r.conduct(cmd.Context()); err != nil {
		return err
	}
	if err := writeReport(o.out, cmd.OutOrStdout()); err != nil {
		return fmt.Errorf("%w (the records are whole: bench report %s)", err, o.out)
	}
	return nil
}
