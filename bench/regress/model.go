// Package regress decides whether one revision of a program is slower than another, and says it: on a terminal, as
// Markdown, as JSON, in the Go benchmark format, and over time.
//
// Words: base and head are the two revisions. A gate is a figure that does not depend on how busy the machine is, such as
// an allocation count; it is compared once, and hard. A series is a figure that does, such as nanoseconds a query; it is
// measured in pairs, base and head moments apart on the same core, and so is base against base, the control, in the same
// moments. What a series says is a matter of statistics, and may be: nothing.
//
// Opinions:
//
//   - A job that cries wolf gets switched off. So a regression is called only where the whole interval of the slow-down
//     lies beyond the limit, and all that base shows against itself too, where a rank test agrees, and where a second run
//     says so again ([Confirm]). An improvement, which turns no job red, needs no second run.
//   - A job that is always green is worse. "No regression" is said only where a slow-down beyond the limit is ruled out.
//     What is left between the two is "inconclusive", which has an exit status of its own.
//   - Ratios are turned so that above 1 is worse, whichever way a figure improves.
//
// The package is pure: it measures nothing, and the same series give the same words.
package regress

import "supernode/bench/stat"

// Kind is where a figure comes from.
type Kind string

// The kinds.
const (
	KindGate      Kind = "gate"
	KindInProcess Kind = "inprocess" // a Go benchmark of a package
	KindEndToEnd  Kind = "endtoend"  // a server that answers a generator
)

// Metric names a figure that is measured in pairs.
type Metric struct {
	Name   string      `json:"name"` // the same in every run, as histories are told apart by it: "Handle/ping"
	Unit   string      `json:"unit"` // "ns/op"
	Better stat.Better `json:"better"`
	Kind   Kind        `json:"kind"`
}

// Pair is a figure of base, and of what is compared with it, measured moments apart. It must be independent of the other
// pairs of its series: what shares a process, a memory layout for example, belongs into one pair.
type Pair = stat.Pair

// Series is what was measured of a metric.
type Series struct {
	Metric
	Pairs   []Pair `json:"pairs"`          // head against base
	Control []Pair `json:"control"`        // base against base
	Null    []Pair `json:"null,omitempty"` // a program that does nothing but answer, against base; informs, decides nothing
}

// Verdict is what may be said of head.
type Verdict string

// The verdicts.
const (
	NoRegression Verdict = "no regression" // a slow-down beyond the limit is ruled out
	Regression   Verdict = "regression"
	Improvement  Verdict = "improvement"  // a speed-up beyond the limit, by the rule of a regression, but without a second run
	Inconclusive Verdict = "inconclusive" // neither shown nor ruled out
)

// Rules are fixed before anything is measured, and printed with the result.
type Rules struct {
	Limit      float64 `json:"limit"`      // slow-down that is a regression, as a share
	Confidence float64 `json:"confidence"` // of the intervals, both ends together
	Alpha      float64 `json:"alpha"`      // largest p of the rank test that agrees
	MinPairs   int     `json:"min_pairs"`  // fewer pairs than this prove nothing
}

// DefaultRules are those of every run that is not told otherwise.
func DefaultRules() Rules {
	return Rules{Limit: 0.05, Confidence: 0.95, Alpha: 0.05, MinPairs: 6}
}

// Decision is what a series says.
type Decision struct {
	Metric
	Base    float64       `json:"base"` // median over the pairs, in Metric's unit
	Head    float64       `json:"head"`
	Ratio   stat.Estimate `json:"ratio"`   // head to base, above 1 is worse
	Control stat.Estimate `json:"control"` // base to base
	Null    float64       `json:"null,omitempty"`
	P       float64       `json:"p"`                    // that head's ratios and the control's rank as unevenly as they do by chance
	Rough   float64       `json:"p_unpaired,omitempty"` // of in-process timings: what benchstat makes of the same figures; decides nothing
	Verdict Verdict       `json:"verdict"`
	Why     string        `json:"why,omitempty"` // in words, where the verdict needs some
	Runs    int           `json:"runs"`          // 2 after a confirmation
}
