package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"supernode/bench/lab"
	"supernode/bench/peers"
	"supernode/bench/plan"
	"supernode/bench/report"
	"supernode/bench/trial"
)

// peersOptions are the flags of "bench peers", and what they lead to.
type peersOptions struct {
	out    string
	blocks int
	flows  int
	window int
	mix    string
	seed   uint64

	servers  []peers.Server
	loadgen  string // path of the program
	progress *progress
}

// peersFile is what the records are called: a peers.Trial a line.
const peersFile = "peers.jsonl"

// The length of one trial of "bench peers".
const (
	peersWarmup  = 500 * time.Millisecond
	peersMeasure = 2 * time.Second
)

func peersCommand() *cobra.Command {
	var o peersOptions
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "Measure supernode beside other DHT servers, as fast as each answers",
		Long: `peers keeps several DHT servers alive on one core of the lab, without connection tracking, and measures in random order
how many queries a second each answers when the generator always has some outstanding. Two of them are none: they answer
without looking, in batches and one by one, and show what the kernel's path allows. Needs root, and the servers' programs
beside this one: make bench-peers builds them.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.out, "out", "", "`DIR` for the records, which must not hold any yet (default out/peers-DATE-TIME)")
	f.IntVar(&o.blocks, "blocks", 8, "`N` blocks, each measuring every server once")
	f.IntVar(&o.flows, "flows", plan.Many.Flows(), "`N` distinct source addresses")
	f.IntVar(&o.window, "window", plan.Full().Window, "`N` queries outstanding")
	f.StringVar(&o.mix, "mix", "", "`WEIGHTS` of the methods, as loadgen takes them (default loadgen's)")
	f.Uint64Var(&o.seed, "seed", 0, "`N` that decides the order and the queries (default from the clock)")
	return cmd
}

func (o *peersOptions) check() error {
	switch {
	case o.blocks < 1 || o.blocks > maxBlocks:
		return usagef("--blocks %d: must be 1 to %d", o.blocks, maxBlocks)
	case o.flows < 1 || o.flows > plan.Many.Flows():
		return usagef("--flows %d: must be 1 to %d", o.flows, plan.Many.Flows())
	case o.window < 1:
		return usagef("--window %d: must be at least 1", o.window)
	}
	return nil
}

func (o *peersOptions) run(cmd *cobra.Command) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.out == "" {
		o.out = filepath.Join("out", "peers-"+time.Now().Format("20060102-150405"))
	}
	if err := checkOut(o.out, peersFile); err != nil {
		return err
	}
	if err := needRoot(); err != nil {
		return err
	}
	dir, err := programDir()
	if err != nil {
		return err
	}
	o.servers, o.loadgen = peers.Builtin(dir), filepath.Join(dir, "loadgen")
	needed := []string{o.loadgen}
	for _, s := range o.servers {
		needed = append(needed, s.Program())
	}
	if err := havePrograms("make bench-peers", needed...); err != nil {
		return err
	}
	if !cmd.Flags().Changed("seed") {
		o.seed = fromClock()
	}
	count := o.blocks * len(o.servers)
	o.progress = newProgress(cmd.ErrOrStderr(), o.blocks, count, time.Duration(count)*(peersWarmup+peersMeasure+300*time.Millisecond))
	trials, err := o.conduct(cmd.Context())
	if err != nil {
		return err
	}
	return o.report(cmd.OutOrStdout(), trials)
}

// report leaves a summary beside the records, and prints it for a person.
func (o *peersOptions) report(out io.Writer, trials []peers.Trial) error {
	lines := peers.Summarize(o.servers, trials)
	summary, err := json.MarshalIndent(lines, "", "  ")
	if err != nil {
		return fmt.Errorf("encode summary: %w", err)
	}
	if err := os.WriteFile(filepath.Join(o.out, report.SummaryFile), append(summary, '\n'), 0o644); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	fmt.Fprintf(out, "%s, %d queries outstanding, medians of %s of %v with 95 %% intervals\n",
		count(o.flows, "flow"), o.window, count(o.blocks, "trial"), peersMeasure)
	if err := peers.Table(out, lines); err != nil {
		return err
	}
	path, err := filepath.Abs(filepath.Join(o.out, peersFile))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\nrecords: %s\n", path)
	return err
}

// conduct makes the trials and leaves a line for each in the directory. However it ends, the lab is taken down.
func (o *peersOptions) conduct(ctx context.Context) (trials []peers.Trial, err error) {
	defer o.progress.clear()
	o.progress.say("building the lab")
	l, err := buildLab(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	rigs, err := o.assemble(ctx, l)
	for _, rig := range rigs {
		defer func() { err = errors.Join(err, rig.Close()) }()
	}
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return nil, fmt.Errorf("create directory for records: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(o.out, peersFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create records: %w", err)
	}
	trials, err = o.trials(ctx, l, rigs, json.NewEncoder(file))
	err = errors.Join(err, file.Close())
	if err != nil && len(trials) == 0 {
		return nil, errors.Join(err, os.Remove(file.Name()))
	}
	if err != nil {
		o.progress.say("%d of %s are recorded in %s", len(trials), count(o.blocks*len(rigs), "trial"), file.Name())
	}
	return trials, err
}

// trials makes all trials. Each server is measured with the ruleset that names its port.
func (o *peersOptions) trials(ctx context.Context, l *lab.Lab, rigs []*trial.Rig, records *json.Encoder) (trials []peers.Trial, err error) {
	for block := range o.blocks {
		for position, i := range peers.Order(o.seed, block, len(rigs)) {
			o.progress.step(block, position == 0, o.servers[i].Name)
			t := peers.Trial{Server: o.servers[i].Name, Block: block}
			load := trial.Load{Window: o.window, Flows: o.flows, Mix: o.mix, Seed: o.seed + uint64(block),
				WarmupS: peersWarmup.Seconds(), DurationS: peersMeasure.Seconds()}
			if err := l.SetRules(lab.RulesPlain, rigs[i].Port()); err != nil {
				return trials, err
			}
			if err := rigs[i].Measure(ctx, &t.Trial, load); err != nil {
				return trials, fmt.Errorf("measure %s in block %d: %w", o.servers[i].Name, block+1, err)
			}
			if err := records.Encode(t); err != nil {
				return trials, fmt.Errorf("append record: %w", err)
			}
			trials = append(trials, t)
		}
	}
	return trials, nil
}

// assemble starts every server, each with a generator of its own, and fills its tables: the generator answers its
// pings. What it returns beside an error must be closed all the same.
func (o *peersOptions) assemble(ctx context.Context, l *lab.Lab) (rigs []*trial.Rig, err error) {
	for i, s := range o.servers {
		o.progress.say("starting %s and filling its tables", s.Name)
		rig, err := trial.Assemble(ctx, l, trial.Setup{
			Server: s.Command, Addr: netip.AddrPortFrom(l.ServerEndpoint().Addr(), lab.ServerPort+uint16(i)),
			Generator: o.loadgen, Flows: o.flows, Ready: readyTimeout,
		})
		if err != nil {
			return rigs, err
		}
		rigs = append(rigs, rig)
		if err := rig.Fill(ctx, trial.Load{Window: o.window, DurationS: 3, Flows: o.flows, Seed: o.seed}); err != nil {
			return rigs, fmt.Errorf("fill tables of %s: %w", s.Name, err)
		}
	}
	return rigs, nil
}
