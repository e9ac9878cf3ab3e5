package regress

import (
	"fmt"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"

	"supernode/bench/stat"
)

// Decide says what a series shows by the rules.
//
// The interval is that of the median of the pairs' log ratios ([stat.Bootstrap]). The rank test is Mann's and Whitney's
// between head's ratios to base and the control's: the drift of the machine, which is in both figures of a pair, is in
// neither. Both samples share base's figures, by which they resemble each other more than the test assumes: it errs
// towards calling nothing.
//
// Where base differs from itself by more than the limit, going by the control's ratio, nothing is called, however large
// head's is: what moved the control may have moved head as well. How wide the control's interval is, is another matter: it
// tells of few pairs or a restless machine, and head's own interval tells of the same. So it refuses nothing by itself; but a
// change has to be larger than all that base shows against itself, and with an interval wider than the limit nothing is
// ruled out.
func Decide(s Series, r Rules) Decision {
	head, control := turned(s.Pairs, s.Better), turned(s.Control, s.Better)
	boot := stat.Bootstrap{Confidence: r.Confidence}
	d := Decision{
		Metric: s.Metric, Ratio: boot.Ratio(head), Control: boot.Ratio(control), Runs: 1,
		P: stat.MannWhitney(logRatios(head), logRatios(control)),
	}
	if len(s.Pairs) > 0 {
		d.Base, d.Head = medians(s.Pairs)
	}
	if s.Kind == KindInProcess && len(s.Pairs) > 0 {
		d.Rough = unpaired(s.Pairs)
	}
	if len(s.Null) > 0 {
		_, d.Null = medians(s.Null)
	}
	d.Verdict, d.Why = r.judge(d)
	return d
}

func (r Rules) judge(d Decision) (Verdict, string) {
	if d.Ratio.N < r.MinPairs || d.Control.N < r.MinPairs {
		return Inconclusive, fmt.Sprintf("%d pairs and %d of the control, at least %d are needed", d.Ratio.N, d.Control.N, r.MinPairs)
	}
	off, noise, beyond := stat.Size(d.Control), stat.Reach(d.Control), 1+r.Limit
	agrees, stands := d.P <= r.Alpha, stat.Size(d.Ratio) > noise
	switch {
	case off > r.Limit:
		return Inconclusive, fmt.Sprintf("base differs from itself by %.1f %%, which is more than the limit", 100*off)
	case d.Ratio.Lo > beyond && agrees && stands:
		return Regression, ""
	case d.Ratio.Hi < 1/beyond && agrees && stands:
		return Improvement, ""
	case noise > r.Limit:
		return Inconclusive, fmt.Sprintf("base may differ from itself by up to %.1f %%, which is more than the limit", 100*noise)
	case d.Ratio.Hi <= 1+r.Limit:
		return NoRegression, ""
	case d.Ratio.Lo > beyond:
		return Inconclusive, fmt.Sprintf("the rank test does not agree (p %.2g)", d.P)
	}
	return Inconclusive, fmt.Sprintf("a slow-down of %.1f %% is neither shown nor ruled out", 100*r.Limit)
}

// Confirm decides on a series that was measured a second time, because the first run showed a regression or nothing at
// all. What both runs say together holds; but a regression has to be one in the second run alone too, as far as its
// median goes, and of as many pairs as decide anything: the first was picked for being bad, the second was not.
func Confirm(first, again Series, r Rules) Decision {
	both := first
	both.Pairs = slices.Concat(first.Pairs, again.Pairs)
	both.Control = slices.Concat(first.Control, again.Control)
	both.Null = slices.Concat(first.Null, again.Null)
	d := Decide(both, r)
	if len(again.Pairs) > 0 {
		d.Runs = 2
	}
	if d.Verdict != Regression {
		return d
	}
	switch second := Decide(again, r).Ratio; {
	case second.N < r.MinPairs:
		d.Verdict = Inconclusive
		d.Why = fmt.Sprintf("no time for a second run: a regression in the first, %d pairs in the second, at least %d are needed", second.N, r.MinPairs)
	case second.Median <= 1+r.Limit:
		d.Verdict, d.Why = Inconclusive, "the second run did not confirm what the first one showed"
	}
	return d
}

// unpaired is the p that benchstat would print for base and head: that of the same rank test on the figures themselves,
// in which the machine's drift hides what the pairs show. People who know benchstat look for it.
func unpaired(pairs []Pair) float64 {
	bases, heads := make([]float64, len(pairs)), make([]float64, len(pairs))
	for i, p := range pairs {
		bases[i], heads[i] = p.Base, p.Arm
	}
	thresholds := &benchmath.DefaultThresholds
	return benchmath.AssumeNothing.Compare(benchmath.NewSample(bases, thresholds), benchmath.NewSample(heads, thresholds)).P
}

// turned swaps the sides of pairs whose figure is better the higher it is, so that arm to base above 1 is worse.
func turned(pairs []Pair, better stat.Better) []Pair {
	if better != stat.Higher {
		return pairs
	}
	out := make([]Pair, len(pairs))
	for i, p := range pairs {
		out[i] = Pair{Base: p.Arm, Arm: p.Base}
	}
	return out
}

// logRatios leaves out pairs that have no ratio.
func logRatios(pairs []Pair) (logs []float64) {
	for _, p := range pairs {
		if p.Base > 0 && p.Arm > 0 {
			logs = append(logs, math.Log(p.Arm/p.Base))
		}
	}
	return logs
}

func medians(pairs []Pair) (base, arm float64) {
	bases, arms := make([]float64, len(pairs)), make([]float64, len(pairs))
	for i, p := range pairs {
		bases[i], arms[i] = p.Base, p.Arm
	}
	return stat.Median(bases), stat.Median(arms)
}
