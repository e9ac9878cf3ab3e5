package stat

import (
	"math"
	"slices"
)

// RatioOfMedians estimates arm/base for two samples that have nothing to do with each other: other runs, other kernels,
// other machines. There are no pairs, so whatever drifted between the two is in it. Values that are not positive are left
// out; N is the size of the smaller sample.
//
// The interval is that of resampling both samples independently (B. Efron, R. Tibshirani, An Introduction to the
// Bootstrap, 1993, ch. 8), on logarithms. As in [Bootstrap.Median] the distribution of either median is written down, and
// that of their difference follows by summing over the one. It is expanded as for the smaller sample, the classical
// cautious choice of degrees of freedom where two variances need not be equal.
func (b Bootstrap) RatioOfMedians(base, arm []float64) Estimate {
	from, to := logs(base), logs(arm)
	n := min(len(from), len(to))
	if n == 0 {
		return Estimate{}
	}
	tail := expandedTail((1-b.Confidence)/2, n)
	low := differenceQuantile(bootstrapMedians(from), bootstrapMedians(to), tail)
	high := -differenceQuantile(bootstrapMedians(to), bootstrapMedians(from), tail)
	return Estimate{Median: math.Exp(medianSorted(to) - medianSorted(from)), Lo: math.Exp(low), Hi: math.Exp(high), N: n}
}

// logs are the logarithms of the positive values, in ascending order.
func logs(xs []float64) []float64 {
	out := make([]float64, 0, len(xs))
	for _, x := range xs {
		if x > 0 {
			out = append(out, math.Log(x))
		}
	}
	slices.Sort(out)
	return out
}

// differenceQuantile is the least x for which to-from is at most x with a probability above tail. Both distributions are
// in ascending order. It is found by halving, as there are too many differences to put in order.
func differenceQuantile(from, to []weighed, tail float64) float64 {
	// Both ascend, so what a larger value of the one lets in of the other only grows.
	atMost := func(x float64) (p float64) {
		i, in := 0, 0.0
		for _, w := range from {
			for ; i < len(to) && to[i].value <= w.value+x; i++ {
				in += to[i].probability
			}
			p += w.probability * in
		}
		return p
	}
	lo, hi := to[0].value-from[len(from)-1].value, to[len(to)-1].value-from[0].value
	if atMost(lo) > tail {
		return lo
	}
	for range 60 {
		mid := lo + (hi-lo)/2
		if atMost(mid) > tail {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}
