package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"supernode/bench/slices"
)

// What a self-test leaves in its directory.
const (
	selfTestSlices = "slices.jsonl" // raw, a line a slice
	selfTestJSON   = "selftest.json"
	selfTestPage   = "selftest.md"
)

// Shorter slices measure their own edges, and longer ones the machine's drift.
const (
	shortestSlice = 10 * time.Millisecond
	longestSlice  = 10 * time.Second
)

// selfTestOptions are the flags of "bench selftest regress".
type selfTestOptions struct {
	quick     bool
	out       string
	reps      int
	rounds    int
	blocks    int
	calibrate int
	time      time.Duration
	warmup    time.Duration
	length    time.Duration
	slowdowns []float64
	serverCmd string
	seed      uint64
}

func selfTestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Put the measurements to the test: do they find a slow-down that is known to be there?",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(selfTestRegressCommand(), noiseCommand())
	return cmd
}

func selfTestRegressCommand() *cobra.Command {
	var o selfTestOptions
	cmd := &cobra.Command{
		Use:   "regress",
		Short: "How often does the comparison of two builds find a slow-down, and how often one that is not there?",
		Long: `regress compares a server with itself, as it is and made slower by known shares of the CPU time that a query takes, again
and again, and judges each comparison as a regression job would, its confirmation run included. It tells how often each
slow-down was found, with exact intervals, and how often one was where there is none.
A decision rests on as many blocks as --time allows all repetitions, at most on as many as regress gives one in its default
budget: with a --time of two hours and a half it has them. The page tells both. Needs root, and the programs beside it:
make bench-selftest builds them. --quick is three minutes. What an interrupted one has done is told.

Raw slices, selftest.json and selftest.md go to DIR.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&o.quick, "quick", false, "3 repetitions, no slow-down and 20 %")
	f.StringVar(&o.out, "out", "", "`DIR` for records and rates, which must not hold records yet (default out/selftest-DATE-TIME)")
	f.IntVar(&o.reps, "reps", 20, "`N` repetitions")
	f.DurationVar(&o.time, "time", 75*time.Minute, "`TIME` for all of it, by which the rounds and blocks of a decision are chosen")
	f.IntVar(&o.rounds, "rounds", 1, "`N` rounds a decision rests on, each with new processes, instead of --time")
	f.IntVar(&o.blocks, "blocks", 10, "`N` blocks in each round, instead of --time")
	f.IntVar(&o.calibrate, "calibration", 16, "`N` blocks in which the cost of a query and of wasted work are measured first")
	f.DurationVar(&o.warmup, "warmup", slices.DefaultLoad().Warmup, "`TIME` of each slice that is thrown away")
	f.DurationVar(&o.length, "length", slices.DefaultLoad().Length, "`TIME` of each slice that is measured (see bench selftest noise)")
	f.Float64SliceVar(&o.slowdowns, "slowdowns", []float64{0, 5, 10, 20}, "`LIST` of slow-downs in per cent; 0 is none, for false alarms")
	f.StringVar(&o.serverCmd, "server-cmd", "", "`COMMAND` of the server; {addr} in it stands for ADDR:PORT, {burn} for the work to waste (default supernode-burn)")
	f.Uint64Var(&o.seed, "seed", 0, "`N` that decides order and queries (default from the clock)")
	return cmd
}

func (o *selfTestOptions) check(given func(string) bool) error {
	if o.quick && !given("reps") {
		o.reps = 3
	}
	if o.quick && !given("slowdowns") {
		o.slowdowns = []float64{0, 20}
	}
	if o.quick && !given("calibration") {
		o.calibrate = 8
	}
	if o.quick && !given("time") {
		o.time = 3 * time.Minute
	}
	if !given("seed") {
		o.seed = fromClock()
	}
	seen := map[float64]bool{}
	for _, s := range o.slowdowns {
		if !(s >= 0 && s <= 1000) || seen[s] {
			return usagef("--slowdowns %v: must be different numbers from 0 to 1000, in per cent", s)
		}
		seen[s] = true
	}
	switch {
	case o.reps < 1 || o.reps > maxBlocks:
		return usagef("--reps %d: must be 1 to %d", o.reps, maxBlocks)
	case given("server-cmd") && (!strings.Contains(o.serverCmd, "{addr}") || !strings.Contains(o.serverCmd, "{burn}")):
		return usagef("--server-cmd %q: must hold {addr} and {burn}", o.serverCmd)
	case len(o.slowdowns) == 0 || len(o.slowdowns) > 8:
		return usagef("--slowdowns: give 1 to 8, not %d", len(o.slowdowns))
	case o.calibrate < 1 || o.calibrate > maxBlocks:
		return usagef("--calibration %d: must be 1 to %d", o.calibrate, maxBlocks)
	case o.warmup < 0 || o.length < shortestSlice || o.length > longestSlice:
		return usagef("--warmup %v --length %v: must not be negative, nor the second less than %v or more than %v", o.warmup, o.length, shortestSlice, longestSlice)
	case o.rounds < 1 || o.blocks < 1 || o.rounds > maxBlocks/o.blocks:
		return usagef("--rounds %d --blocks %d: must be at least 1, and no more than %d blocks in all", o.rounds, o.blocks, maxBlocks)
	}
	if given("rounds") || given("blocks") {
		if given("time") {
			return usagef("--time: means nothing with --rounds or --blocks: leave it out")
		}
		return nil
	}
	test, err := o.test()
	if err != nil {
		return err
	}
	if err := test.Fit(o.time); err != nil {
		return usagef("--time %v: %w", o.time, err)
	}
	o.rounds, o.blocks = test.Size.Rounds, test.Size.Blocks
	return nil
}

// test is what the flags ask for, without its programs.
func (o *selfTestOptions) test() (slices.SelfTest, error) {
	job, err := jobSize()
	test := slices.SelfTest{
		Server: o.serverCmd, Null: "null", Reps: o.reps, Load: slices.DefaultLoad(), Size: slices.Size{Rounds: o.rounds, Blocks: o.blocks}, Job: job,
		Calibrate: o.calibrate, Seed: o.seed, Judge: judgeSlices,
	}
	test.Load.Warmup, test.Load.Length = o.warmup, o.length
	for _, s := range o.slowdowns {
		test.Slowdowns = append(test.Slowdowns, s/100)
	}
	return test, err
}

func (o *selfTestOptions) run(cmd *cobra.Command) error {
	if err := o.check(cmd.Flags().Changed); err != nil {
		return err
	}
	o.out = cmp.Or(o.out, filepath.Join("out", "selftest-"+time.Now().Format("20060102-150405")))
	if err := checkOut(o.out, selfTestSlices); err != nil {
		return err
	}
	tools, err := slicePrograms(&o.serverCmd)
	if err != nil {
		return err
	}
	p := newProgress(cmd.ErrOrStderr(), 0, 0, 0)
	test, err := o.test()
	if err != nil {
		return err
	}
	test.Null, test.Generator, test.Say = tools.null, tools.loadgen, p.say
	p.say("%s a decision; all of it takes %v if each arm is measured again", test.Size, test.Estimate().Round(time.Second))
	found, err := recordSlices(o.out, func(record func(slices.Slice) error) (slices.Findings, error) {
		test.Record = record
		return test.Run(cmd.Context())
	})
	if len(found.Repetitions) == 0 {
		return err
	}
	return errors.Join(err, writeFindings(o.out, found, cmd.OutOrStdout()))
}

// sliceTools are the programs that slices are measured with, beside the server.
type sliceTools struct{ null, loadgen string }

// slicePrograms finds them. An empty server command becomes that of supernode as built for self-tests.
func slicePrograms(server *string) (p sliceTools, err error) {
	if err := needRoot(); err != nil {
		return p, err
	}
	dir, err := programDir()
	if err != nil {
		return p, err
	}
	null, burning := filepath.Join(dir, "null-server"), filepath.Join(dir, "supernode-burn")
	p = sliceTools{null: null + " {addr}", loadgen: filepath.Join(dir, "loadgen")}
	needed := []string{p.loadgen, null}
	if *server == "" {
		*server = burning + " run --burn {burn} --listen {addr} --bootstrap none --state-dir none --http none --allow-private --rate-limit off --conntrack ignore --log-level warn"
		needed = append(needed, burning)
	}
	return p, havePrograms("make bench-selftest", needed...)
}

// recordSlices calls run with a function that writes slices down in dir.
func recordSlices[T any](dir string, run func(record func(slices.Slice) error) (T, error)) (out T, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return out, fmt.Errorf("create directory for records: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, selfTestSlices), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return out, fmt.Errorf("create records: %w", err)
	}
	recorded := false
	defer func() {
		err = errors.Join(err, file.Close())
		if !recorded { // an empty file would be in the way of the next attempt
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	records := json.NewEncoder(file)
	return run(func(s slices.Slice) error {
		recorded = true
		return records.Encode(s)
	})
}

// findings are what a self-test can say of itself.
type findings interface {
	Table(io.Writer) error
	Markdown(io.Writer) error
}

// writeFindings leaves them in dir and prints them.
func writeFindings(dir string, f findings, stdout io.Writer) (err error) {
	doc, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("encode findings: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, selfTestJSON), append(doc, '\n'), 0o644); err != nil {
		return fmt.Errorf("write findings: %w", err)
	}
	page, err := os.Create(filepath.Join(dir, selfTestPage))
	if err != nil {
		return fmt.Errorf("write findings: %w", err)
	}
	defer func() { err = errors.Join(err, page.Close()) }()
	if err := errors.Join(f.Markdown(page), f.Table(stdout)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "\nfindings: %s\n", page.Name())
	return err
}
