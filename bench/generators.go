package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"supernode/bench/generators"
)

// generatorsOptions are the flags of "bench generators".
type generatorsOptions struct {
	quick  bool
	out    string
	names  string
	blocks int
	flows  int
	window int
	trial  time.Duration
	seed   uint64
}

// minMeasure is what a generator needs to get going.
const minMeasure = 50 * time.Millisecond

func generatorsCommand() *cobra.Command {
	var o generatorsOptions
	cmd := &cobra.Command{
		Use:   "generators",
		Short: "Compare load generators on one core: loadgen's ways to send, and dnsperf",
		Long: `generators measures how many DNS queries a second each generator sends, and gets answered, on one core of the lab, the
receive work of its interface included, against a server on the other core that does nothing but send datagrams back.
Needs root, and takes five minutes; --quick is a first answer in half a
minute. dnsperf is left out where it is not installed, and loadgen's --io xdp where it cannot be had.

Progress goes to standard error, the result to standard output, and all of it to DIR: generators.jsonl (raw), summary.json
and report.md. An interrupted run keeps the trials it has made: see bench report.`,
		Example: `  bench generators --quick
  bench generators --generators packet,dnsperf --blocks 16`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	full := generators.Full()
	f.BoolVar(&o.quick, "quick", false, "half a minute: fewer and shorter blocks")
	f.StringVar(&o.out, "out", "", "`DIR` for records and report, which must not hold records yet (default out/generators-DATE-TIME)")
	f.StringVar(&o.names, "generators", "", "`LIST` of "+strings.Join(generators.Names(), ",")+" (default all; mmsg and control, which is mmsg again, are always there)")
	f.IntVar(&o.blocks, "blocks", 0, fmt.Sprintf("`N` blocks, each measuring everything once (default %d, with --quick %d)", full.Blocks, generators.Quick().Blocks))
	f.IntVar(&o.flows, "flows", full.Flows, "`N` distinct source addresses of loadgen")
	f.IntVar(&o.window, "window", full.Window, "`N` queries outstanding in the closed loop")
	f.DurationVar(&o.trial, "measure", 0, fmt.Sprintf("`TIME` of each trial (default %v, with --quick %v)", full.Duration, generators.Quick().Duration))
	f.Uint64Var(&o.seed, "seed", 0, "`N` that decides the order (default from the clock)")
	return cmd
}

// spec makes the description of a run from the flags; given says which of them were.
func (o *generatorsOptions) spec(given func(flag string) bool) (spec generators.Spec, err error) {
	spec = generators.Full()
	if o.quick {
		spec = generators.Quick()
	}
	if given("generators") {
		if spec.Names, err = generators.ParseNames(o.names); err != nil {
			return spec, usagef("--generators: %w", err)
		}
	}
	if given("blocks") {
		spec.Blocks = o.blocks
	}
	if given("measure") {
		spec.Duration = o.trial
	}
	spec.Flows, spec.Window, spec.Seed = o.flows, o.window, o.seed
	if !given("seed") {
		spec.Seed = fromClock()
	}
	switch {
	case spec.Blocks < 1 || spec.Blocks > maxBlocks:
		return spec, usagef("--blocks %d: must be 1 to %d", spec.Blocks, maxBlocks)
	case spec.Flows < 1 || spec.Flows > maxTable:
		return spec, usagef("--flows %d: must be 1 to %d", spec.Flows, maxTable)
	case spec.Duration < minMeasure:
		return spec, usagef("--measure %v: must be at least %v", spec.Duration, minMeasure)
	case spec.Window < 1 || spec.Window > 1<<16:
		return spec, usagef("--window %d: must be 1 to %d, the numbers that DNS has", spec.Window, 1<<16)
	}
	return spec, nil
}

func (o *generatorsOptions) run(cmd *cobra.Command) error {
	spec, err := o.spec(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	if o.out == "" {
		o.out = filepath.Join("out", "generators-"+time.Now().Format("20060102-150405"))
	}
	if err := checkOut(o.out, generators.FileName); err != nil {
		return err
	}
	if err := needRoot(); err != nil {
		return err
	}
	dir, err := programDir()
	if err != nil {
		return err
	}
	d := duel{spec: spec, dir: o.out, loadgen: filepath.Join(dir, "loadgen"), null: filepath.Join(dir, "null-server")}
	if err := havePrograms("make", d.loadgen, d.null); err != nil {
		return err
	}
	d.named = cmd.Flags().Changed("generators")
	if d.dnsperf, err = exec.LookPath("dnsperf"); err != nil && slices.Contains(spec.Names, generators.Dnsperf) {
		if d.named {
			return usagef("--generators: dnsperf is not installed: make install-peers has it")
		}
		d.missing = []string{generators.Dnsperf}
		d.spec = spec.Without(generators.Dnsperf)
	}
	d.progress = newProgress(cmd.ErrOrStderr(), d.spec.Blocks, len(d.spec.Slots()), d.spec.Estimate())
	if err := d.conduct(cmd.Context()); err != nil {
		return err
	}
	if err := writeReport(o.out, cmd.OutOrStdout(), generatorsReport); err != nil {
		return fmt.Errorf("%w (the records are whole: bench report %s)", err, o.out)
	}
	return nil
}

// generatorsReport makes the report files of a comparison of generators.
func generatorsReport(dir string) (table, error) {
	summary, err := generators.Write(dir)
	return summary.Table, err
}
