package main

import (
	"fmt"
	"os"
	"path/filepath"

	"io"

	"github.com/spf13/cobra"

	"supernode/bench/regress"
	"supernode/bench/report"
)

func trendCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "trend FILE...",
		Short: "Draw what bench regress --history has kept; needs no root",
		Long: `trend makes a page of the histories that bench regress --history wrote: how much slower each head was than its base, by
benchmark, over time. The page needs nothing but itself, and decides nothing.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("trend takes the FILEs that bench regress --history wrote, at least one")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return trend(cmd.OutOrStdout(), out, args) },
	}
	cmd.Flags().StringVar(&out, "out", "trend.html", "`FILE` to write")
	return cmd
}

func trend(stdout io.Writer, out string, files []string) error {
	var all []regress.Entry
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return usageError{err}
		}
		entries, err := regress.ReadHistory(file, name)
		file.Close()
		if err != nil {
			return usageError{err}
		}
		all = append(all, entries...)
	}
	if len(all) == 0 {
		return usagef("no run is in %v", files)
	}
	if err := report.Replace(out, func(w io.Writer) error { return regress.Trend(w, all) }); err != nil {
		return err
	}
	path, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d runs: %s\n", len(all), path)
	return err
}
