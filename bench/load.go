package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"supernode/bench/lab"
	"supernode/bench/loads"
	"supernode/bench/plan"
	"supernode/bench/report"
	"supernode/bench/trial"
)

// loadOptions are the flags of "bench load", and what they lead to.
type loadOptions struct {
	out     string
	steps   string
	servers []string // NAME=COMMAND
	blocks  int
	flows   int
	window  int
	mix     string
	seed    uint64
	warmup  time.Duration
	measure time.Duration

	ladder   []loads.Step
	subjects []loads.Server
	loadgen  string // path of the program
	progress *progress
}

// loadFile is what the records are called: a loads.Trial a line.
const loadFile = "load.jsonl"

func loadCommand() *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Measure servers from rest to overload, side by side",
		Long: `load keeps servers alive on one core of the lab, without connection tracking, and measures each at every step of load: the
CPU time and wake-ups it takes at rest and when little is asked, the latency it adds, and what is left of its best rate
when more is offered than it can answer. Unless told otherwise, a server that answers without looking comes first, and
supernode is compared with it; two builds of supernode, or two settings, are compared in the same way.
The servers' programs must be beside this one: make bench-load builds them. Without root it does what can be done in a user
namespace, and says what cannot.`,
		Example: `  bench load
  bench load --steps 0,1000 --measure 5s
  bench load --steps max --blocks 12 --server 'old=/tmp/old run --listen {addr} --bootstrap none' \
      --server 'new=bin/supernode run --listen {addr} --bootstrap none'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.out, "out", "", "`DIR` for the records, which must not hold any yet (default out/load-DATE-TIME)")
	f.StringVar(&o.steps, "steps", "0,1000,max,0.5x,1.5x,2x,3x,0.5x", "`LIST` of loads: queries a second, max for as fast as answers come, or multiples of that")
	f.StringArrayVar(&o.servers, "server", nil, "`NAME=COMMAND` of a server, {addr} standing for the ADDR:PORT to answer on; may be repeated, the first is compared with (default null and supernode)")
	f.IntVar(&o.blocks, "blocks", 8, "`N` blocks, each measuring every server at every step once")
	f.IntVar(&o.flows, "flows", plan.Many.Flows(), "`N` distinct source addresses")
	f.IntVar(&o.window, "window", plan.Full().Window, "`N` queries outstanding at max")
	f.StringVar(&o.mix, "mix", "", "`WEIGHTS` of the methods, as loadgen takes them (default loadgen's)")
	f.DurationVar(&o.warmup, "warmup", 300*time.Millisecond, "`TIME` of each trial before it is measured")
	f.DurationVar(&o.measure, "measure", 2*time.Second, "`TIME` of each trial that is measured")
	f.Uint64Var(&o.seed, "seed", 0, "`N` that decides the order and the queries (default from the clock)")
	return cmd
}

func (o *loadOptions) check() (err error) {
	if o.ladder, err = loads.Parse(o.steps); err != nil {
		return usagef("--steps %w", err)
	}
	for _, server := range o.servers {
		name, command, _ := strings.Cut(server, "=")
		if name == "" || strings.TrimSpace(command) == "" {
			return usagef("--server %q: must be NAME=COMMAND", server)
		}
		o.subjects = append(o.subjects, loads.Server{Name: name, Command: command})
	}
	switch {
	case o.blocks < 1 || o.blocks > maxBlocks:
		return usagef("--blocks %d: must be 1 to %d", o.blocks, maxBlocks)
	case o.flows < 1 || o.flows > plan.Many.Flows():
		return usagef("--flows %d: must be 1 to %d", o.flows, plan.Many.Flows())
	case o.window < 1:
		return usagef("--window %d: must be at least 1", o.window)
	case o.measure <= 0 || o.warmup < 0:
		return usagef("--warmup %v --measure %v: must not be negative, nor the second 0", o.warmup, o.measure)
	}
	return nil
}

func (o *loadOptions) run(cmd *cobra.Command) error {
	if err := o.check(); err != nil {
		return err
	}
	o.out = cmp.Or(o.out, filepath.Join("out", "load-"+time.Now().Format("20060102-150405")))
	if err := checkOut(o.out, loadFile); err != nil {
		return err
	}
	if done, err := asRoot(cmd); done {
		return err
	}
	dir, err := programDir()
	if err != nil {
		return err
	}
	if len(o.subjects) == 0 {
		o.subjects = loads.Builtin(dir)
	}
	o.loadgen = filepath.Join(dir, "loadgen")
	needed := []string{o.loadgen}
	for _, s := range o.subjects {
		needed = append(needed, s.Program())
	}
	if err := havePrograms("make bench-load", needed...); err != nil {
		return err
	}
	if !cmd.Flags().Changed("seed") {
		o.seed = fromClock()
	}
	count := o.blocks * len(o.subjects) * len(o.ladder)
	o.progress = newProgress(cmd.ErrOrStderr(), o.blocks, count, time.Duration(count)*(o.warmup+o.measure+300*time.Millisecond))
	trials, err := o.conduct(cmd.Context())
	if err != nil {
		return err
	}
	var names []string
	for _, s := range o.subjects {
		names = append(names, s.Name)
	}
	lines := loads.Summarize(names, o.ladder, trials)
	summary, err := json.MarshalIndent(lines, "", "  ")
	if err != nil {
		return fmt.Errorf("encode summary: %w", err)
	}
	if err := os.WriteFile(filepath.Join(o.out, report.SummaryFile), append(summary, '\n'), 0o644); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return loads.Table(cmd.OutOrStdout(), lines)
}

// conduct makes the trials and leaves a line for each in the directory. However it ends, the lab is taken down.
func (o *loadOptions) conduct(ctx context.Context) (trials []loads.Trial, err error) {
	defer o.progress.clear()
	o.progress.say("building the lab")
	l, err := buildLab(ctx, lab.Default())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	o.progress.warn(notes(l))
	var rigs []*trial.Rig
	defer func() {
		for _, rig := range rigs {
			err = errors.Join(err, rig.Close())
		}
	}()
	for i, s := range o.subjects {
		o.progress.say("starting %s and filling its tables", s.Name)
		rig, err := trial.Assemble(ctx, l, trial.Setup{
			Server: s.Command, Addr: netip.AddrPortFrom(l.ServerEndpoint().Addr(), lab.ServerPort+uint16(i)),
			Generator: o.loadgen, Flows: o.flows, Ready: readyTimeout,
		})
		if err != nil {
			return nil, err
		}
		rigs = append(rigs, rig)
		if err := rig.Fill(ctx, trial.Load{Window: o.window, DurationS: 3, Flows: o.flows, Seed: o.seed}); err != nil {
			return nil, fmt.Errorf("fill tables of %s: %w", s.Name, err)
		}
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return nil, fmt.Errorf("create directory for records: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(o.out, loadFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create records: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	records := json.NewEncoder(file)
	for block := range o.blocks {
		for position, i := range loads.Order(o.seed, block, len(rigs)) {
			if err := l.SetRules(lab.RulesPlain, rigs[i].Port()); err != nil {
				return trials, err
			}
			climbed, err := o.climb(ctx, rigs[i], block, position == 0, o.subjects[i].Name)
			for _, t := range climbed {
				err = errors.Join(err, records.Encode(t))
			}
			trials = append(trials, climbed...)
			if err != nil {
				return trials, err
			}
		}
	}
	return trials, nil
}

// climb measures one server at every step.
func (o *loadOptions) climb(ctx context.Context, rig *trial.Rig, block int, first bool, name string) (trials []loads.Trial, err error) {
	best := 0.0
	for i, step := range o.ladder {
		o.progress.step(block, first && i == 0, name+" at "+step.String())
		t := loads.Trial{Server: name, Step: step.String(), Place: i, Block: block}
		woken, err := rig.Wakeups()
		if err != nil {
			return trials, err
		}
		span := o.measure
		if step.Times > 0 && best == 0 { // a rate of 0 would be a closed loop
			t.Problem = "nothing was answered at max, of which this is a multiple"
			trials = append(trials, t)
			continue
		}
		if step == (loads.Step{}) {
			err = rig.Rest(ctx, &t.Trial, o.measure)
		} else {
			load := trial.Load{
				Rate: step.Offered(best), Flows: o.flows, Mix: o.mix, Seed: o.seed + uint64(block),
				WarmupS: o.warmup.Seconds(), DurationS: o.measure.Seconds(),
			}
			if step.Best {
				load.Window = o.window
			}
			span += o.warmup
			err = rig.Measure(ctx, &t.Trial, load)
		}
		if err != nil {
			return trials, fmt.Errorf("measure %s at %v in block %d: %w", name, step, block+1, err)
		}
		after, err := rig.Wakeups()
		if err != nil {
			return trials, err
		}
		// The counts are read around the warm-up too, in which they grow at the same pace.
		t.Wakeups = uint64(float64(after-woken) * float64(o.measure) / float64(span))
		if step.Best {
			best = t.AnswersPerS()
		}
		trials = append(trials, t)
	}
	return trials, nil
}
