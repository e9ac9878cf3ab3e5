package report

import (
	"fmt"
	"strings"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/report/plot"
	"supernode/bench/stat"
)

// styleOf gives an arm its look in every plot.
var styleOf = map[plan.Arm]plot.Style{plan.Off: 0, plan.Control: 1, plan.On: 2, plan.Notrack: 3, plan.Raised: 4, plan.Filled: 5}

// value draws an estimate, with its interval if there are enough values for one.
func value(e *stat.Estimate) plot.Value {
	if e.Bounded() {
		return plot.Value{V: e.Median, Lo: e.Lo, Hi: e.Hi}
	}
	return plot.Value{V: e.Median}
}

// percentileChart shows how latency is spread, arm by arm.
func percentileChart(s Summary, flows plan.Pattern, arms []Arm) plot.Chart {
	names := []string{"p50", "p90", "p99", "p99.9", "p99.99"}
	l := plot.Lines{Title: "Latency by percentile, " + s.workload(flows), X: "percentile", Y: "latency, µs (logarithmic)", Log: true}
	var told []string
	for _, a := range arms {
		series := plot.Series{Name: string(a.Arm), Style: styleOf[a.Arm]}
		for i, e := range []*stat.Estimate{a.Latency.P50, a.Latency.P90, a.Latency.P99, a.Latency.P999, a.Latency.P9999} {
			if e != nil {
				series.Points = append(series.Points, plot.Point{X: float64(i), Value: value(e)})
				l.Categories = names[:max(i+1, len(l.Categories))]
			}
		}
		l.Series = append(l.Series, series)
		told = append(told, fmt.Sprintf("%s: median %s µs, 99th percentile %s µs", a.Arm, only(a.Latency.P50, micros), only(a.Latency.P99, micros)))
	}
	l.Desc = strings.Join(told, ". ") + "."
	return l
}

func p50(l Latency) *stat.Estimate { return l.P50 }
func p99(l Latency) *stat.Estimate { return l.P99 }

// loadChart shows one percentile over the load.
func loadChart(s Summary, arms []Arm, what string, of func(Latency) *stat.Estimate) plot.Chart {
	l := plot.Lines{
		Title: "Latency by load, " + what, X: "share of the baseline's highest rate", Y: "latency, µs (logarithmic)", Log: true,
		Desc: "One line an arm. The figures are in the table below.",
	}
	for _, load := range arms[0].Loads {
		l.Categories = append(l.Categories, fmt.Sprintf("%.0f %%", 100*load.Share))
	}
	for _, a := range arms {
		series := plot.Series{Name: string(a.Arm), Style: styleOf[a.Arm]}
		for i, load := range a.Loads {
			if e := of(load.Latency); e != nil && i < len(l.Categories) {
				series.Points = append(series.Points, plot.Point{X: float64(i), Value: value(e)})
			}
		}
		l.Series = append(l.Series, series)
	}
	return l
}

// cpuChart shows the CPU time of a query and who spends it.
func cpuChart(s Summary, flows plan.Pattern, arms []Arm) plot.Chart {
	b := plot.Bars{
		Title: "CPU time per answered query, " + s.workload(flows), Unit: "CPU time, ns a query",
		Parts: []string{"server's thread (send)", "receive thread (NAPI)"},
	}
	var told []string
	for _, a := range arms {
		row := plot.Bar{Label: string(a.Arm), Style: styleOf[a.Arm], Value: value(a.CPU), Text: Group(a.CPU.Median)}
		if a.Server != nil && a.NAPI != nil {
			row.Parts = []float64{a.Server.Median, a.NAPI.Median}
		}
		b.Rows = append(b.Rows, row)
		told = append(told, fmt.Sprintf("%s: %s ns", a.Arm, Group(a.CPU.Median)))
	}
	b.Desc = strings.Join(told, ", ") + "."
	return b
}

// rateChart shows how much each arm gets through. What the generator limited is marked as a lower bound.
func rateChart(s Summary, arms []Arm, unit string, of func(Arm) (e *stat.Estimate, limited bool)) plot.Chart {
	b := plot.Bars{Title: sentenceCase(unit) + " by arm", Unit: unit}
	var told []string
	for _, a := range arms {
		e, limited := of(a)
		if e == nil {
			continue
		}
		text := Group(e.Median)
		if limited {
			text = "≥ " + text
		}
		b.Rows = append(b.Rows, plot.Bar{Label: string(a.Arm), Style: styleOf[a.Arm], Value: value(e), Text: text})
		told = append(told, fmt.Sprintf("%s: %s", a.Arm, text))
	}
	b.Desc = strings.Join(told, ", ") + "."
	return b
}

// effectChart shows every arm of a pattern against the baseline in one metric, with the control's reach as a band.
func effectChart(s Summary, flows plan.Pattern, metric, what string) plot.Chart {
	e := plot.Effects{
		Title: what + " against the baseline, " + flowsName(flows), Unit: "change against off, per cent", Band: s.band(metric),
	}
	var told []string
	for _, a := range s.Arms {
		if c, ok := s.compare(a.Arm, plan.Off, flows, metric); ok && a.Flows == flows && a.Arm != plan.Filled {
			e.Rows = append(e.Rows, effect(string(a.Arm), c))
			told = append(told, fmt.Sprintf("%s: %s, interval %s, %s", a.Arm, change(c.Ratio), span(c.Lo, c.Hi), c.Verdict))
		}
	}
	e.Desc = strings.Join(told, ". ") + "."
	return e
}

