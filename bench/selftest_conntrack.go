package main

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What the self-test of "bench conntrack" does unless it is told otherwise.
const (
	selfTestReps   = 20
	selfTestBlocks = 60
	selfTestShare  = 0.10
)

// testItself is "bench conntrack --self-test".
func (o *conntrackOptions) testItself(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	var other string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains([]string{"self-test", "reps", "out", "blocks", "seed"}, f.Name) {
			other = cmp.Or(other, f.Name)
		}
	})
	if other != "" {
		return usagef("--%s: means nothing with --self-test, which has its own plan and server: leave it out", other)
	}
	t := armSelfTest{reps: o.reps, blocks: selfTestBlocks, share: selfTestShare, seed: o.seed, dir: o.out}
	if given("blocks") {
		t.blocks = o.blocks
	}
	if !given("seed") {
		t.seed = fromClock()
	}
	switch {
	case t.reps < 1 || t.reps > maxBlocks:
		return usagef("--reps %d: must be 1 to %d", t.reps, maxBlocks)
	case t.blocks < 1 || t.blocks > maxBlocks:
		return usagef("--blocks %d: must be 1 to %d", t.blocks, maxBlocks)
	}
	if t.dir == "" {
		t.dir = filepath.Join("out", "conntrack-selftest-"+time.Now().Format("20060102-150405"))
	}
	if err := errors.Join(checkOut(t.dir, selfTestJSON), checkOut(t.dir, repetitionDir(0))); err != nil {
		return err
	}
	if err := needRoot(); err != nil {
		return err
	}
	dir, err := programDir()
	if err != nil {
		return err
	}
	t.null, t.loadgen = filepath.Join(dir, "null-server"), filepath.Join(dir, "loadgen")
	if err := havePrograms("make", t.null, t.loadgen); err != nil {
		return err
	}
	t.progress = newProgress(cmd.ErrOrStderr(), 0, 0, 0)
	f, err := t.run(cmd.Context())
	if len(f.Repetitions) == 0 {
		return err
	}
	return errors.Join(err, writeFindings(t.dir, f, cmd.OutOrStdout()))
}
