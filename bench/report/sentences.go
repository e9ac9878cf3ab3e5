package report

import (
	"fmt"
	"math"
	"strings"

	"supernode/bench/plan"
	"supernode/bench/stat"
)

// phrases name what an arm adds to the baseline.
var phrases = map[plan.Arm]string{
	plan.Burn:    "work that the server wastes on purpose",
	plan.Same:    "nothing at all",
	plan.On:      "connection tracking",
	plan.Notrack: "a stateful firewall with the port exempted (notrack)",
	plan.Raised:  "connection tracking with a long table",
	plan.Filled:  "connection tracking with a full table",
}

func phrase(arm plan.Arm) string {
	if p, ok := phrases[arm]; ok {
		return p
	}
	return fmt.Sprintf("arm %s", arm)
}

// answers are the sentences of the report, the headline first. Each stands alone, to be quoted.
func (s Summary) answers() []string {
	if len(s.Reasons) > 0 {
		return []string{fmt.Sprintf("This run cannot say what connection tracking costs on this machine: %s.", strings.Join(s.Reasons, "; "))}
	}
	out := []string{}
	main := s.mainFlows()
	for _, flows := range append([]plan.Pattern{main}, others(s.Plan.Patterns, main)...) {
		if c, ok := s.compare(plan.On, plan.Off, flows, cpuMetric); ok {
			out = append(out, s.cpuSentence(c))
		}
		if c, ok := s.compare(plan.Notrack, plan.Off, flows, cpuMetric); ok {
			out = append(out, s.cureSentence(c))
		}
		if p50, ok := s.compare(plan.On, plan.Off, flows, p50Metric); ok {
			p99, _ := s.compare(plan.On, plan.Off, flows, p99Metric)
			out = append(out, s.latencySentence(p50, p99))
		}
		if c, ok := s.compare(plan.On, plan.Off, flows, answersMetric); ok {
			out = append(out, s.throughputSentence(c))
		}
	}
	if c, ok := s.compare(plan.Raised, plan.On, main, cpuMetric); ok {
		out = append(out, s.raisedSentence(c))
	}
	for _, c := range s.Curves {
		out = append(out, curveSentence(c))
	}
	if len(out) == 0 && s.Control.N > 0 {
		out = append(out, s.controlSentence())
	}
	return out
}

func others(all []plan.Pattern, but plan.Pattern) []plan.Pattern {
	var out []plan.Pattern
	for _, p := range all {
		if p != but {
			out = append(out, p)
		}
	}
	return out
}

func (s Summary) confidence() string { return level(s.Rules.Confidence) }

// workload says what was offered, and what became of it if that is something else.
func (s Summary) workload(flows plan.Pattern) string {
	rate := s.Plan.RateOf(flows)
	text := fmt.Sprintf("%s at %s queries/s", flowsName(flows), Group(float64(rate)))
	sent := s.arm(plan.Off, flows).SendQPS
	if sent != nil && math.Abs(sent.Median/float64(rate)-1) > 0.02 {
		text = fmt.Sprintf("%s at %s queries/s (%s were asked for)", flowsName(flows), Group(sent.Median), Group(float64(rate)))
	}
	return text
}

func (s Summary) cpuSentence(c Comparison) string {
	what, load := phrase(c.Arm), s.workload(c.Flows)
	switch c.Verdict {
	case stat.Slower:
		return fmt.Sprintf("On this machine %s costs %s more CPU time per answered query (%s interval %s to %s; %s ns), %s.",
			what, percent(c.Ratio), s.confidence(), percent(c.Lo), percent(c.Hi), signed(c.Delta), load)
	case stat.Faster:
		return fmt.Sprintf("On this machine %s takes %s less CPU time per answered query (%s interval %s to %s less; %s ns), %s: "+
			"extra work that saves time is not to be expected, so look for its cause before quoting this.",
			what, percent(c.Ratio), s.confidence(), percent(c.Hi), percent(c.Lo), signed(c.Delta), load)
	case stat.NoDifference:
		return fmt.Sprintf("On this machine %s makes no difference to the CPU time per answered query that this run could show: "+
			"the change is %s (%s interval %s; %s ns), and more than %.1f %% either way is ruled out, %s.",
			what, change(c.Ratio), s.confidence(), span(c.Lo, c.Hi), signed(c.Delta), bound(c), load)
	}
	return fmt.Sprintf("This run cannot say what %s costs in CPU time per answered query, %s: %s.", what, load, c.Reason)
}

// bound is the largest effect in per cent that a comparison without a difference leaves possible.
func bound(c Comparison) float64 { return 100 * max(1-c.Lo, c.Hi-1) }

