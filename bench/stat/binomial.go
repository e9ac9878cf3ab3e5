package stat

import "math"

// Share is how often something happened in a number of independent trials, with an interval around the probability.
type Share struct {
	Hits  int     `json:"hits"`
	Of    int     `json:"of"`
	Share float64 `json:"share"`
	Lo    float64 `json:"lo"`
	Hi    float64 `json:"hi"`
}

// Proportion estimates a probability from hits in n independent trials. The interval is the exact one of C. Clopper and
// E. Pearson, Biometrika 26, 1934: it covers the truth at least as often as confidence says, whatever the truth is. Of no
// trials it says nothing: 0 to 1.
func Proportion(hits, n int, confidence float64) Share {
	s := Share{Hits: hits, Of: n, Hi: 1}
	if n == 0 {
		return s
	}
	s.Share = float64(hits) / float64(n)
	tail := (1 - confidence) / 2
	if hits > 0 {
		// The least probability with which so many hits, or more, are no rarer than the tail.
		s.Lo = rising(func(p float64) float64 { return 1 - binomialCDF(hits-1, n, p) }, tail)
	}
	if hits < n {
		s.Hi = rising(func(p float64) float64 { return 1 - binomialCDF(hits, n, p) }, 1-tail)
	}
	return s
}

// rising is where f, which rises from 0 to 1 between 0 and 1, passes y.
func rising(f func(float64) float64, y float64) float64 {
	lo, hi := 0.0, 1.0
	for range 60 {
		if mid := (lo + hi) / 2; f(mid) < y {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// binomialCDF is the probability of k hits or fewer in n trials of probability p, which is neither 0 nor 1.
func binomialCDF(k, n int, p float64) float64 {
	sum := 0.0
	for i := 0; i <= k; i++ {
		sum += math.Exp(logChoose(n, i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return math.Min(1, sum)
}
