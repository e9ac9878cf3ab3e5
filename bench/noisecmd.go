package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"supernode/bench/slices"
)

func noiseCommand() *cobra.Command {
	var (
		out            string
		rounds, blocks int
		lengths        []time.Duration
		warmup         time.Duration
		serverCmd      string
		seed           uint64
	)
	cmd := &cobra.Command{
		Use:   "noise",
		Short: "How long should a slice be on this machine?",
		Long: `noise compares a server with itself in slices of several lengths, all in the same minutes, and says how far pairs spread,
how narrow an interval a minute of measuring makes, and how far new processes of the same program differ. Four minutes.
Needs root, and the programs beside it: make bench-selftest builds them.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rounds < 1 || blocks < 1 || rounds > maxBlocks/blocks || len(lengths) == 0 || warmup < 0 {
				return usagef("--rounds %d --blocks %d --warmup %v: must be at least 1, and no negative time", rounds, blocks, warmup)
			}
			study := slices.Study{Rounds: rounds, Blocks: blocks, Load: slices.DefaultLoad(), Seed: seed}
			for _, length := range lengths {
				if length < shortestSlice || length > longestSlice {
					return usagef("--lengths %v: must be %v to %v", length, shortestSlice, longestSlice)
				}
				study.Settings = append(study.Settings, slices.Setting{Warmup: warmup, Length: length})
			}
			if !cmd.Flags().Changed("seed") {
				study.Seed = fromClock()
			}
			if out == "" {
				out = filepath.Join("out", "noise-"+time.Now().Format("20060102-150405"))
			}
			if err := checkOut(out, selfTestSlices); err != nil {
				return err
			}
			p, err := slicePrograms(&serverCmd)
			if err != nil {
				return err
			}
			study.Server, study.Generator, study.Say = serverCmd, p.loadgen, newProgress(cmd.ErrOrStderr(), 0, 0, 0).say
			found, err := recordSlices(out, func(record func(slices.Slice) error) ([]slices.Noise, error) {
				study.Record = record
				return study.Run(cmd.Context())
			})
			if err != nil {
				return err
			}
			if err := slices.NoiseTable(cmd.OutOrStdout(), found); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "\nslices: %s\n", filepath.Join(out, selfTestSlices))
			return err
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&out, "out", "", "`DIR` for the slices, which must not hold any yet (default out/noise-DATE-TIME)")
	f.IntVar(&rounds, "rounds", 6, "`N` rounds, each with new processes")
	f.IntVar(&blocks, "blocks", 4, "`N` blocks of each length in each round")
	f.DurationVar(&warmup, "warmup", slices.DefaultLoad().Warmup, "`TIME` of each slice that is thrown away")
	f.DurationSliceVar(&lengths, "lengths", []time.Duration{60 * time.Millisecond, 140 * time.Millisecond, 300 * time.Millisecond}, "`LIST` of times of each slice that are measured")
	f.StringVar(&serverCmd, "server-cmd", "", "`COMMAND` of the server; {addr} in it stands for ADDR:PORT (default supernode-burn)")
	f.Uint64Var(&seed, "seed", 0, "`N` that decides order and queries (default from the clock)")
	return cmd
}
