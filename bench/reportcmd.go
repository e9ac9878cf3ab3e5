package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"supernode/bench/generators"
	"supernode/bench/peers"
	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/internal/terminal"
)

// reportOptions are the flags of "bench report".
type reportOptions struct {
	json bool
	out  string
}

func reportCommand() *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "report DIR [OTHER]",
		Short: "Make the report of a run again from its records, or compare two runs; needs no root",
		Long: `report makes the report of a run again from its records: report.md, report.html, summary.json and bench.txt in DIR.

With two directories it compares runs of bench conntrack, of two kernels, two machines or two releases: every figure, and
what each arm changes against its base, in OTHER against DIR. It writes to neither directory.`,
		Example: `  bench report out/conntrack-20250301-120000
  bench report old new --out compared.html`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return usagef("report takes the DIR of a run, or two to compare, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			err := o.run(args, cmd.OutOrStdout())
			if errors.Is(err, fs.ErrNotExist) {
				return usageError{err}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON instead of a table: summary.json, or the comparison")
	cmd.Flags().StringVar(&o.out, "out", "", "`FILE` for the comparison of two runs, ending in .md or .html")
	return cmd
}

func (o reportOptions) run(args []string, out io.Writer) error {
	if len(args) == 2 {
		return o.compare(args[0], args[1], out)
	}
	other, isOther := otherRun(args[0])
	switch {
	case o.out != "":
		return usagef("--out: is for the comparison of two runs; the report of one is written to its DIR")
	case o.json && isOther:
		return usagef("--json: is for runs of bench conntrack; of %s, summary.json holds it", args[0])
	case isOther:
		return writeReport(args[0], out, other.report)
	case o.json:
		summary, err := report.Write(args[0])
		if err != nil {
			return fmt.Errorf("make report of %s: %w", args[0], err)
		}
		return summary.WriteJSON(out)
	}
	return writeReport(args[0], out, conntrackReport)
}

// otherRuns are the runs that bench conntrack did not make, by the file that holds their records.
var otherRuns = []runKind{
	{"bench peers", peers.FileName, peersReport},
	{"bench generators", generators.FileName, generatorsReport},
}

type runKind struct {
	name, file string
	report     func(dir string) (table, error)
}

// otherRun finds what made the records in dir, if it was not bench conntrack.
func otherRun(dir string) (runKind, bool) {
	i := slices.IndexFunc(otherRuns, func(k runKind) bool {
		file, err := record.Open(dir, k.file)
		if err == nil {
			file.Close()
		}
		return !errors.Is(err, fs.ErrNotExist) // one that cannot be read is there, too
	})
	if i < 0 {
		return runKind{}, false
	}
	return otherRuns[i], true
}

// compare sets the run in b beside that in a.
func (o reportOptions) compare(a, b string, out io.Writer) error {
	var runs [2]record.Run
	for i, dir := range []string{a, b} {
		if other, isOther := otherRun(dir); isOther {
			return usagef("%s holds a run of %s: only runs of bench conntrack can be set beside each other", dir, other.name)
		}
		var err error
		if runs[i], err = record.ReadDir(dir); err != nil {
			return fmt.Errorf("compare runs: %w", err)
		}
	}
	compared, err := report.CompareRuns(a, runs[0], b, runs[1])
	if err != nil {
		return fmt.Errorf("compare runs: %w", err)
	}
	if o.out != "" {
		write := map[string]func(io.Writer) error{".md": compared.Markdown, ".html": compared.HTML}[filepath.Ext(o.out)]
		if write == nil {
			return usagef("--out %s: must end in .md or .html", o.out)
		}
		if err := report.Replace(o.out, write); err != nil {
			return err
		}
	}
	if o.json {
		return compared.WriteJSON(out)
	}
	return compared.Table(out, terminal.Colour(out))
}

// table prints the figures of a run, for people.
type table = func(out io.Writer) error

// conntrackReport makes the report files of a run of bench conntrack.
func conntrackReport(dir string) (table, error) {
	summary, err := report.Write(dir)
	return func(out io.Writer) error { return summary.Table(out, terminal.Colour(out)) }, err
}

// writeReport has the report files in dir made, prints the table, and says where the files are.
func writeReport(dir string, out io.Writer, makeFiles func(dir string) (table, error)) error {
	print, err := makeFiles(dir)
	if err != nil {
		return fmt.Errorf("make report of %s: %w", dir, err)
	}
	if err := print(out); err != nil {
		return err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	for _, f := range []struct{ what, name string }{{"\nreport", report.ReportFile}, {"in a browser", report.HTMLFile}} {
		path := filepath.Join(dir, f.name)
		if _, err := os.Stat(path); err != nil {
			continue // only some runs have a page
		}
		if _, err := fmt.Fprintf(out, "%s: %s\n", f.what, path); err != nil {
			return err
		}
	}
	return nil
}
