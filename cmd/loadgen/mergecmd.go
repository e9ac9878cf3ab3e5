package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// newMergeCommand builds "loadgen merge".
func newMergeCommand() *cobra.Command {
	var files outputFiles
	var hdr string
	var anyTarget bool
	cmd := &cobra.Command{
		Use:   "merge [flags] FILE...",
		Short: "Make one result of those of several generators",
		Long: `Make one result of those of several generators, which ran at the same time against the same target and wrote
them with --json. Counts and rates are summed, histograms merged exactly: no percentile is an average of percentiles.
With one file, it is written in another form.`,
		Example: `  loadgen merge a.json b.json c.json
  loadgen merge --json whole.json --benchfmt - a.json b.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOnStdout(files); err != nil {
				return err
			}
			if hdr != "" && filepath.Ext(hdr) != ".hgrm" {
				return fmt.Errorf("--hdr %s: must be called .hgrm, results hold no seconds to make an interval log of", hdr)
			}
			all, err := readAll(args, func(name string) ([]byte, error) {
				if name == "-" {
					return io.ReadAll(cmd.InOrStdin())
				}
				return os.ReadFile(name)
			})
			if err != nil {
				return err
			}
			r, warnings, err := mergeResults(all, anyTarget)
			if err != nil {
				return err
			}
			o, err := openOutputs(files, hdr, 0, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			warn(cmd.ErrOrStderr(), warnings)
			if err := o.write(r); err != nil {
				return err
			}
			if r.Sent > 0 && r.Answered == 0 {
				return neverAnswered(r)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&files.json, "json", "", "write the result as JSON to this file; -: to standard output, instead of the summary")
	f.StringVar(&files.csv, "csv", "", "write a row for each part of a profile and the whole to this file; -: to standard output")
	f.StringVar(&files.benchfmt, "benchfmt", "", "write the result to this file in the Go benchmark format; -: to standard output")
	f.StringVar(&hdr, "hdr", "", "write the percentiles to this .hgrm file")
	f.BoolVar(&anyTarget, "any-target", false, "merge results of different targets: they are one server by several addresses")
	return cmd
}
