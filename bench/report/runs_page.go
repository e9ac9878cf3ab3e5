package report

import (
	"fmt"
	"io"
	"strings"

	"supernode/bench/report/page"
	"supernode/bench/report/plot"
	"supernode/bench/stat"
)

// figure writes a value of a metric.
func figure(metric string) func(float64) string {
	if strings.HasPrefix(metric, "latency_us") {
		return micros
	}
	return Group
}

// metricUnit is what a metric counts.
func metricUnit(metric string) string {
	switch {
	case strings.HasPrefix(metric, "latency_us"):
		return "µs"
	case strings.HasSuffix(metric, "_ns_per_query"):
		return "ns"
	}
	return "/s"
}

func ratioText(j judged) string { return fmt.Sprintf("%.3f [%.3f, %.3f]", j.Ratio, j.Lo, j.Hi) }

// verdictText is a verdict, and that it is a lower bound if it is one.
func verdictText(j judged) string {
	if j.AtLeast {
		return string(j.Verdict) + ", at least"
	}
	return string(j.Verdict)
}

func effectText(e stat.Estimate) string {
	return fmt.Sprintf("%s [%+.1f, %+.1f]", change(e.Median), 100*(e.Lo-1), 100*(e.Hi-1))
}

// Table writes the comparison for a terminal: effects first, as they carry further, then figures, facts that differ and
// warnings.
func (r Runs) Table(w io.Writer, colour bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "A: %s\nB: %s\n\n", r.A.Name, r.B.Name)
	for _, f := range r.Facts {
		if f.Differs {
			fmt.Fprintf(&b, "differs: %s: %s | %s\n", f.Name, known(f.A), known(f.B))
		}
	}
	b.WriteByte('\n')
	effects := [][]cellText{headings("flows", "effect on", "arm", "in A", "in B", "B/A [interval]", "verdict")}
	for _, e := range r.Effects {
		effects = append(effects, []cellText{{text: string(e.Flows)}, {text: metricTitle(e.Metric)}, {text: string(e.Arm)},
			{text: effectText(e.A)}, {text: effectText(e.B)}, {text: ratioText(e.judged)}, {string(e.Verdict), verdictColour[e.Verdict]}})
	}
	layOut(&b, effects, colour, 0, 1, 2, 6)
	b.WriteByte('\n')
	figures := [][]cellText{headings("flows", "figure", "arm", "A", "B", "", "B/A [interval]", "verdict")}
	for _, f := range r.Figures {
		figures = append(figures, []cellText{{text: string(f.Flows)}, {text: metricTitle(f.Metric)}, {text: string(f.Arm)},
			{text: figure(f.Metric)(f.A.Median)}, {text: figure(f.Metric)(f.B.Median)}, {text: metricUnit(f.Metric)},
			{text: ratioText(f.judged)}, {verdictText(f.judged), verdictColour[f.Verdict]}})
	}
	layOut(&b, figures, colour, 0, 1, 2, 5, 7)
	b.WriteByte('\n')
	for i, answer := range r.Answers {
		if i == 0 {
			answer = paint(answer, bold, colour)
		}
		b.WriteString(answer + "\n")
	}
	for _, text := range r.Warnings {
		b.WriteString(paint("warning", yellow, colour) + ": " + text + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func known(text string) string {
	if text == "" {
		return "not known"
	}
	return text
}

// Markdown writes the comparison for a pull request.
func (r Runs) Markdown(w io.Writer) error { return r.Page().Markdown(w) }

// HTML writes it as one file.
func (r Runs) HTML(w io.Writer) error { return r.Page().HTML(w) }

// Page lays the comparison out.
func (r Runs) Page() page.Page {
	p := page.Page{Title: "Two runs compared", Lead: fmt.Sprintf("A is `%s`, B is `%s`.", r.A.Name, r.B.Name), Warnings: r.Warnings}
	p.Sections = []page.Section{r.effectsSection(), r.figuresSection(), r.factsSection()}
	return p
}

func (r Runs) effectsSection() page.Section {
	section := page.Section{ID: "effects", Heading: "Does tracking cost the same in both?"}
	t := page.Table{Caption: "Effects of the arms against off, within each run", Head: []string{"arm", "flows", "effect on", "in A", "in B", "B/A", "verdict"}}
	chart := plot.Effects{Title: "Effect on CPU time of a query against off, in A and in B", Unit: "change against off, per cent"}
	var told []string
	for _, e := range r.Effects {
		t.Rows = append(t.Rows, []string{"`" + string(e.Arm) + "`", string(e.Flows), metricTitle(e.Metric), effectText(e.A), effectText(e.B), ratioText(e.judged), string(e.Verdict)})
		if e.Metric != cpuMetric {
			continue
		}
		for i, x := range []stat.Estimate{e.A, e.B} {
			name := fmt.Sprintf("%s, %s, in %s", e.Arm, flowsShort(e.Flows), [2]string{"A", "B"}[i])
			chart.Rows = append(chart.Rows, plot.Effect{Label: name, Style: plot.Style(4 - 2*i), Text: change(x.Median),
				Value: inPercent(x.Median, x.Lo, x.Hi, x.N)})
			told = append(told, fmt.Sprintf("%s: %s, interval %s", name, change(x.Median), span(x.Lo, x.Hi)))
		}
	}
	chart.Desc = strings.Join(told, ". ") + "."
	if e, ok := r.effectOf("on", cpuMetric); ok {
		section.Answer, section.Tag = r.effectSentence(e), string(e.Verdict)
	}
	if len(r.Answers) > 1 {
		section.Body = append(section.Body, page.List(r.Answers[1:]))
	}
	if len(chart.Rows) > 0 {
		section.Body = append(section.Body, page.Figures{{Caption: "Change of the CPU time of a query", Chart: chart}})
	}
	section.Body = append(section.Body, page.Text("An effect is the ratio of an arm to its base within a block of one run; what differs between the two "+
		"runs besides it falls on both sides of that ratio. “Slower” says that the arm costs more in B than in A."), t)
	return section
}

func (r Runs) figuresSection() page.Section {
	section := page.Section{ID: "figures", Heading: "How do the figures themselves compare?"}
	t := page.Table{Caption: "Medians with intervals, and B/A", Head: []string{"arm", "flows", "figure", "A", "B", "unit", "B/A", "verdict"}}
	for _, f := range r.Figures {
		write := figure(f.Metric)
		t.Rows = append(t.Rows, []string{"`" + string(f.Arm) + "`", string(f.Flows), metricTitle(f.Metric), withSpan(&f.A, write), withSpan(&f.B, write), metricUnit(f.Metric),
			ratioText(f.judged), verdictText(f.judged)})
		if section.Answer == "" && f.Arm == "off" && f.Metric == cpuMetric {
			section.Answer, section.Tag = r.baselineSentence(f), string(f.Verdict)
		}
	}
	section.Body = []page.Block{page.Text("The trials of the two runs were not made in turns. So whatever else differed between them, a neighbour on the host, " +
		"a clock speed, the weather, is in these ratios: they say that the runs differ, not why."), t}
	return section
}

func (r Runs) factsSection() page.Section {
	section := page.Section{ID: "facts", Heading: "In what do the runs differ?"}
	t := page.Table{Caption: "Facts side by side", Head: []string{"fact", "A", "B", "differs"}, Words: true}
	var differing []string
	t.Rows = append(t.Rows, []string{"directory", r.A.Name, r.B.Name, ""}, []string{"verdict", r.A.Verdict, r.B.Verdict, ""})
	for _, f := range r.Facts {
		mark := ""
		if f.Differs {
			mark = "differs"
			differing = append(differing, f.Name)
		}
		t.Rows = append(t.Rows, []string{f.Name, known(f.A), known(f.B), mark})
	}
	section.Answer = "In nothing that is known."
	if len(differing) > 0 {
		section.Answer = "In " + strings.Join(differing, ", ") + "."
	}
	section.Body = []page.Block{t, page.Text("The commands:"), page.Code(strings.Join(r.A.Command, " ") + "\n" + strings.Join(r.B.Command, " "))}
	return section
}
