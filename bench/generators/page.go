package generators

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
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

var titles = map[Measure]string{
	Answers: "answered, in a closed loop",
	Loads:   "taken by the interface of a server that answers what it can",
	Sends:   "taken by the interface of a server that answers nothing",
}

var head = []string{"generator", "queries/s", "a core second", "ns of core a query", "its own", "its core", "server's core", "sent/s", "sent a core second", "dropped", "÷ mmsg", "÷ dnsperf", "÷ dnsperf's closed loop"}

func (s Summary) rows(m Measure) (rows [][]string) {
	for _, r := range s.Rows {
		if r.Measure == m {
			rows = append(rows, []string{label(r.Generator), spread(r.PerS), spread(r.PerCoreS), spread(r.NS), report.Group(r.Own.Median),
				percent(r.Core), percent(r.Server), spread(r.Sent), spread(r.SentCoreS), percent(r.Dropped), ratio(r.OverMmsg), ratio(r.OverDnsperf), ratio(r.OverClosed)})
		}
	}
	return rows
}

func label(generator string) string {
	switch generator {
	case Dnsperf:
		return Dnsperf
	case Control:
		return "loadgen --io mmsg, again"
	}
	return "loadgen --io " + generator
}

const nothing = "–"

func spread(e stat.Estimate) string { return interval(e, report.Group) }

// ratio is nothing without an interval: a comparison that cannot say how sure it is says nothing.
func ratio(e stat.Estimate) string {
	if !e.Bounded() {
		return nothing
	}
	return interval(e, func(x float64) string { return fmt.Sprintf("%.2f", x) })
}

func percent(e stat.Estimate) string {
	if e.N == 0 {
		return nothing
	}
	return fmt.Sprintf("%.0f %%", 100*e.Median)
}

func interval(e stat.Estimate, write func(float64) string) string {
	switch {
	case e.N == 0:
		return nothing
	case !e.Bounded():
		return write(e.Median)
	}
	return fmt.Sprintf("%s [%s, %s]", write(e.Median), write(e.Lo), write(e.Hi))
}

// Table writes the figures for a person at a terminal.
func (s Summary) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, m := range Measures() {
		if rows := s.rows(m); rows != nil {
			fmt.Fprintln(t, titles[m]+"\t"+strings.Join(head[1:], "\t")+"\t")
			for _, row := range rows {
				fmt.Fprintln(t, strings.Join(row, "\t")+"\t")
			}
			fmt.Fprintln(t, strings.Repeat("\t", len(head)))
		}
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	var b strings.Builder
	if said := s.Headline(); said != "" {
		b.WriteString(said + "\n")
	}
	for _, why := range s.Reasons {
		b.WriteString("inconclusive: " + why + "\n")
	}
	for _, n := range s.Notes {
		b.WriteString("note: " + n + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Markdown writes the report.
func (s Summary) Markdown(w io.Writer) error {
	var d report.Document
	d.Line("# Load generators side by side")
	d.Line("")
	d.Line("DNS queries over UDP from one core of the lab, to a null server on the other. A core second is a second of the")
	d.Line("generator's process and of its interface's receive work together, which share one core. Medians of")
	d.Linef("%s with %.0f %% intervals; ratios of queries a core second, in pairs of the same block.", report.Plural(s.Spec.Blocks, "block"), 100*rules.Confidence)
	d.Line("")
	if said := s.Headline(); said != "" {
		d.Line("**" + said + "**")
		d.Line("")
	}
	for _, why := range s.Reasons {
		d.Line("Inconclusive: " + why + ".")
		d.Line("")
	}
	for _, m := range Measures() {
		if rows := s.rows(m); rows != nil {
			d.Line("## Queries " + titles[m])
			d.Line("")
			d.Table(head, rows)
		}
	}
	d.Linef("loadgen speaks for %s hosts (with `--io net`, which has a socket for each, for %d), dnsperf for one. %d queries are outstanding",
		report.Group(float64(s.Spec.Flows)), netFlows, s.Spec.Window)
	d.Linef("in the closed loop, which is all the load that dnsperf makes; loadgen's is %s queries a second, of which it sends", report.Group(floodRate))
	d.Line("what it can. Dropped are those that found the ring of the server's interface full: they had been sent, but loaded no")
	d.Line("server, and queries/s, what follows from it and the ratios are without them. dnsperf is compared in the closed loop alone:")
	d.Line("where an open loop is measured it does its closed one once more, which is another question. The last column sets")
	d.Line("generators beside that all the same: as much as it sends in its closed loop dnsperf sends at most, and it has the answers")
	d.Line("to receive.")
	d.Line("")
	if len(s.Notes) > 0 {
		d.Line("## Notes")
		d.Line("")
		for _, n := range s.Notes {
			d.Linef("- %s", strings.ReplaceAll(n, "\n", " "))
		}
		d.Line("")
	}
	d.Machine(s.Machine, s.Versions)
	d.Line("## Repeat it")
	d.Line("")
	d.Linef("Measured %s with:", s.Started.UTC().Format("2006-01-02 15:04 UTC"))
	d.Line("")
	d.Linef("    %s", strings.Join(s.Command, " "))
	d.Line("")
	d.Linef("`--seed %d` gives the same order of trials. `bench report DIR` makes this page from `%s` again, without root.", s.Spec.Seed, FileName)
	if _, err := io.WriteString(w, d.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
