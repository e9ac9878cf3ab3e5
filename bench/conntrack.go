package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"supernode/bench/lab"
	"supernode/bench/peers"
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/trial"
	"supernode/internal/pin"
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
	seed      uint64
}

func conntrackCommand() *cobra.Command {
	var o conntrackOptions
	cmd := &cobra.Command{
		Use:   "conntrack",
		Short: "Measure a server with connection tracking off, on, and exempted for its port",
		Long: `conntrack measures what connection tracking costs a UDP server: CPU time per answered query, latency and throughput,
with the same server and generator under different firewall rulesets, in blocks of random order. Nothing outside its own
two network namespaces is changed. Needs root. About eight minutes; --quick is a first answer in less than one.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.quick, "quick", false, "under a minute: fewer blocks, CPU time and latency only")
	f.StringVar(&o.out, "out", "", "`DIR` for records and report, which must not hold records yet (default out/conntrack-DATE-TIME)")
	f.StringVar(&o.arms, "arms", "", "what to compare, of "+join(plan.Arms())+" (default all)")
	f.StringVar(&o.flows, "flows", "", "flow patterns, of "+join(plan.Patterns())+" (default all)")
	f.IntVar(&o.blocks, "blocks", 0, "blocks, each holding every arm once (default 16, with --quick 6)")
	f.IntVar(&o.rate, "rate", 0, "`QPS` offered while CPU time is measured (default 80000)")
	f.StringVar(&o.serverCmd, "server-cmd", "", "another server to measure: a command in which {addr} stands for ADDR:PORT")
	f.Uint64Var(&o.seed, "seed", 0, "of the trials' order and the queries (default: from the clock)")
	return cmd
}

func join[T ~string](list []T) string {
	names := make([]string, len(list))
	for i, name := range list {
		names[i] = string(name)
	}
	return strings.Join(names, ",")
}

// spec makes the plan's description of the flags.
func (o *conntrackOptions) spec() (plan.Spec, error) {
	spec := plan.Full()
	if o.quick {
		spec = plan.Quick()
	}
	if o.arms != "" {
		arms, err := plan.ParseArms(o.arms)
		if err != nil {
			return spec, usageError{fmt.Errorf("--arms: %w", err)}
		}
		spec.Arms = arms
	}
	if o.flows != "" {
		patterns, err := plan.ParsePatterns(o.flows)
		if err != nil {
			return spec, usageError{fmt.Errorf("--flows: %w", err)}
		}
		spec.Patterns = patterns
	}
	if o.blocks != 0 {
		spec.Blocks = o.blocks
	}
	if o.rate != 0 {
		spec.Rate = o.rate
	}
	spec.Seed = o.seed
	if spec.Seed == 0 {
		spec.Seed = uint64(time.Now().UnixNano())
	}
	if err := spec.Validate(); err != nil {
		return spec, usageError{err}
	}
	return spec, nil
}

func (o *conntrackOptions) run(cmd *cobra.Command) error {
	spec, err := o.spec()
	if err != nil {
		return err
	}
	p, err := plan.New(spec)
	if err != nil {
		return usageError{err}
	}
	if err := needRoot(); err != nil {
		return err
	}
	programs, err := findPrograms()
	if err != nil {
		return err
	}
	serverCmd := o.serverCmd
	if serverCmd == "" {
		serverCmd = peers.Builtin(filepath.Dir(programs.supernode))[0].Command
	}
	out := o.out
	if out == "" {
		out = filepath.Join("out", "conntrack-"+time.Now().Format("20060102-150405"))
	}
	if err := conduct(cmd.Context(), p, serverCmd, programs, out, newProgress(cmd.ErrOrStderr(), len(p.Slots), spec.Estimate())); err != nil {
		return err
	}
	return writeReport(out, cmd.OutOrStdout())
}

// conduct builds the lab, makes the trials of p and leaves their records in dir.
func conduct(ctx context.Context, p plan.Plan, serverCmd string, programs programs, dir string, progress *progress) (err error) {
	l, err := buildLab(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()

	progress.say("bench: %d trials in %d blocks, about %s; the machine should have nothing else to do",
		len(p.Slots), p.Blocks, p.Estimate().Round(time.Second))
	rig, err := assemble(ctx, l, serverCmd, programs, l.ServerEndpoint().Port())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rig.Close()) }()

	w, err := record.Create(dir, header(l, p.Spec, serverCmd, programs))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	progress.say("bench: filling the server's tables")
	if err := fill(ctx, rig, p.Spec); err != nil {
		return err
	}
	for _, slot := range p.Slots {
		progress.step(fmt.Sprintf("block %d, %s", slot.Block+1, slot.Cell), slot.Position == 0)
		t, err := rig.Run(ctx, slot, load(p.Spec, slot))
		if err != nil {
			progress.clear()
			return fmt.Errorf("trial %s in block %d (records so far: bench report %s): %w", slot.Cell, slot.Block+1, dir, err)
		}
		if err := w.Append(t); err != nil {
			return err
		}
	}
	progress.clear()
	return nil
}

// buildLab makes the standard lab and moves this process to the client's core, so that the server's is left alone.
func buildLab(ctx context.Context) (*lab.Lab, error) {
	spec := lab.Default()
	l, err := lab.Up(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("build lab: %w", err)
	}
	if err := pin.Process(pin.List{spec.ClientCPU}); err != nil {
		return nil, errors.Join(fmt.Errorf("pin the harness: %w", err), l.Close())
	}
	return l, nil
}

// assemble starts a server on the given port of the lab's server address, and a generator for it.
func assemble(ctx context.Context, l *lab.Lab, serverCmd string, programs programs, port uint16) (*trial.Rig, error) {
	s, err := trial.StartServer(l, serverCmd, endpoint(l, port))
	if err != nil {
		return nil, err
	}
	rig, err := trial.Assemble(ctx, l, s, programs.loadgen, plan.Many.Flows())
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return rig, nil
}

// fillTime is how long a server is queried before the first trial, so that its routing table and stores are not
// empty: the generator answers its pings.
const fillTime = 10 * time.Second

func fill(ctx context.Context, rig *trial.Rig, spec plan.Spec) error {
	seconds := fillTime.Seconds()
	if spec.Max == (plan.Timing{}) {
		seconds /= 4 // a quick run
	}
	_, err := rig.Push(ctx, trial.Load{Rate: float64(spec.Rate) / 2, DurationS: seconds, Flows: plan.Many.Flows(), Seed: spec.Seed})
	return err
}

// load is what the generator is asked to do in a slot. The seed differs from block to block and is the same for all
// arms of a block, so that they answer the same queries.
func load(spec plan.Spec, slot plan.Slot) trial.Load {
	t := spec.Timing(slot.Measure)
	l := trial.Load{
		DurationS: t.Measure.Seconds(), WarmupS: t.Warmup.Seconds(),
		Flows: slot.Flows.Flows(), Seed: spec.Seed + uint64(slot.Block),
	}
	if slot.Measure == plan.Max {
		l.Window = spec.Window
	} else {
		l.Rate = float64(spec.Rate)
	}
	return l
}

// programs are the binaries beside this one.
type programs struct{ supernode, loadgen string }

func findPrograms() (programs, error) {
	self, err := os.Executable()
	if err != nil {
		return programs{}, fmt.Errorf("find the programs to run: %w", err)
	}
	dir := filepath.Dir(self)
	p := programs{supernode: filepath.Join(dir, "supernode"), loadgen: filepath.Join(dir, "loadgen")}
	for _, path := range []string{p.supernode, p.loadgen} {
		if _, err := os.Stat(path); err != nil {
			return p, usageError{fmt.Errorf("%w: bench runs the programs beside it, build them all with make", err)}
		}
	}
	return p, nil
}
