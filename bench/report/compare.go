package report

import (
	"supernode/bench/plan"
	"supernode/bench/stat"
)

// controls compares the baseline with itself in every metric. The pairs of all flow patterns are taken
// together: the true ratio is 1 in each of them, and one statement a run keeps the chance of a false
// alarm at one in twenty instead of letting it grow with the number of patterns.
func (d *data) controls() []Control {
	out := []Control{}
	for _, m := range d.metrics() {
		var pairs []stat.Pair
		for _, flows := range d.spec.Patterns {
			pairs = append(pairs, d.pairs(m, flows, plan.Control, plan.Off)...)
		}
		e := d.boot.Ratio(pairs)
		d.control[m.name] = e
		out = append(out, Control{
			Metric: m.name, Ratio: tidy(e.Median), Lo: tidy(e.Lo), Hi: tidy(e.Hi), N: e.N,
			Problem: d.rules.CheckControl(e),
		})
	}
	return out
}

// comparisons sets every arm against the baseline. The exempted port is set against the tracked one too, and so is the
// long table: the former says whether exempting helps, the latter what the length costs.
func (d *data) comparisons(s Summary) []Comparison {
	out := []Comparison{}
	for _, flows := range d.spec.Patterns {
		for _, m := range d.metrics() {
			for _, arm := range d.spec.Arms {
				if arm == plan.Off || !arm.Answers() { // of a full table, the few that are answered say nothing of it
					continue
				}
				out = d.compare(out, s, m, flows, arm, plan.Off)
				if arm == plan.Notrack || arm == plan.Raised {
					out = d.compare(out, s, m, flows, arm, plan.On)
				}
			}
		}
	}
	return out
}

// compare appends one comparison to out, if there is anything to compare.
func (d *data) compare(out []Comparison, s Summary, m metric, flows plan.Pattern, arm, base plan.Arm) []Comparison {
	pairs := d.pairs(m, flows, arm, base)
	if len(pairs) == 0 {
		return out
	}
	ratio, delta := d.boot.Ratio(pairs), d.boot.Difference(pairs)
	ours, theirs := make([]float64, len(pairs)), make([]float64, len(pairs))
	for i, p := range pairs {
		ours[i], theirs[i] = p.Arm, p.Base
	}
	c := Comparison{
		Arm: arm, Base: base, Flows: flows, Metric: m.name,
		Delta: tidy(delta.Median), DeltaLo: tidy(delta.Lo), DeltaHi: tidy(delta.Hi),
		Ratio: tidy(ratio.Median), Lo: tidy(ratio.Lo), Hi: tidy(ratio.Hi),
		P: tidy(stat.MannWhitney(ours, theirs)), N: len(pairs),
	}
	d.judge(&c, s, m, ratio)
	return append(out, c)
}

// judge gives c its verdict, from the weightiest objection to the least.
func (d *data) judge(c *Comparison, s Summary, m metric, ratio stat.Estimate) {
	control, limit := d.control[m.name], m.limit(d.rules)
	problem := d.rules.CheckControl(control)
	c.Verdict = stat.Inconclusive
	switch {
	case len(s.Reasons) > 0:
		c.Reason = s.Reasons[0]
		return
	case problem != "":
		c.Reason = problem
		return
	case m.latency && d.paceLost(m.measure, c.Flows, c.Arm, c.Base):
		c.Reason = paceLostReason
		return
	}
	c.Verdict, c.Reason = d.rules.Judge(ratio, d.widerControl(m, c.Flows), limit, m.better)
	arm, base := s.arm(c.Arm, c.Flows), s.arm(c.Base, c.Flows)
	c.Verdict, c.Reason, c.AtLeast = generatorBound(c.Verdict, c.Reason, arm.held(m.measure), base.held(m.measure))
}

const paceLostReason = "the generator could not hold the rate, and its own delay is part of the latency"

// widerControl is the control of all patterns together or that of one alone, whichever reaches further. The latter has as
// many pairs as a comparison, so it shows what that many can bring about by chance. No claim may be smaller than either.
func (d *data) widerControl(m metric, flows plan.Pattern) stat.Estimate {
	control := d.control[m.name]
	if own := d.boot.Ratio(d.pairs(m, flows, plan.Control, plan.Off)); own.N > 0 && stat.Reach(own) > stat.Reach(control) {
		return own
	}
	return control
}

// held reports whether the generator, not the server, set the limit that a measure finds.
func (a Arm) held(measure plan.Measure) bool {
	return measure == plan.Max && a.Limited || measure == plan.Search && a.MaxLimited
}

// paceLost reports whether the generator fell behind in either arm.
func (d *data) paceLost(measure plan.Measure, flows plan.Pattern, arms ...plan.Arm) bool {
	for _, arm := range arms {
		if d.generatorLimited(plan.Cell{Arm: arm, Flows: flows, Measure: measure}) {
			return true
		}
	}
	return false
}

// generatorBound corrects a verdict on answers per second, or on the highest rate, for sides that were not pushed to
// their limit. A side that was held back could have done better than it shows. If that is the better side,
// the difference is at least what was measured; otherwise nothing is known.
func generatorBound(verdict stat.Verdict, reason string, armHeld, baseHeld bool) (v stat.Verdict, why string, atLeast bool) {
	if !armHeld && !baseHeld {
		return verdict, reason, false
	}
	betterHeld, worseHeld := armHeld, baseHeld
	if verdict == stat.Slower {
		betterHeld, worseHeld = baseHeld, armHeld
	}
	if (verdict == stat.Slower || verdict == stat.Faster) && betterHeld && !worseHeld {
		return verdict, "at least this much: the generator, not the server, was the limit on the faster side", true
	}
	return stat.Inconclusive, "the generator, not the server, was the limit", false
}
