// Package stat turns repeated measurements into an estimate with an interval, a comparison with a
// p-value, and a verdict in words. It is pure and free of chance: the same records give the same report
// to the last digit.
//
// Opinions:
//
//   - The median, not the mean. A trial during which something else ran on the machine is an outlier on
//     one side only; the mean follows it, the median does not.
//   - Differences are taken inside a block, between trials made seconds apart ([Pair]), and only then
//     summarised. Ratios are summarised as logarithms, so that twice and half weigh the same.
//   - Intervals come from the bootstrap ([Bootstrap]), which assumes no shape of distribution. They are
//     what verdicts rest on. The p-value ([MannWhitney]) is shown beside them because readers of
//     benchmarks expect one; it ignores the pairing and decides nothing.
//   - What may be said is fixed before a run is looked at ([Rules]), and bounded by what comparing the
//     baseline with itself shows in the same run.
package stat

import (
	"math"
	"slices"
)

// Median is the middle value, or the mean of the two middle ones. It is NaN for no values and does not
// change xs.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	return medianSorted(slices.Sorted(slices.Values(xs)))
}

func medianSorted(xs []float64) float64 {
	n := len(xs)
	return (xs[(n-1)/2] + xs[n/2]) / 2
}

// Estimate is a median with the interval around it, in the unit of what was measured, and the number of
// values it rests on. With N of 0 the other fields mean nothing.
type Estimate struct {
	Median float64 `json:"median"`
	Lo     float64 `json:"lo"`
	Hi     float64 `json:"hi"`
	N      int     `json:"n"`
}

// MinValues is how many values it takes for an interval. Between the least and the largest of n lies the true median with
// a probability of 1 - 2^(1-n): 87.5 % of 4 values, 93.8 % of 5.
const MinValues = 5

// Bounded says whether there are values enough for Lo and Hi to mean what they promise.
func (e Estimate) Bounded() bool { return e.N >= MinValues }

// Contains reports whether x lies in the interval, its ends included.
func (e Estimate) Contains(x float64) bool { return e.Lo <= x && x <= e.Hi }

// Pair is one quantity measured under two arms in the same block.
type Pair struct {
	Base float64 `json:"base"` // under the arm compared against
	Arm  float64 `json:"arm"`
}
