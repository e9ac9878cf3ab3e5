package stat

import (
	"math"
	"slices"
)

// exactUpTo is the sample size up to which the U test counts every arrangement. Beyond it the normal
// approximation is right to 0.003, and counting would cost more than it is worth.
const exactUpTo = 25

// MannWhitney is the two-sided p-value of the Mann-Whitney U test: how probable ranks at least this
// uneven are if xs and ys come from one distribution (H. Mann, D. Whitney, Annals of Mathematical
// Statistics 18, 1947). It is 1 when either sample is empty. It does not change its arguments.
//
// Up to 25 values a side it is exact, ties included (they share their mean rank, and the arrangements
// of the ranks as they are get counted: J. Klotz, The Wilcoxon, Ties, and the Computer, 1966). Beyond,
// it is the normal approximation with corrections for ties and continuity.
func MannWhitney(xs, ys []float64) float64 {
	if len(xs) == 0 || len(ys) == 0 {
		return 1
	}
	ranks, sum, ties := rank(xs, ys)
	if len(xs) <= exactUpTo && len(ys) <= exactUpTo {
		return exactP(ranks, len(xs), sum)
	}
	return normalP(len(xs), len(ys), sum, ties)
}

// rank gives every value its rank among all of them, doubled so that the mean rank of tied values stays
// whole. sum is the total of those that fall to xs; ties is Σ t³-t over the groups of t equal values.
func rank(xs, ys []float64) (doubled []int, sum int, ties float64) {
	type value struct {
		v     float64
		fromX bool
	}
	all := make([]value, 0, len(xs)+len(ys))
	for _, v := range xs {
		all = append(all, value{v, true})
	}
	for _, v := range ys {
		all = append(all, value{v, false})
	}
	slices.SortFunc(all, func(a, b value) int {
		switch {
		case a.v < b.v:
			return -1
		case a.v > b.v:
			return 1
		}
		return 0
	})
	doubled = make([]int, len(all))
	for i := 0; i < len(all); {
		end := i
		for end < len(all) && all[end].v == all[i].v {
			end++
		}
		t := float64(end - i)
		ties += t*t*t - t
		mean := i + 1 + end // twice the mean of the ranks i+1 … end
		for ; i < end; i++ {
			doubled[i] = mean
			if all[i].fromX {
				sum += mean
			}
		}
	}
	return doubled, sum, ties
}

// exactP counts, for each possible rank sum, the choices of n ranks that have it: ways[k][s] is the
// number of ways to take k of the ranks seen so far with sum s. Float64 holds these counts, at most
// C(50,25) ≈ 1.3e14, exactly.
func exactP(ranks []int, n, sum int) float64 {
	most := 0
	for _, r := range ranks[len(ranks)-n:] {
		most += r
	}
	ways := make([][]float64, n+1)
	for k := range ways {
		ways[k] = make([]float64, most+1)
	}
	ways[0][0] = 1
	for i, r := range ranks {
		for k := min(n, i+1); k >= 1; k-- {
			with, without := ways[k][r:], ways[k-1]
			for s := range with {
				with[s] += without[s] // without has not met this rank yet, as k falls
			}
		}
	}
	var total, below, above float64
	for s, w := range ways[n] {
		total += w
		if s <= sum {
			below += w
		}
		if s >= sum {
			above += w
		}
	}
	return math.Min(1, 2*math.Min(below, above)/total)
}

func normalP(n1, n2, doubledSum int, ties float64) float64 {
	a, b := float64(n1), float64(n2)
	n := a + b
	u := float64(doubledSum)/2 - a*(a+1)/2
	variance := a * b / 12 * (n + 1 - ties/(n*(n-1)))
	if variance <= 0 {
		return 1 // all values are equal
	}
	distance := math.Max(0, math.Abs(u-a*b/2)-0.5)
	return math.Min(1, 2*normalCDF(-distance/math.Sqrt(variance)))
}