// cureSentence says what exempting the port leaves of the cost, c being notrack against off.
func (s Summary) cureSentence(c Comparison) string {
	load := s.workload(c.Flows)
	cost, tracked := s.compare(plan.On, plan.Off, c.Flows, cpuMetric)
	cure, ok := s.compare(plan.Notrack, plan.On, c.Flows, cpuMetric)
	switch {
	case tracked && !ok: // no block has both
		return s.cpuSentence(c)
	case c.Verdict == stat.Inconclusive || tracked && (cost.Verdict == stat.Inconclusive || cure.Verdict == stat.Inconclusive):
		reason := c.Reason
		for _, other := range []Comparison{cost, cure} {
			if reason == "" {
				reason = other.Reason
			}
		}
		return fmt.Sprintf("This run cannot say how much exempting the port (notrack) helps, %s: %s.", load, reason)
	case !tracked || cost.Verdict != stat.Slower:
		return s.cpuSentence(c)
	case cure.Verdict == stat.Faster && c.Verdict == stat.NoDifference:
		return fmt.Sprintf("Exempting the port (notrack) removes that cost: against no tracking at all the change is %s (%s interval %s), %s.",
			change(c.Ratio), s.confidence(), span(c.Lo, c.Hi), load)
	case cure.Verdict == stat.Faster && c.Verdict == stat.Slower:
		return fmt.Sprintf("Exempting the port (notrack) takes %s off the CPU time of a tracked query (%s interval %s to %s), "+
			"yet about %.0f %% of what tracking adds remains, %s.",
			percent(cure.Ratio), s.confidence(), percent(cure.Hi), percent(cure.Lo), 100*share(c.Delta, cost.Delta), load)
	case cure.Verdict == stat.Faster:
		return s.cpuSentence(c)
	}
	return fmt.Sprintf("Exempting the port (notrack) does not help: against tracking it the change is %s (%s interval %s), %s.",
		change(cure.Ratio), s.confidence(), span(cure.Lo, cure.Hi), load)
}

func (s Summary) latencySentence(p50, p99 Comparison) string {
	return fmt.Sprintf("Latency with %s, %s: %s; %s.",
		phrase(p50.Arm), s.workload(p50.Flows), s.latencyClause("median", p50), s.latencyClause("99th percentile", p99))
}

func (s Summary) latencyClause(what string, c Comparison) string {
	if c.N == 0 {
		return what + " not measured"
	}
	switch c.Verdict {
	case stat.Slower, stat.Faster:
		return fmt.Sprintf("%s %s µs (%s, %s interval %s)", what, signedMicros(c.Delta), change(c.Ratio), s.confidence(), span(c.Lo, c.Hi))
	case stat.NoDifference:
		return fmt.Sprintf("%s no different, more than %.1f %% either way is ruled out", what, bound(c))
	}
	return fmt.Sprintf("%s inconclusive (%s)", what, c.Reason)
}

func (s Summary) throughputSentence(c Comparison) string {
	flows := flowsName(c.Flows)
	with, without := s.arm(c.Arm, c.Flows).AnswersPerS, s.arm(c.Base, c.Flows).AnswersPerS
	if with == nil || without == nil {
		return fmt.Sprintf("Flat out, %s: answers per second were not measured.", flows)
	}
	figures := fmt.Sprintf("%s answers/s with %s, %s without", Group(with.Median), phrase(c.Arm), Group(without.Median))
	interval := fmt.Sprintf("%s interval %s", s.confidence(), span(c.Lo, c.Hi))
	switch c.Verdict {
	case stat.Slower, stat.Faster:
		least := ""
		if c.AtLeast {
			least = ", or more: the faster side was held back by the generator"
		}
		return fmt.Sprintf("Flat out, %s: %s, a change of %s (%s%s).", flows, figures, change(c.Ratio), interval, least)
	case stat.NoDifference:
		return fmt.Sprintf("Flat out, %s: %s, no difference; more than %.1f %% either way is ruled out (%s).",
			flows, figures, bound(c), interval)
	}
	return fmt.Sprintf("Flat out, %s: this run cannot say what %s costs in answers per second: %s.", flows, phrase(c.Arm), c.Reason)
}

// highestSentence says what tracking does to the highest rate with hardly any loss.
func (s Summary) highestSentence(c Comparison) string {
	with, without := s.arm(c.Arm, c.Flows).MaxQPS, s.arm(c.Base, c.Flows).MaxQPS
	if with == nil || without == nil || c.Verdict == stat.Inconclusive {
		return fmt.Sprintf("This run cannot say what %s does to the highest rate with at most 0.1 %% lost, %s: %s.", phrase(c.Arm), flowsName(c.Flows), c.Reason)
	}
	what := "a change of " + change(c.Ratio)
	if c.Verdict == stat.NoDifference {
		what = fmt.Sprintf("no difference; more than %.1f %% either way is ruled out", bound(c))
	}
	return fmt.Sprintf("The highest rate with at most 0.1 %% lost, %s: %s queries/s with %s, %s without, %s (%s interval %s).",
		flowsName(c.Flows), Group(with.Median), phrase(c.Arm), Group(without.Median), what, s.confidence(), span(c.Lo, c.Hi))
}

// controlSentence is what a run without any arm but the baseline has to say.
func (s Summary) controlSentence() string {
	c := s.Control
	return fmt.Sprintf("The baseline against itself gives a ratio of %.3f (%s interval %.3f to %.3f, %d pairs): "+
		"that is how fine a difference this set-up can show.", c.Ratio, s.confidence(), c.Lo, c.Hi, c.N)
}
