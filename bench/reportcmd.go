package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"supernode/bench/report"
)

func reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report DIR",
		Short: "Make the report of a run again from its records; needs no root",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("report takes one argument: the directory of a run")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeReport(args[0], cmd.OutOrStdout())
		},
	}
}

// writeReport makes the report files in dir and prints the table.
func writeReport(dir string, out io.Writer) error {
	summary, err := report.Write(dir)
	if err != nil {
		return fmt.Errorf("make report of %s: %w", dir, err)
	}
	if err := summary.Table(out, isTerminal(out)); err != nil {
		return err
	}
	path, err := filepath.Abs(filepath.Join(dir, report.ReportFile))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\nreport: %s\n", path)
	return err
}

// isTerminal says whether w is one, and colours are welcome on it (https://no-color.org).
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
