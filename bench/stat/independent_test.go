package stat

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func positive(rng *rand.Rand, n int, factor, noise float64) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = factor * math.Exp(noise*rng.NormFloat64())
	}
	return xs
}

// The interval must hold the truth as often as it says, whatever the sizes.
func TestRatioOfMediansCovers(t *testing.T) {
	const repetitions = 600
	boot := Bootstrap{Confidence: 0.95}
	for _, sizes := range [][2]int{{5, 5}, {6, 12}, {7, 7}, {12, 36}, {36, 36}} {
		rng := rand.New(rand.NewPCG(uint64(sizes[0]), uint64(sizes[1])))
		covered := 0
		for range repetitions {
			// One sample is noisier than the other.
			e := boot.RatioOfMedians(positive(rng, sizes[0], 100, 0.05), positive(rng, sizes[1], 130, 0.02))
			if e.Contains(1.3) {
				covered++
			}
			require.LessOrEqual(t, e.Lo, e.Median)
			require.GreaterOrEqual(t, e.Hi, e.Median)
		}
		require.Greater(t, float64(covered)/repetitions, 0.93, "%v", sizes)
	}
}

// The definition: resample both, again and again.
func TestRatioOfMediansAgainstResampling(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	base, arm := positive(rng, 9, 100, 0.1), positive(rng, 14, 120, 0.1)
	boot := Bootstrap{Confidence: 0.90}
	const resamples = 40_000
	ratios := make([]float64, resamples)
	again := func(xs []float64) float64 {
		ys := make([]float64, len(xs))
		for i := range ys {
			ys[i] = math.Log(xs[rng.IntN(len(xs))])
		}
		return Median(ys)
	}
	for i := range ratios {
		ratios[i] = math.Exp(again(arm) - again(base))
	}
	slices.Sort(ratios)
	tail := expandedTail(0.05, 9)
	e := boot.RatioOfMedians(base, arm)
	require.InEpsilon(t, ratios[int(tail*resamples)], e.Lo, 0.01)
	require.InEpsilon(t, ratios[int((1-tail)*resamples)], e.Hi, 0.01)
}

func TestRatioOfMediansProperties(t *testing.T) {
	sample := rapid.SliceOfN(rapid.Float64Range(0.5, 2000), 1, 40)
	boot := Bootstrap{Confidence: 0.95}
	rapid.Check(t, func(t *rapid.T) {
		a, b := sample.Draw(t, "a"), sample.Draw(t, "b")
		there, back := boot.RatioOfMedians(a, b), boot.RatioOfMedians(b, a)
		require.InEpsilon(t, 1, there.Median*back.Median, 1e-9, "sides must not matter")
		require.InEpsilon(t, 1, there.Lo*back.Hi, 1e-9)
		require.LessOrEqual(t, there.Lo, there.Median*(1+1e-9))
		require.GreaterOrEqual(t, there.Hi, there.Median*(1-1e-9))
		same := boot.RatioOfMedians(a, a)
		require.InDelta(t, 1, same.Median, 1e-12)
	})
	require.Zero(t, boot.RatioOfMedians(nil, []float64{1}).N)
	require.Zero(t, boot.RatioOfMedians([]float64{0, -1}, []float64{1}).N)
	one := boot.RatioOfMedians([]float64{2}, []float64{3})
	require.InDelta(t, 1.5, one.Median, 1e-12)
	require.Equal(t, 1, one.N)
}
