package report

import (
	"fmt"
	"math"
	"slices"

	"supernode/bench/plan"
	"supernode/bench/stat"
)

// effectOf finds the effect of tracking in a metric, with the pattern that says most: many flows if both have them.
func (r Runs) effectOf(arm plan.Arm, metric string) (RunsEffect, bool) {
	best := -1
	for i, e := range r.Effects {
		if e.Arm == arm && e.Metric == metric && (best < 0 || e.Flows == plan.Many) {
			best = i
		}
	}
	if best < 0 {
		return RunsEffect{}, false
	}
	return r.Effects[best], true
}

// answers are sentences to quote.
func (r Runs) answers() []string {
	var out []string
	for _, metric := range []string{cpuMetric, p50Metric, answersMetric} {
		if e, ok := r.effectOf(plan.On, metric); ok {
			out = append(out, r.effectSentence(e))
		}
	}
	i := slices.IndexFunc(r.Figures, func(f RunsRow) bool { return f.Arm == plan.Off && f.Metric == cpuMetric && f.Flows == plan.Many })
	if i >= 0 {
		out = append(out, r.baselineSentence(r.Figures[i]))
	}
	return out
}

func (r Runs) effectSentence(e RunsEffect) string {
	interval := func(x stat.Estimate) string { return fmt.Sprintf("%s (%s)", change(x.Median), span(x.Lo, x.Hi)) }
	text := fmt.Sprintf("%s with connection tracking, %s: %s in A, %s in B", sentenceCase(metricTitle(e.Metric)), flowsName(e.Flows), interval(e.A), interval(e.B))
	switch e.Verdict {
	case stat.Slower, stat.Faster:
		cost := map[bool]string{true: "more", false: "less"}[e.Verdict == stat.Slower]
		return fmt.Sprintf("%s: it costs %s in B (ratio of the effects %.3f, interval %.3f to %.3f).", text, cost, e.Ratio, e.Lo, e.Hi)
	case stat.NoDifference:
		return fmt.Sprintf("%s: no difference, more than %.1f %% either way is ruled out.", text, 100*max(1-e.Lo, e.Hi-1))
	}
	return fmt.Sprintf("%s: whether they differ cannot be said: %s.", text, e.Reason)
}

func (r Runs) baselineSentence(f RunsRow) string {
	text := fmt.Sprintf("Without tracking a query takes %s ns of CPU time in A and %s ns in B, %s", Group(f.A.Median), Group(f.B.Median), flowsName(f.Flows))
	if f.Verdict == stat.Inconclusive {
		return fmt.Sprintf("%s: whether they differ cannot be said: %s.", text, f.Reason)
	}
	if f.Verdict == stat.NoDifference {
		return fmt.Sprintf("%s: no difference, more than %.1f %% either way is ruled out.", text, 100*max(1-f.Lo, f.Hi-1))
	}
	return fmt.Sprintf("%s: B is %s by %.1f %% (interval %s).", text, f.Verdict, 100*math.Abs(f.Ratio-1), span(f.Lo, f.Hi))
}
