package peers

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"supernode/bench/report"
	"supernode/bench/stat"
)

// Write makes the report of the run recorded in dir, in dir, replacing an earlier one.
func Write(dir string) (Summary, error) {
	run, err := ReadDir(dir)
	if err != nil {
		return Summary{}, err
	}
	s := Summarize(run)
	return s, errors.Join(
		report.Replace(filepath.Join(dir, report.SummaryFile), s.writeJSON),
		report.Replace(filepath.Join(dir, report.ReportFile), s.Markdown),
	)
}

func (s Summary) writeJSON(w io.Writer) error { return report.JSON(w, s) }

// Table writes the figures for a person at a terminal: what fits a line.
func (s Summary) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(cells ...string) { fmt.Fprintln(t, strings.Join(cells, "\t")+"\t") }
	for _, table := range s.Methods {
		line(string(table.Method), "answers/s [interval]", Subject+" ÷ it [interval]", "CPU ns", "busy", "bytes", "")
		for _, r := range table.Rows {
			c := methodCells(r)
			line(r.Server, c[1], c[2], middle(r.CPU, number), c[5], c[7], " "+c[10])
		}
		line()
	}
	if len(s.Latency) > 0 {
		line("half load", "queries/s", "p99.9: "+Subject+" ÷ it", "p50 µs", "p99 µs", "p99.9 µs", "")
		for _, r := range s.Latency {
			line(r.Server, number(r.Offered), estimate(r.P999Ratio, ratio), middle(r.P50, number), middle(r.P99, number), middle(r.P999, number), " "+strings.Join(r.Marks, "; "))
		}
		line()
	}
	if len(s.Overload) > 0 {
		line("overload", "offered/s", "answered, of best", "sent", "recovery", "")
		for _, r := range s.Overload {
			line(r.Server, number(r.Offered), estimate(r.Answers, percent), middle(r.Sent, percent), middle(r.Recovery, percent), " "+strings.Join(r.Marks, "; "))
		}
		line()
	}
	line("memory", "filled MiB", "end MiB", "nodes", "info_hashes", "announced")
	for _, f := range s.Servers {
		line(memoryCells(f)...)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for _, n := range s.Notes {
		if _, err := fmt.Fprintf(w, "note: %s\n", n); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
	}
	return nil
}

// none stands for what was not measured.
const none = "–"

func number(x float64) string { return report.Group(x) }

func ratio(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }

func percent(x float64) string {
	if x > 0 && x < 0.001 {
		return "<0.1 %"
	}
	return strconv.FormatFloat(100*x, 'f', 1, 64) + " %"
}

func estimate(e stat.Estimate, write func(float64) string) string {
	if !e.Bounded() {
		return middle(e, write)
	}
	return fmt.Sprintf("%s [%s, %s]", write(e.Median), write(e.Lo), write(e.Hi))
}

// bounded is an estimate of which no more than a limit may be known.
func bounded(b Bound, e stat.Estimate, write func(float64) string) string {
	text := estimate(e, write)
	if e.N == 0 || b == "" {
		return text
	}
	return string(b) + " " + text
}

func middle(e stat.Estimate, write func(float64) string) string {
	if e.N == 0 {
		return none
	}
	return write(e.Median)
}

func maybe(x *float64) string {
	if x == nil {
		return none
	}
	return number(*x)
}