// againstChart shows one arm against another in all patterns.
func againstChart(s Summary, arm, base plan.Arm, metric string) plot.Chart {
	e := plot.Effects{
		Title: fmt.Sprintf("%s of %s against %s", metricTitle(metric), arm, base), Unit: fmt.Sprintf("change against %s, per cent", base), Band: s.band(metric),
	}
	var told []string
	for _, flows := range s.Plan.Patterns {
		if c, ok := s.compare(arm, base, flows, metric); ok {
			e.Rows = append(e.Rows, effect(flowsShort(flows), c))
			told = append(told, fmt.Sprintf("%s: %s, interval %s, %s", flowsName(flows), change(c.Ratio), span(c.Lo, c.Hi), c.Verdict))
		}
	}
	e.Desc = strings.Join(told, ". ") + "."
	return e
}

func flowsShort(flows plan.Pattern) string {
	if flows == plan.Fresh {
		return "new flows"
	}
	return flowsName(flows)
}

// band is how far a metric's control reaches, in per cent.
func (s Summary) band(metric string) float64 {
	for _, c := range s.Controls {
		if c.Metric == metric && c.Lo > 0 {
			return 100 * stat.Reach(stat.Estimate{Lo: c.Lo, Hi: c.Hi})
		}
	}
	return 0
}

func effect(label string, c Comparison) plot.Effect {
	return plot.Effect{Label: label, Style: styleOf[c.Arm], Text: change(c.Ratio) + ", " + string(c.Verdict), Value: inPercent(c.Ratio, c.Lo, c.Hi, c.N)}
}

// inPercent is a ratio of n values as a change, with its interval if there are enough values for one.
func inPercent(ratio, lo, hi float64, n int) plot.Value {
	v := plot.Value{V: 100 * (ratio - 1)}
	if n >= stat.MinValues {
		v.Lo, v.Hi = 100*(lo-1), 100*(hi-1)
	}
	return v
}

// addedChart shows the nanoseconds that tracking adds to a query, pattern by pattern.
func addedChart(s Summary) plot.Chart {
	e := plot.Effects{Title: "CPU time that tracking adds to a query", Unit: "CPU time added, ns a query"}
	var told []string
	for _, flows := range s.Plan.Patterns {
		c, ok := s.compare(plan.On, plan.Off, flows, cpuMetric)
		if !ok {
			continue
		}
		v := plot.Value{V: c.Delta}
		if c.N >= stat.MinValues {
			v.Lo, v.Hi = c.DeltaLo, c.DeltaHi
		}
		e.Rows = append(e.Rows, plot.Effect{Label: flowsShort(flows), Style: styleOf[plan.On], Value: v, Text: signed(c.Delta) + " ns, " + string(c.Verdict)})
		told = append(told, fmt.Sprintf("%s: %s ns", flowsName(flows), signed(c.Delta)))
	}
	e.Desc = strings.Join(told, ", ") + "."
	return e
}

// curveStyles: new flows look like the arm whose table they fill, known ones like what is not yet hurt.
const (
	freshStyle = plot.Style(2)
	knownStyle = plot.Style(4)
	quietStyle = plot.Style(0)
)

func events(c record.Curve) []plot.Mark {
	var marks []plot.Mark
	for _, m := range []plot.Mark{
		{At: c.FullS, Name: "table full"}, {At: c.FilledS, Name: "all asked twice"}, {At: c.StopS, Name: "flood ends"}, {At: c.RecoveredS, Name: "new flows answered"},
	} {
		if m.At > 0 {
			marks = append(marks, m)
		}
	}
	return marks
}

// curveSeries draws one column of a curve's points.
func curveSeries(c record.Curve, name string, style plot.Style, of func(record.Point) (v float64, ok bool)) plot.Series {
	series := plot.Series{Name: name, Style: style, Bare: true}
	for _, p := range c.Points {
		if v, ok := of(p); ok {
			series.Points = append(series.Points, plot.Point{X: p.S, Value: plot.Value{V: v}})
		}
	}
	return series
}

func entriesChart(c record.Curve) plot.Chart {
	return plot.Lines{
		Title: "Entries in the connection table over time", Desc: curveSentence(c), X: "seconds since the start", Y: "entries",
		Limits: []plot.Mark{{At: float64(c.Limit), Name: "limit " + Group(float64(c.Limit))}}, Events: events(c),
		Series: []plot.Series{curveSeries(c, "entries", freshStyle, func(p record.Point) (float64, bool) { return float64(p.Entries), true })},
	}
}

func answeredChart(c record.Curve) plot.Chart {
	percent := func(answered, sent float64) (float64, bool) { return 100 * min(1, share(answered, sent)), sent > 0 }
	return plot.Lines{
		Title: "Share of the queries that got an answer, over time", Desc: curveSentence(c), X: "seconds since the start", Y: "answered, %", Top: 100, Events: events(c),
		Series: []plot.Series{
			curveSeries(c, "from new flows", freshStyle, func(p record.Point) (float64, bool) { return percent(p.NewAnswered, p.NewSentPerS) }),
			curveSeries(c, "from known flows", knownStyle, func(p record.Point) (float64, bool) { return percent(p.KnownAnswered, p.KnownSent) }),
		},
	}
}

func droppedChart(c record.Curve) plot.Chart {
	return plot.Lines{
		Title: "Drops and evictions that the kernel counted, over time", Desc: curveSentence(c), X: "seconds since the start", Y: "since the start", Events: events(c),
		Series: []plot.Series{
			curveSeries(c, "drop", freshStyle, func(p record.Point) (float64, bool) { return float64(p.Drop), true }),
			curveSeries(c, "early_drop", knownStyle, func(p record.Point) (float64, bool) { return float64(p.EarlyDrop), true }),
			curveSeries(c, "insert_failed", quietStyle, func(p record.Point) (float64, bool) { return float64(p.InsertFailed), true }),
		},
	}
}
