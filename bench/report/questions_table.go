package report

import (
	"fmt"
	"strings"

	"supernode/bench/plan"
	"supernode/bench/record"
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

func curveTable(curves []record.Curve) page.Table {
	t := page.Table{Caption: "Fill curves", Head: []string{"run", "limit", "new flows/s", "full after", "new flows lost", "known flows lost", "drop", "early_drop", "answered again after", "bytes an entry"}}
	for _, c := range curves {
		known, fresh := lostWhileFull(c)
		last := c.Points[len(c.Points)-1]
		t.Rows = append(t.Rows, []string{fmt.Sprint(c.Run + 1), Group(float64(c.Limit)), Group(c.NewPerS), orDash(c.FullS, secondsOf), fresh.String(), known.String(),
			Group(float64(last.Drop)), Group(float64(last.EarlyDrop)), orDash(c.RecoveredS-c.StopS, secondsOf), orDash(c.EntryBytes, Group)})
	}
	return t
}

// orDash writes x, or a dash if it is not known.
func orDash(x float64, write func(float64) string) string {
	if x <= 0 {
		return "–"
	}
	return write(x)
}

func secondsOf(s float64) string { return fmt.Sprintf("%.1f s", s) }

// loss is what became of queries.
type loss struct{ sent, answered float64 }

// ratio is the share that was lost; answers that came late can make it seem less than nothing was.
func (l loss) ratio() float64 { return max(0, 1-share(l.answered, l.sent)) }

func (l loss) String() string {
	if l.sent == 0 {
		return "–"
	}
	return part(l.ratio())
}

// words is the same in a sentence.
func (l loss) words() string {
	if l.ratio() == 0 {
		return "none"
	}
	return l.String()
}

// lostWhileFull adds up what was sent and answered while every entry of the full table was assured, so that none could be
// evicted: from then on to the end of the flood.
func lostWhileFull(c record.Curve) (known, fresh loss) {
	if c.FullS == 0 {
		return
	}
	from := max(c.FullS, c.FilledS)
	before := 0.0
	for _, p := range c.Points {
		took := p.S - before
		before = p.S
		if p.S-took < from || p.S > c.StopS {
			continue
		}
		known.sent, known.answered = known.sent+p.KnownSent*took, known.answered+p.KnownAnswered*took
		fresh.sent, fresh.answered = fresh.sent+p.NewSentPerS*took, fresh.answered+p.NewAnswered*took
	}
	return known, fresh
}

// curveSentence says what a filling showed.
func curveSentence(c record.Curve) string {
	text := fmt.Sprintf("At %s new flows a second the table of %s entries", Group(c.NewPerS), Group(float64(c.Limit)))
	if c.Others > 0 {
		text += fmt.Sprintf(", %s of which were put in before,", Group(float64(c.Others)))
	}
	if c.FullS == 0 {
		return fmt.Sprintf("%s did not fill within %s.", text, secondsOf(c.StopS))
	}
	text += fmt.Sprintf(" was full after %s", secondsOf(c.FullS))
	known, fresh := lostWhileFull(c)
	since := "from then on"
	if c.FilledS > c.FullS {
		since = "once the flows in it had asked twice,"
	}
	switch {
	case fresh.sent > 0 && known.sent > 0:
		text += fmt.Sprintf("; %s %s of the queries from new flows were lost and %s of those from known ones", since, fresh.words(), known.words())
	case fresh.sent > 0:
		text += fmt.Sprintf("; %s %s of the queries from new flows were lost", since, fresh.words())
	}
	if c.RecoveredS <= 0 {
		return text + ", and new flows were not answered again while it was watched."
	}
	return text + fmt.Sprintf(", and new flows were answered again %s after the flood had ended.", secondsOf(c.RecoveredS-c.StopS))
}

// curveNotes are the facts that a filling rests on, and what follows from them.
func curveNotes(c record.Curve) []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if c.UnrepliedS > 0 {
		add("A flow that asks once keeps its entry for `nf_conntrack_udp_timeout`, here %g s (the kernel's default is 30 s); one that asks on for "+
			"more than two seconds for `nf_conntrack_udp_timeout_stream`, here %g s (default 120 s).", c.UnrepliedS, c.StreamS)
		add("So a table of %s entries holds %s new flows a second for good with these time-outs, and %s with the defaults.", Group(float64(c.Limit)),
			Group(float64(c.Limit)/c.UnrepliedS), Group(float64(c.Limit)/30))
	}
	add("Entries are evicted for new flows (`early_drop`) while they are not assured, which takes a flow that was answered and goes on after two " +
		"seconds. Against a crowd that asks once the table refuses little; against one that asks on it refuses all others (`drop`).")
	if c.EntryBytes > 0 {
		add("An entry took %s bytes of kernel memory, measured while the table filled: %s at the limit.", Group(c.EntryBytes), size(uint64(c.EntryBytes*float64(c.Limit))))
	}
	if c.LogReason != "" {
		add("What the kernel log said is not known: %s.", c.LogReason)
	} else if len(c.LogLines) == 0 {
		add("The kernel log said nothing.")
	}
	return notes
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
	if c.Verdict != stat.Slower || !ok || known.Verdict == stat.Inconclusive {
		return s.cpuSentence(c)
	}
	return fmt.Sprintf("A query from a new flow costs %s more CPU time with connection tracking (%s interval %s to %s; %s ns), one of %s known flows %s ns.",
		percent(c.Ratio), s.confidence(), percent(c.Lo), percent(c.Hi), signed(c.Delta), Group(float64(plan.Many.Flows())), signed(known.Delta))
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
