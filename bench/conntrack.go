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
	quick  bool
	out    string
	arms   string
	flows  string
	blocks int
	rate   int
	seed   uint64
	server otherServer
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
two network namespaces is changed. Eight or nine minutes; --quick is a first answer in less than one. Without root it does what
can be done in a user namespace, and says in its report what cannot.

Progress goes to standard error, the result to standard output, and all of it to DIR: trials.jsonl (raw), summary.json,
report.md and bench.txt (for benchstat). An interrupted run keeps the trials it has made: see bench report.`,
		Example: `  bench conntrack --quick
  bench conntrack --arms on --flows many --out results
  bench conntrack --server-cmd '/usr/local/bin/mydht --bind {addr}'
  bench conntrack --server-cmd 'unbound -d -c /tmp/lab.conf' --server-port 5353 --payload dns:example.org`,
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
	o.server.register(f)
	f.Uint64Var(&o.seed, "seed", 0, "`N` that decides the trials' order and the queries (default from the clock)")
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
	}
	if err := o.server.check(given); err != nil {
		return spec, err
	}
	spec.Seed = o.seed
	if !given("seed") {
		spec.Seed = fromClock()
	}
	return spec, nil
}

func fromClock() uint64 { return uint64(time.Now().UnixNano()) }

func (o *conntrackOptions) run(cmd *cobra.Command) error {
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
	dir, err := programDir()
	if err != nil {
		return err
	}
	r := experiment{
		plan: p, dir: o.out, loadgen: filepath.Join(dir, "loadgen"), port: o.server.port, rateGiven: cmd.Flags().Changed("rate"), progress: newProgress(cmd.ErrOrStderr(), p.Blocks, len(p.Slots), p.Estimate()),
	}
	r.setup = o.server.setup(cmd.Flags().Changed, r.loadgen)
	needed := []string{r.loadgen}
	if r.setup.Server == "" {
		r.supernode = filepath.Join(dir, "supernode")
		r.setup.Server = r.supernode + " run --listen {addr} --bootstrap none --state-dir none --http none --allow-private --rate-limit off --log-level warn"
		needed = append(needed, r.supernode)
	}
	if err := havePrograms("make", needed...); err != nil {
		return err
	}
	if err := judge(cmd.Context(), r.setup, spec.Rate); err != nil {
		return err
	}
	if done, err := asRoot(cmd); done {
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
