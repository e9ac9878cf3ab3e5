package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"supernode/bench/lab"
	"supernode/bench/peers"
	"supernode/bench/plan"
	"supernode/bench/trial"
)

// peersOptions are the flags of "bench peers".
type peersOptions struct {
	out    string
	blocks int
	flows  int
	window int
	mix    string
	seed   uint64
}

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
how many queries a second each answers when the generator always has some outstanding. Needs root, and the servers'
programs beside this one: make bench-peers builds them.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&o.out, "out", "", "`DIR` for the records, which must not hold any yet (default out/peers-DATE-TIME)")
	f.IntVar(&o.blocks, "blocks", 8, "blocks, each measuring every server once")
	f.IntVar(&o.flows, "flows", plan.Many.Flows(), "distinct source addresses")
	f.IntVar(&o.window, "window", plan.Full().Window, "queries outstanding")
	f.StringVar(&o.mix, "mix", "", "weight of each method, as loadgen takes it (default loadgen's)")
	f.Uint64Var(&o.seed, "seed", 0, "of the order and the queries (default: from the clock)")
	return cmd
}

func (o *peersOptions) run(cmd *cobra.Command) error {
	if o.blocks < 1 || o.flows < 1 || o.flows > plan.Many.Flows() || o.window < 1 {
		return usageError{fmt.Errorf("--blocks and --window must be at least 1, --flows 1 to %d", plan.Many.Flows())}
	}
	if err := needRoot(); err != nil {
		return err
	}
	programs, err := findPrograms()
	if err != nil {
		return err
	}
	servers := peers.Builtin(filepath.Dir(programs.supernode))
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	if o.out == "" {
		o.out = filepath.Join("out", "peers-"+time.Now().Format("20060102-150405"))
	}
	estimate := time.Duration(o.blocks*len(servers)) * (peersWarmup + peersMeasure + 300*time.Millisecond)
	trials, err := o.conduct(cmd.Context(), servers, programs, newProgress(cmd.ErrOrStderr(), o.blocks*len(servers), estimate))
	if err != nil {
		return err
	}
	lines := peers.Summarize(servers, trials, o.seed)
	summary, err := json.MarshalIndent(lines, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "summary.json"), append(summary, '\n'), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d flows, %d queries outstanding, medians of %d trials of %v with 95 %% intervals\n",
		o.flows, o.window, o.blocks, peersMeasure)
	if err := peers.Table(cmd.OutOrStdout(), lines); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), "\nrecords:", filepath.Join(o.out, "peers.jsonl"))
	return nil
}

// conduct makes the trials and leaves a line for each in the directory.
func (o *peersOptions) conduct(ctx context.Context, servers []peers.Server, programs programs, progress *progress) (trials []peers.Trial, err error) {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(o.out, "peers.jsonl"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, usageError{fmt.Errorf("--out: %w", err)}
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	l, err := buildLab(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	rigs, err := o.assemble(ctx, l, servers, programs, progress)
	for _, rig := range rigs {
		defer func() { err = errors.Join(err, rig.Close()) }()
	}
	if err != nil {
		return nil, err
	}
	if err := l.SetRules(lab.RulesPlain, lab.ServerPort); err != nil {
		return nil, err
	}
	records := json.NewEncoder(file)
	for block := range o.blocks {
		for position, i := range peers.Order(o.seed, block, len(servers)) {
			progress.step(fmt.Sprintf("block %d, %s", block+1, servers[i].Name), position == 0)
			t := peers.Trial{Server: servers[i].Name, Block: block}
			load := trial.Load{Window: o.window, Flows: o.flows, Mix: o.mix, Seed: o.seed + uint64(block),
				WarmupS: peersWarmup.Seconds(), DurationS: peersMeasure.Seconds()}
			if err := rigs[i].Measure(ctx, &t.Trial, load); err != nil {
				progress.clear()
				return nil, fmt.Errorf("measure %s: %w", servers[i].Name, err)
			}
			if err := records.Encode(t); err != nil {
				return nil, err
			}
			trials = append(trials, t)
		}
	}
	progress.clear()
	return trials, nil
}

// assemble starts every server, each with a generator of its own, and fills its tables: the generator answers its
// pings. What it returns beside an error must be closed all the same.
func (o *peersOptions) assemble(ctx context.Context, l *lab.Lab, servers []peers.Server, programs programs, progress *progress) (rigs []*trial.Rig, err error) {
	for i, s := range servers {
		progress.say("bench: starting %s and filling its tables", s.Name)
		rig, err := assemble(ctx, l, s.Command, programs, lab.ServerPort+uint16(i))
		if err != nil {
			return rigs, fmt.Errorf("%s: %w", s.Name, err)
		}
		rigs = append(rigs, rig)
		if _, err := rig.Push(ctx, trial.Load{Window: o.window, DurationS: 3, Flows: o.flows, Seed: o.seed}); err != nil {
			return rigs, fmt.Errorf("fill %s: %w", s.Name, err)
		}
	}
	return rigs, nil
}
