package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"supernode/bench/report"
)

func reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report DIR",
		Short: "Make the report of a run again from its records; needs no root",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("report takes one argument, the DIR of a run, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			write := writeReport
			switch {
			case isComparison(args[0]):
				write = writePeersReport
			case isDuel(args[0]):
				write = writeGeneratorsReport
			}
			err := write(args[0], cmd.OutOrStdout())
			if errors.Is(err, fs.ErrNotExist) {
				return usageError{err}
			}
			return err
		},
	}
}

// writeReport makes the report files in dir and prints the table.
func writeReport(dir string, out io.Writer) error {
	summary, err := report.Write(dir)
	if err != nil {
		return fmt.Errorf("make report of %s: %w", dir, err)
	}
	if err := summary.Table(out, inColour(out)); err != nil {
		return err
	}
	path, err := filepath.Abs(filepath.Join(dir, report.ReportFile))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\nreport: %s\n", path)
	return err
}
