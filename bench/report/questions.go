package report

import (
	"fmt"
	"strings"

	"supernode/bench/plan"
	"supernode/bench/report/page"
	"supernode/bench/stat"
)

// question is what an operator asks. A section is filled only from what was measured: fill says whether anything was.
type question struct {
	id, heading string
	missing     string // what is not there without its section, and how to get it
	fill        func(Summary, *page.Section) bool
}

// questions are in the order in which they have been asked since 2014 (docs/conntrack.md).
var questions = []question{
	{"latency", "Does connection tracking add latency?", "latency (an arm `on`, and time for the fixed measure)", Summary.latencySection},
	{"cpu", "What does it cost in CPU time?", "CPU time (an arm `on`, and time for the fixed measure)", Summary.cpuSection},
	{"throughput", "What does it cost in throughput?", "throughput (a full run, without `--quick`)", Summary.throughputSection},
	{"new-flows", "What does a new flow cost?", "new flows (`--flows new`)", Summary.newSection},
	{"full", "When does the table fill, and what is lost then?", "a full table (arm `full`, fill curves)", Summary.fullSection},
	{"raised", "Does a longer table cost?", "a longer table (arm `raised`)", Summary.raisedSection},
	{"cures", "What does the usual cure leave?", "the cure (arm `notrack`)", Summary.cureSection},
}

// Page lays the report out: the answers, then what they rest on.
func (s Summary) Page() page.Page {
	p := page.Page{Title: "What connection tracking costs this server"}
	if len(s.Answers) > 0 {
		p.Lead = s.Answers[0]
	}
	if s.Verdict == Inconclusive {
		p.Warnings = append(p.Warnings, "the verdict of this run is inconclusive: "+strings.Join(s.Reasons, "; ")+
			". The figures below are what was measured; do not quote them.")
	}
	if s.Unprivileged {
		p.Warnings = append(p.Warnings, "Measured without root, in a user namespace: the first of the notes says what that left out.")
	}
	for _, q := range questions {
		section := page.Section{ID: q.id, Heading: q.heading}
		if !q.fill(s, &section) {
			p.Missing = append(p.Missing, q.missing)
			continue
		}
		p.Sections = append(p.Sections, section)
	}
	p.Sections = append(p.Sections, s.controlSection(), s.machineSection(), s.methodSection(), s.leftOutSection(), s.repeatSection())
	return p
}

// patterns are those measured, the main one first.
func (s Summary) patterns() []plan.Pattern {
	main := s.mainFlows()
	if main == "" {
		return nil
	}
	return append([]plan.Pattern{main}, others(s.Plan.Patterns, main)...)
}

// armsWith are the arms of a pattern for which has holds, the full table excepted: its figures are not those of a server
// that answers, and have their own section.
func (s Summary) armsWith(flows plan.Pattern, has func(Arm) bool) []Arm {
	var out []Arm
	for _, a := range s.Arms {
		if a.Flows == flows && a.Arm != plan.Filled && has(a) {
			out = append(out, a)
		}
	}
	return out
}

// eachPattern calls add for every pattern in which an arm other than the baseline has what is asked for, and reports
// whether there was any.
func (s Summary) eachPattern(has func(Arm) bool, add func(flows plan.Pattern, arms []Arm)) (any bool) {
	for _, flows := range s.patterns() {
		if arms := s.armsWith(flows, has); len(arms) > 1 {
			add(flows, arms)
			any = true
		}
	}
	return any
}

// folded folds the tables of a section whose plots show the same.
func folded(tables []page.Block) []page.Block {
	for i, b := range tables {
		if t, ok := b.(page.Table); ok {
			t.Folded = true
			tables[i] = t
		}
	}
	return tables
}

// flowsName names a pattern in the middle of a sentence.
func flowsName(flows plan.Pattern) string {
	if flows == plan.Fresh {
		return "every query from a new flow"
	}
	return Group(float64(flows.Flows())) + " flows"
}

