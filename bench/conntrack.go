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
	resolve   string
	searches  int
	curves    int
	fullLimit uint64
	rate      int
	seed      uint64
	server    otherServer
	remote    remoteOptions
	selfTest  bool
	reps      int
}

// maxBlocks is half a day of the longest run there is.
const maxBlocks = 1000

// maxCurves is an hour of them.
const maxCurves = 60

// readyTimeout is how long a server may take from its start to its first answer.
const readyTimeout = 20 * time.Second

func conntrackCommand() *cobra.Command {
	var o conntrackOptions
	cmd := &cobra.Command{
		Use:   "conntrack",
		Short: "Measure a server with connection tracking off, on, exempted for its port, and with its table full",
		Long: `conntrack measures what connection tracking costs a UDP server: CPU time per answered query, latency and throughput,
with the same server and generator under different firewall rulesets, in blocks of random order. Nothing outside its own
two network namespaces is changed. About a quarter of an hour; --quick is a first answer in less than a minute. Without root
it does what can be done in a user namespace, and says in its report what cannot.

A pilot sees first how noisy the machine is, and chooses how many blocks that takes. When they are done, a search finds the
highest rate that is answered with at most 0.1 % and 0.5 % lost, and latency is measured at a quarter, half and three
quarters of what the baseline answers. Last comes what happens while the table of connections fills and empties.

Progress goes to standard error, the result to standard output, and all of it to DIR: trials.jsonl and curve.jsonl (raw),
report.html, report.md, summary.json and bench.txt (for benchstat). An interrupted run keeps the trials it has made: see bench report.`,
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
	f.StringVar(&o.arms, "arms", "", "`LIST` of what to compare, of "+join(plan.Arms())+" (default all, with --quick all but raised)")
	f.StringVar(&o.flows, "flows", "", "`LIST` of flow patterns, of "+join(plan.Patterns())+" (default all, with --quick few,many)")
	f.IntVar(&o.blocks, "blocks", 0, "`N` blocks, each holding every arm once, or in a part of them: raised, full, new (default: as many as a pilot finds are needed, with --quick 6)")
	f.StringVar(&o.resolve, "resolution", "", "`SHARE` that intervals of CPU time should reach to either side: a pilot chooses the blocks for it (default 2%, with --quick none)")
	f.IntVar(&o.searches, "searches", 0, "`N` blocks of searches for every arm's highest rate, and of latency at shares of the baseline's (default 5, with --quick 0)")
	f.IntVar(&o.curves, "curves", 1, "`N` times the table is filled and emptied after the blocks, up to a minute each (with --quick 0)")
	f.Uint64Var(&o.fullLimit, "full-limit", fullLimit, "largest table that may be filled, `N` entries of 256 to 384 bytes of the kernel's memory")
	f.IntVar(&o.rate, "rate", 0, "`QPS` offered while CPU time is measured (default: 40 % of what a pilot sees answered, at most 80000)")
	o.server.register(f)
	f.Uint64Var(&o.seed, "seed", 0, "`N` that decides the trials' order and the queries (default from the clock)")
	o.remote.register(f)
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
	if given("searches") {
		spec.Searches = o.searches
	}
	if given("resolution") {
		if spec.Resolution, err = parseResolution(o.resolve); err != nil {
			return spec, usagef("--resolution %q: %w", o.resolve, err)
		}
	}
	switch {
	case given("blocks") && given("resolution"):
		return spec, usagef("--resolution: --blocks %d says how many already, leave one of them out", o.blocks)
	case given("blocks"):
		spec.Resolution = 0 // no pilot
	}
	switch {
	case spec.Blocks < 1 || spec.Blocks > maxBlocks:
		return spec, usagef("--blocks %d: must be 1 to %d", spec.Blocks, maxBlocks)
	case spec.Searches < 0 || spec.Searches > maxBlocks:
		return spec, usagef("--searches %d: must be 0 to %d", spec.Searches, maxBlocks)
	case spec.Rate < 1:
		return spec, usagef("--rate %d: must be at least 1", spec.Rate)
	case o.curves < 0 || o.curves > maxCurves:
		return spec, usagef("--curves %d: must be 0 to %d", o.curves, maxCurves)
	}
	if err := o.server.check(given); err != nil {
		return spec, err
	}
	if err := o.remote.check(given, &spec); err != nil {
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
	dir, err := programDir()
	if err != nil {
		return err
	}
	if o.remote.asked() || o.quick && !cmd.Flags().Changed("curves") {
		o.curves = 0
	}
	r := experiment{
		plan: p, dir: o.out, loadgen: filepath.Join(dir, "loadgen"), port: o.server.port, curves: o.curves, fullLimit: o.fullLimit,
		rateGiven: cmd.Flags().Changed("rate"), progress: newProgress(cmd.ErrOrStderr(), p.Blocks, len(p.Slots), p.Estimate()-p.SearchEstimate()),
	}
	r.setup = o.server.setup(cmd.Flags().Changed, r.loadgen)
	r.progress.later = p.SearchEstimate()
	needed := []string{r.loadgen}
	if r.setup.Server == "" && !o.remote.asked() {
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
	if o.remote.asked() {
		err = r.conductRemote(cmd.Context(), o.remote)
	} else {
		if err := r.consentEarly(); err != nil {
			return err
		}
		if done, err := asRoot(cmd); done {
			return err
		}
		err = r.conduct(cmd.Context())
	}
	if err != nil {
		return err
	}
	if err := writeReport(o.out, cmd.OutOrStdout(), conntrackReport); err != nil {
		return fmt.Errorf("%w (the records are whole: bench report %s)", err, o.out)
	}
	return nil
}
