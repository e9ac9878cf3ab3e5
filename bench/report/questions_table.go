package report

import (
	"fmt"
	"strings"

	"supernode/bench/plan"
	"supernode/bench/report/page"
	"supernode/bench/stat"
)

func (s Summary) newSection(section *page.Section) bool {
	c, ok := s.compare(plan.On, plan.Off, plan.Fresh, cpuMetric)
	if !ok {
		return false
	}
	section.Answer, section.Tag = s.newSentence(c), string(c.Verdict)
	table := page.Table{Caption: "What tracking adds to a query, CPU time in ns",
		Head: []string{"queries", "off, ns/query", "on, ns/query", "difference", "interval", "change", "verdict"}}
	for _, flows := range s.Plan.Patterns {
		c, ok := s.compare(plan.On, plan.Off, flows, cpuMetric)
		if !ok {
			continue
		}
		within := ""
		if c.N >= stat.MinValues {
			within = fmt.Sprintf("%s to %s", signed(c.DeltaLo), signed(c.DeltaHi))
		}
		table.Rows = append(table.Rows, []string{flowsName(flows), only(s.arm(plan.Off, flows).CPU, Group), only(s.arm(plan.On, flows).CPU, Group),
			signed(c.Delta), within, change(c.Ratio), string(c.Verdict)})
	}
	section.Body = []page.Block{
		page.Text("A query from a flow that has no entry makes the kernel allocate one, enter it into the table twice, once for each " +
			"direction, and free it later; a query from a known flow makes it find the entry."),
		page.Figures{{Caption: "What tracking adds to a query", Chart: addedChart(s)}},
		table,
	}
	return true
}

func (s Summary) raisedSection(section *page.Section) bool {
	c, ok := s.compare(plan.Raised, plan.On, s.mainFlows(), cpuMetric)
	for _, flows := range s.patterns() {
		if ok {
			break
		}
		c, ok = s.compare(plan.Raised, plan.On, flows, cpuMetric)
	}
	if !ok {
		return false
	}
	section.Answer, section.Tag = s.raisedSentence(c), string(c.Verdict)
	section.Body = []page.Block{
		page.Text("The table is filled with entries of others until there is just room for the measured flows. More entries on as many " +
			"buckets make longer chains, and more of them do not fit the processor's caches."),
		page.Figures{{Caption: "A long table against a short one: CPU time", Chart: againstChart(s, plan.Raised, plan.On, cpuMetric)}},
		s.againstTable("A long table against a short one", [][2]plan.Arm{{plan.Raised, plan.On}}),
	}
	return true
}

func (s Summary) cureSection(section *page.Section) bool {
	c, ok := s.compare(plan.Notrack, plan.Off, s.mainFlows(), cpuMetric)
	if !ok {
		return false
	}
	section.Answer, section.Tag = s.cureSentence(c), string(c.Verdict)
	section.Body = []page.Block{
		page.Text("The port is exempted on the way in and out (`notrack`); everything else stays tracked. `supernode doctor --fix notrack` " +
			"does it. What remains is the price of the rules that exempt."),
		page.Figures{{Caption: "The exempted port against no tracking at all", Chart: againstChart(s, plan.Notrack, plan.Off, cpuMetric)}},
		s.againstTable("The exempted port", [][2]plan.Arm{{plan.Notrack, plan.Off}, {plan.Notrack, plan.On}}),
	}
	return true
}

// againstTable shows CPU time and median latency of pairs of arms in every pattern.
func (s Summary) againstTable(caption string, pairs [][2]plan.Arm) page.Table {
	t := page.Table{Caption: caption, Head: []string{"arm", "flows", "measure", "change", s.confidence() + " interval", "verdict"}}
	for _, pair := range pairs {
		for _, flows := range s.Plan.Patterns {
			for _, metric := range []string{cpuMetric, p50Metric, answersMetric} {
				if c, ok := s.compare(pair[0], pair[1], flows, metric); ok {
					t.Rows = append(t.Rows, []string{fmt.Sprintf("`%s` against `%s`", pair[0], pair[1]), string(flows), metricTitle(metric),
						change(c.Ratio), interval(c), string(c.Verdict)})
				}
			}
		}
	}
	return t
}

