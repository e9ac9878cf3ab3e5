package stat

import "math"

// How many blocks a run needs is decided before it, by a pilot that measures the baseline against its control and nothing
// else: what it can know of the arms that are compared is how noisy they are, not how they differ. A sample size that is
// fixed without a look at the effect costs the intervals nothing (M. A. Proschan, Two-Stage Sample Size Re-Estimation Based
// on a Nuisance Parameter, Journal of Biopharmaceutical Statistics 15, 2005).

// Spread estimates how far the log ratios of pairs scatter, as the standard deviation of a normal distribution with the
// same mean distance from the median. That distance follows a single wild pair less than a standard deviation would, and
// wastes less of a small sample than a median distance. Pairs that have no ratio are left out; n is how many remained.
func Spread(pairs []Pair) (spread float64, n int) {
	logs := logRatios(pairs)
	if len(logs) < 2 {
		return 0, len(logs)
	}
	median, sum := Median(logs), 0.0
	for _, x := range logs {
		sum += math.Abs(x - median)
	}
	// The median lies where the sum is least, as if a pair were missing.
	return math.Sqrt(math.Pi/2) * sum / float64(len(logs)-1), len(logs)
}

// HalfWidth is how wide the interval of the median of n ratios of such a spread should be on each side, as a share: 0.02
// for ±2 %. The median's error is that of the mean times √(π/2), if the ratios are normal; it is less if they have more
// outliers than that, or a sharper peak.
func (r Rules) HalfWidth(spread float64, n int) float64 {
	if n < 2 {
		return math.Inf(1)
	}
	t := studentQuantile(1-(1-r.Confidence)/2, n-1)
	return math.Expm1(t * math.Sqrt(math.Pi/2) * spread / math.Sqrt(float64(n)))
}

// sizeMargin is by how much a pilot's spread is taken to be larger than it was. A pilot of sixteen pairs misses the spread
// by a fifth, and intervals of equal blocks differ as much among themselves; with the margin nine runs in ten are as fine as
// was asked for, which this package's tests simulate.
const sizeMargin = 1.55

// Blocks is how many pairs it takes for an interval of ±resolution, a share, given a pilot's spread; least is the fewest
// ever, most where to stop counting.
func (r Rules) Blocks(spread, resolution float64, least, most int) int {
	n := max(least, r.MinPairs)
	for n < most && r.HalfWidth(sizeMargin*spread, n) > resolution {
		n++
	}
	return n
}
