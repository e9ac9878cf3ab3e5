package report

import (
	"fmt"
	"strings"

	"supernode/bench/plan"
	"supernode/bench/report/page"
	"supernode/bench/stat"
)

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

		maxQPSMetric: "highest rate, 0.1 % lost", maxQPS05Metric: "highest rate, 0.5 % lost",
		p50Metric + "_load25": "latency at a quarter load, median", p99Metric + "_load25": "latency at a quarter load, p99",
		p50Metric + "_load50": "latency at half load, median", p99Metric + "_load50": "latency at half load, p99",
		p50Metric + "_load75": "latency at three quarters' load, median", p99Metric + "_load75": "latency at three quarters' load, p99",
	}
	if t, ok := titles[name]; ok {
		return t
	}
	return name
}

// table makes a table with a row for each arm.
func table(caption string, head []string, arms []Arm, row func(Arm) []string) page.Table {
	t := page.Table{Caption: caption, Head: append([]string{"arm"}, head...)}
	for _, a := range arms {
		t.Rows = append(t.Rows, append([]string{"`" + string(a.Arm) + "`"}, row(a)...))
	}
	return t
}

func (s Summary) cpuTable(flows plan.Pattern, arms []Arm) page.Table {
	head := []string{"ns/query", "against off", s.confidence() + " interval", "ns", "p", "verdict", "lost"}
	return table("CPU time per answered query, "+s.workload(flows), head, arms, func(a Arm) []string {
		row, lost := []string{withSpan(a.CPU, Group)}, "–"
		if a.LossRatio != nil {
			lost = part(*a.LossRatio)
		}
		c, ok := s.compare(a.Arm, plan.Off, flows, cpuMetric)
		if !ok {
			return append(row, "", "", "", "", "", lost)
		}
		return append(row, change(c.Ratio), interval(c), signed(c.Delta), pValue(c.P), string(c.Verdict), lost)
	})
}

func (s Summary) splitTable(flows plan.Pattern, arms []Arm) page.Table {
	delta := func(a Arm, metric string) string {
		c, ok := s.compare(a.Arm, plan.Off, flows, metric)
		if !ok {
			return ""
		}
		return fmt.Sprintf("%s (%s)", signed(c.Delta), c.Verdict)
	}
	head := []string{"server's thread, ns", "against off", "receive thread, ns", "against off", "entries", "drop", "early_drop", "insert_failed"}
	return table("Where it arises, and what the table of connections counted: "+flowsName(flows), head, arms, func(a Arm) []string {
		k := a.Conntrack
		return []string{withSpan(a.Server, Group), delta(a, serverMetric), withSpan(a.NAPI, Group), delta(a, napiMetric),
			Group(float64(k.Entries)), Group(float64(k.Drop)), Group(float64(k.EarlyDrop)), Group(float64(k.InsertFailed))}
	})
}

// counterTable is there only on a machine that lets hardware events be counted.
func (s Summary) counterTable(flows plan.Pattern, arms []Arm) (page.Table, bool) {
	counted := false
	t := table("Hardware events per query, "+flowsName(flows), []string{"cycles", "instructions", "cache misses"}, arms, func(a Arm) []string {
		if a.Counters == nil {
			return []string{"–", "–", "–"}
		}
		counted = true
		return []string{withSpan(a.Counters.Cycles, Group), withSpan(a.Counters.Instructions, Group), withSpan(a.Counters.CacheMisses, micros)}
	})
	return t, counted
}

func (s Summary) latencyTable(flows plan.Pattern, arms []Arm) page.Table {
	head := []string{"p50", "p90", "p99", "p99.9", "p99.99", "p50 against off", "p99 against off"}
	return table("Latency in µs, "+s.workload(flows), head, arms, func(a Arm) []string {
		l := a.Latency
		row := []string{withSpan(l.P50, micros), only(l.P90, micros), withSpan(l.P99, micros), only(l.P999, micros), only(l.P9999, micros)}
		for _, m := range []string{p50Metric, p99Metric} {
			cell := ""
			if c, ok := s.compare(a.Arm, plan.Off, flows, m); ok {
				cell = fmt.Sprintf("%s (%s)", change(c.Ratio), c.Verdict)
			}
			row = append(row, cell)
		}
		return row
	})
}

// loadTable has a row for each arm and load.
func (s Summary) loadTable(flows plan.Pattern, arms []Arm) page.Table {
	t := page.Table{Caption: "Latency in µs by load, " + flowsName(flows),
		Head: []string{"arm", "load", "queries/s", "p50", "p90", "p99", "p99.9", "p99.99", "p50 against off", "p99 against off"}}
	for _, a := range arms {
		for _, load := range a.Loads {
			l := load.Latency
			row := []string{"`" + string(a.Arm) + "`", fmt.Sprintf("%.0f %%", 100*load.Share), only(load.OfferedQPS, Group),
				withSpan(l.P50, micros), only(l.P90, micros), withSpan(l.P99, micros), only(l.P999, micros), only(l.P9999, micros)}
			for _, m := range []string{p50Metric, p99Metric} {
				cell := ""
				if c, ok := s.compare(a.Arm, plan.Off, flows, fmt.Sprintf("%s_load%.0f", m, 100*load.Share)); ok {
					cell = fmt.Sprintf("%s (%s)", change(c.Ratio), c.Verdict)
				}
				row = append(row, cell)
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

func (s Summary) throughputTable(flows plan.Pattern, arms []Arm) page.Table {
	head := []string{"answers/s", "against off", s.confidence() + " interval", "p", "server's core busy", "verdict"}
	return table("Answers a second, flat out, "+flowsName(flows), head, arms, func(a Arm) []string {
		busy := "–"
		if a.ServerBusy != nil {
			busy = fmt.Sprintf("%.0f %%", 100*a.ServerBusy.Median)
		}
		if a.Limited {
			busy += ", generator-limited"
		}
		row := []string{withSpan(a.AnswersPerS, Group)}
		c, ok := s.compare(a.Arm, plan.Off, flows, answersMetric)
		if !ok {
			return append(row, "", "", "", busy, "")
		}
		return append(row, change(c.Ratio), interval(c), pValue(c.P), busy, atLeast(c))
	})
}

func (s Summary) highestTable(flows plan.Pattern, arms []Arm) page.Table {
	head := []string{"≤ 0.1 % lost", "against off", "verdict", "≤ 0.5 % lost", "against off", "verdict"}
	return table("Highest rate in queries/s, "+flowsName(flows), head, arms, func(a Arm) []string {
		var row []string
		for _, m := range []struct {
			name string
			e    *stat.Estimate
		}{{maxQPSMetric, a.MaxQPS}, {maxQPS05Metric, a.MaxQPS05}} {
			text := withSpan(m.e, Group)
			if a.MaxLimited && m.e != nil {
				text = "≥ " + text
			}
			row = append(row, text)
			if c, ok := s.compare(a.Arm, plan.Off, flows, m.name); ok {
				row = append(row, strings.TrimSpace(change(c.Ratio)+" "+bracketed(interval(c))), atLeast(c))
			} else {
				row = append(row, "", "")
			}
		}
		return row
	})
}

// interval is that of a comparison's ratio, nothing if there are too few pairs for one.
func interval(c Comparison) string {
	if c.N < stat.MinValues {
		return ""
	}
	return span(c.Lo, c.Hi)
}

func bracketed(text string) string {
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}

// atLeast is the verdict in words, with what qualifies it.
func atLeast(c Comparison) string {
	if c.AtLeast {
		return string(c.Verdict) + ", at least"
	}
	return string(c.Verdict)
}