func (s Summary) fullSection(section *page.Section) bool {
	table, arms := s.fullTable()
	if len(s.Curves) == 0 && !arms {
		return false
	}
	if len(s.Curves) > 0 {
		c := s.Curves[0]
		section.Answer, section.Tag = curveSentence(c), "fills"
		if c.FullS == 0 {
			section.Tag = "did not fill"
		}
		section.Body = append(section.Body, page.Figures{
			{Caption: "Entries in the table", Chart: entriesChart(c)},
			{Caption: "Queries that got an answer", Chart: answeredChart(c)},
			{Caption: "What the kernel counted", Chart: droppedChart(c)},
		}, curveTable(s.Curves), page.List(curveNotes(c)))
		if len(c.LogLines) > 0 {
			section.Body = append(section.Body, page.Text("The kernel log said:"), page.Code(strings.Join(c.LogLines, "\n")))
		}
	}
	if arms {
		if section.Answer == "" {
			section.Answer = s.fullSentence()
		}
		section.Body = append(section.Body, page.Text("Arm `full`: the table is filled to its limit with entries that the kernel does not evict, "+
			"then queries of flows without an entry are sent at the fixed rate."), table)
	}
	return true
}

// fullTable is what the fixed measure shows of a full table.
func (s Summary) fullTable() (t page.Table, any bool) {
	t = page.Table{Caption: "With the table full", Head: []string{"flows", "queries lost", "drop", "loss explained by drop", "CPU, ns/query offered", "with room (`on`)", "without tracking (`off`)"}}
	for _, flows := range s.Plan.Patterns {
		a := s.arm(plan.Filled, flows)
		if a.LossRatio == nil {
			continue
		}
		explained := "–"
		if a.LossExplained != nil {
			explained = part(*a.LossExplained)
		}
		t.Rows = append(t.Rows, []string{flowsName(flows), part(*a.LossRatio), Group(float64(a.Conntrack.Drop)), explained, withSpan(a.OfferedCPU, Group),
			only(s.arm(plan.On, flows).OfferedCPU, Group), only(s.arm(plan.Off, flows).OfferedCPU, Group)})
	}
	return t, len(t.Rows) > 0
}

// fullSentence is for a run that has the arm but no curve.
func (s Summary) fullSentence() string {
	for _, flows := range s.patterns() {
		if a := s.arm(plan.Filled, flows); a.LossRatio != nil {
			return fmt.Sprintf("With the table full, %s of the queries got no answer, %s.", part(*a.LossRatio), s.workload(flows))
		}
	}
	return ""
}

// newSentence sets what tracking costs a query of a new flow beside what it costs one of a known flow.
func (s Summary) newSentence(c Comparison) string {
	known, ok := s.compare(plan.On, plan.Off, plan.Many, cpuMetric)
	sameRate := s.Plan.RateOf(plan.Fresh) == s.Plan.RateOf(plan.Many) // else the rate, too, is in what lies between the two
	if c.Verdict != stat.Slower || !ok || known.Verdict == stat.Inconclusive || !sameRate {
		return s.cpuSentence(c)
	}
	return fmt.Sprintf("A query from a new flow costs %s more CPU time with connection tracking (%s interval %s to %s; %s ns), one of %s known flows %s ns, both at %s queries/s.",
		percent(c.Ratio), s.confidence(), percent(c.Lo), percent(c.Hi), signed(c.Delta), Group(float64(plan.Many.Flows())), signed(known.Delta),
		Group(float64(s.Plan.RateOf(plan.Fresh))))
}

// raisedSentence says what a long table costs, c being raised against on.
func (s Summary) raisedSentence(c Comparison) string {
	load := s.workload(c.Flows)
	entries := Group(float64(s.arm(plan.Raised, c.Flows).Conntrack.Entries))
	interval := fmt.Sprintf("%s interval %s; %s ns", s.confidence(), span(c.Lo, c.Hi), signed(c.Delta))
	switch c.Verdict {
	case stat.Slower:
		return fmt.Sprintf("With %s entries in the table a tracked query costs %s more CPU time than with its own flows alone (%s), %s.", entries, percent(c.Ratio), interval, load)
	case stat.Faster:
		return fmt.Sprintf("With %s entries in the table a tracked query takes %s less CPU time than with its own flows alone (%s), %s: "+
			"that is not to be expected, so look for its cause before quoting this.", entries, percent(c.Ratio), interval, load)
	case stat.NoDifference:
		return fmt.Sprintf("With %s entries in the table a tracked query costs no more CPU time than with its own flows alone that this run could show: "+
			"the change is %s (%s), and more than %.1f %% either way is ruled out, %s.", entries, change(c.Ratio), interval, bound(c), load)
	}
	return fmt.Sprintf("This run cannot say what a long table costs a tracked query, %s: %s.", load, c.Reason)
}