func (s Summary) latencySection(section *page.Section) bool {
	var figures page.Figures
	var tables []page.Block
	fixed := s.eachPattern(func(a Arm) bool { return a.Latency.P50 != nil }, func(flows plan.Pattern, arms []Arm) {
		figures = append(figures, page.Figure{Caption: sentenceCase(s.workload(flows)), Chart: percentileChart(s, flows, arms)})
		tables = append(tables, s.latencyTable(flows, arms))
	})
	loads := s.eachPattern(func(a Arm) bool { return len(a.Loads) > 0 }, func(flows plan.Pattern, arms []Arm) {
		figures = append(figures,
			page.Figure{Caption: sentenceCase(flowsName(flows)) + ": median by load", Chart: loadChart(s, arms, "median", p50)},
			page.Figure{Caption: sentenceCase(flowsName(flows)) + ": 99th percentile by load", Chart: loadChart(s, arms, "99th percentile", p99)})
		tables = append(tables, s.loadTable(flows, arms))
	})
	if !fixed && !loads {
		return false
	}
	if c, ok := s.compare(plan.On, plan.Off, s.mainFlows(), p50Metric); ok {
		c99, _ := s.compare(plan.On, plan.Off, s.mainFlows(), p99Metric)
		section.Answer, section.Tag = s.latencySentence(c, c99), string(c.Verdict)
	}
	section.Body = append(section.Body,
		page.Text("Latency counts from the moment a query was due to be sent, in microseconds, with "+s.confidence()+" intervals. "+
			"The 99.9th and 99.99th percentiles are of the answers of all trials together, where the records hold their histograms, and have no interval; "+
			"a percentile beyond which fewer than ten answers lie is not told."), figures)
	if loads {
		section.Body = append(section.Body, page.Text("Loads are shares of the highest rate that the baseline answers with at most 0.1 % lost; "+
			"all arms are offered the same."))
	}
	section.Body = append(section.Body, folded(tables)...)
	return true
}

func (s Summary) cpuSection(section *page.Section) bool {
	var figures page.Figures
	var tables []page.Block
	any := s.eachPattern(func(a Arm) bool { return a.CPU != nil }, func(flows plan.Pattern, arms []Arm) {
		figures = append(figures,
			page.Figure{Caption: sentenceCase(s.workload(flows)) + ": where the time goes", Chart: cpuChart(s, flows, arms)},
			page.Figure{Caption: sentenceCase(flowsName(flows)) + ": change against off", Chart: effectChart(s, flows, cpuMetric, "CPU time")})
		tables = append(tables, s.cpuTable(flows, arms), s.splitTable(flows, arms))
		if t, ok := s.counterTable(flows, arms); ok {
			tables = append(tables, t)
		}
	})
	if !any {
		return false
	}
	if c, ok := s.compare(plan.On, plan.Off, s.mainFlows(), cpuMetric); ok {
		section.Answer, section.Tag = s.cpuSentence(c), string(c.Verdict)
	}
	section.Body = append(append(section.Body, page.Text("CPU time per answered query, all that was spent for the server. Its own "+
		"thread pays mostly for the send path and the firewall's output hooks, the receive thread of its interface (NAPI) for the "+
		"receive path and the hooks before and at input."), figures), folded(tables)...)
	return true
}

func (s Summary) throughputSection(section *page.Section) bool {
	var figures page.Figures
	var tables []page.Block
	closed := s.eachPattern(func(a Arm) bool { return a.AnswersPerS != nil }, func(flows plan.Pattern, arms []Arm) {
		figures = append(figures, page.Figure{Caption: sentenceCase(flowsName(flows)) + ": answers a second, flat out",
			Chart: rateChart(s, arms, "answers a second", func(a Arm) (*stat.Estimate, bool) { return a.AnswersPerS, a.Limited })})
		tables = append(tables, s.throughputTable(flows, arms))
	})
	highest := s.eachPattern(func(a Arm) bool { return a.MaxQPS != nil }, func(flows plan.Pattern, arms []Arm) {
		figures = append(figures, page.Figure{Caption: sentenceCase(flowsName(flows)) + ": highest rate with at most 0.1 % lost",
			Chart: rateChart(s, arms, "queries a second", func(a Arm) (*stat.Estimate, bool) { return a.MaxQPS, a.MaxLimited })},
			page.Figure{Caption: sentenceCase(flowsName(flows)) + ": highest rate with at most 0.5 % lost",
				Chart: rateChart(s, arms, "queries a second", func(a Arm) (*stat.Estimate, bool) { return a.MaxQPS05, a.MaxLimited })})
		tables = append(tables, s.highestTable(flows, arms))
	})
	if !closed && !highest {
		return false
	}
	if c, ok := s.compare(plan.On, plan.Off, s.mainFlows(), answersMetric); ok {
		section.Answer, section.Tag = s.throughputSentence(c), string(c.Verdict)
	} else if c, ok := s.compare(plan.On, plan.Off, s.mainFlows(), maxQPSMetric); ok {
		section.Answer, section.Tag = s.highestSentence(c), string(c.Verdict)
	}
	if closed {
		section.Body = append(section.Body, page.Text(fmt.Sprintf("Flat out: %s queries outstanding, the next one sent when an answer comes.",
			Group(float64(s.Plan.Window)))))
	}
	section.Body = append(append(section.Body, figures), folded(tables)...)
	return true
}
