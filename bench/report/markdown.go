package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"supernode/bench/plan"
)

// Markdown writes report.md: the answer first, then the control it rests on, the figures, the method
// and what else a reader needs to judge or repeat it.
func (s Summary) Markdown(w io.Writer) error {
	var d document
	d.Line("# What connection tracking costs this server")
	d.Line("")
	d.answer(s)
	d.control(s)
	for _, flows := range s.Plan.Patterns {
		d.pattern(s, flows)
	}
	d.method(s)
	d.Machine(s.Machine, s.Versions)
	d.notes(s)
	d.repeat(s)
	if _, err := io.WriteString(w, d.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// document is the report being written.
type document struct{ Document }

func (d *document) answer(s Summary) {
	d.Line("## Can connection tracking increase latency, or slow the server?")
	d.Line("")
	if s.Verdict == Inconclusive {
		d.Linef("**Verdict of the run: inconclusive.** %s. The figures below are what was measured; do not quote them.",
			sentenceCase(strings.Join(s.Reasons, "; ")))
		d.Line("")
	}
	if s.Unprivileged {
		d.Line("**Measured without root**, in a user namespace: the first of the notes says what that left out.")
		d.Line("")
	}
	for i, text := range s.Answers {
		if i == 0 {
			d.Linef("> %s", text)
			d.Line("")
			continue
		}
		d.Linef("- %s", text)
	}
	if len(s.Answers) > 1 {
		d.Line("")
	}
}

func sentenceCase(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func (d *document) control(s Summary) {
	d.Line("## The control")
	d.Line("")
	d.Line("The baseline is measured twice in every block, as `off` and as `control`. Whatever lies between the two is noise,")
	d.Linef("and no difference smaller than that is claimed. An interval that misses 1, or reaches beyond ±%.0f %% (latency: ±%.0f %%),",
		100*s.Rules.Control, 100*s.Rules.ControlLatency)
	d.Line("forbids verdicts; of sound runs about one in twenty is rejected this way by chance, and has to be made again.")
	d.Line("")
	var rows [][]string
	for _, c := range s.Controls {
		verdict := "good"
		if c.Problem != "" {
			verdict = c.Problem
		}
		rows = append(rows, []string{metricTitle(c.Metric), fmt.Sprintf("%.3f", c.Ratio),
			fmt.Sprintf("%.3f to %.3f", c.Lo, c.Hi), fmt.Sprint(c.N), verdict})
	}
	d.Table([]string{"control / off", "ratio", s.confidence() + " interval", "pairs", "judgement"}, rows)
}

// metricTitle is how people call a metric.
func metricTitle(name string) string {
	titles := map[string]string{
		cpuMetric:     "CPU time per query",
		serverMetric:  "server thread",
		napiMetric:    "receive work",
		p50Metric:     "latency, median",
		p99Metric:     "latency, p99",
		p999Metric:    "latency, p99.9",
		answersMetric: "answers/s",
	}
	if t, ok := titles[name]; ok {
		return t
	}
	return name
}

func (d *document) pattern(s Summary, flows plan.Pattern) {
	d.Linef("## %s flows (`%s`)", Group(float64(flows.Flows())), flows)
	d.Line("")
	fixed := slices.Contains(s.Plan.Measures(), plan.Fixed)
	if fixed {
		d.Linef("CPU time per answered query at %s queries/s, in nanoseconds, with %s intervals:",
			Group(float64(s.Plan.Rate)), s.confidence())
		d.Line("")
		d.cpuTable(s, flows)
		d.Line("Where it arises. The server's thread pays mostly for the send path (and the output hooks of the firewall), the")
		d.Line("receive thread of its interface (NAPI) for the receive path (and the hooks before and at input):")
		d.Line("")
		d.splitTable(s, flows)
		d.Line("Latency from the moment a query was due, at the same rate, in microseconds:")
		d.Line("")
		d.latencyTable(s, flows)
	}
	if slices.Contains(s.Plan.Measures(), plan.Max) {
		d.Linef("Flat out: %s queries outstanding, the next one sent when an answer comes.", Group(float64(s.Plan.Window)))
		d.Line("")
		d.throughputTable(s, flows)
	}
	d.Line("The table of connections, counters summed over the trials:")
	d.Line("")
	d.conntrackTable(s, flows)
}

// rows calls row for every arm measured with the pattern.
func rows(s Summary, flows plan.Pattern, row func(Arm) []string) [][]string {
	var out [][]string
	for _, a := range s.Arms {
		if a.Flows == flows {
			out = append(out, row(a))
		}
	}
	return out
}

func (d *document) cpuTable(s Summary, flows plan.Pattern) {
	d.Table([]string{"arm", "ns/query", "against off", "interval", "ns", "p", "verdict"}, rows(s, flows, func(a Arm) []string {
		row := []string{"`" + string(a.Arm) + "`", withSpan(a.CPU, Group)}
		c, ok := s.compare(a.Arm, plan.Off, flows, cpuMetric)
		if !ok {
			return append(row, "", "", "", "", "")
		}
		return append(row, change(c.Ratio), span(c.Lo, c.Hi), signed(c.Delta), pValue(c.P), string(c.Verdict))
	}))
}

func (d *document) splitTable(s Summary, flows plan.Pattern) {
	delta := func(a Arm, metric string) string {
		c, ok := s.compare(a.Arm, plan.Off, flows, metric)
		if !ok {
			return ""
		}
		return fmt.Sprintf("%s (%s)", signed(c.Delta), c.Verdict)
	}
	d.Table([]string{"arm", "server thread", "against off", "receive thread", "against off"}, rows(s, flows, func(a Arm) []string {
		return []string{"`" + string(a.Arm) + "`", withSpan(a.Server, Group), delta(a, serverMetric), withSpan(a.NAPI, Group), delta(a, napiMetric)}
	}))
}

func (d *document) latencyTable(s Summary, flows plan.Pattern) {
	d.Table([]string{"arm", "p50", "p90", "p99", "p99.9", "p99.99", "p50 against off", "p99 against off"}, rows(s, flows, func(a Arm) []string {
		l := a.Latency
		row := []string{"`" + string(a.Arm) + "`", withSpan(l.P50, micros), only(l.P90, micros), withSpan(l.P99, micros), only(l.P999, micros), only(l.P9999, micros)}
		for _, m := range []string{p50Metric, p99Metric} {
			cell := ""
			if c, ok := s.compare(a.Arm, plan.Off, flows, m); ok {
				cell = fmt.Sprintf("%s (%s)", change(c.Ratio), c.Verdict)
			}
			row = append(row, cell)
		}
		return row
	}))
}

func (d *document) throughputTable(s Summary, flows plan.Pattern) {
	d.Table([]string{"arm", "answers/s", "against off", "interval", "p", "server's core busy", "verdict"}, rows(s, flows, func(a Arm) []string {
		busy := "–"
		if a.ServerBusy != nil {
			busy = fmt.Sprintf("%.0f %%", 100*a.ServerBusy.Median)
		}
		if a.Limited {
			busy += ", generator-limited"
		}
		row := []string{"`" + string(a.Arm) + "`", withSpan(a.AnswersPerS, Group)}
		c, ok := s.compare(a.Arm, plan.Off, flows, answersMetric)
		if !ok {
			return append(row, "", "", "", busy, "")
		}
		verdict := string(c.Verdict)
		if c.AtLeast {
			verdict += ", at least"
		}
		return append(row, change(c.Ratio), span(c.Lo, c.Hi), pValue(c.P), busy, verdict)
	}))
}

func (d *document) conntrackTable(s Summary, flows plan.Pattern) {
	d.Table([]string{"arm", "trials", "entries at the end", "drop", "early_drop", "insert_failed", "queries lost"}, rows(s, flows, func(a Arm) []string {
		lost := "–"
		if a.LossRatio != nil {
			lost = part(*a.LossRatio)
		}
		k := a.Conntrack
		return []string{"`" + string(a.Arm) + "`", fmt.Sprint(a.Trials), Group(float64(k.Entries)), Group(float64(k.Drop)),
			Group(float64(k.EarlyDrop)), Group(float64(k.InsertFailed)), lost}
	}))
}
