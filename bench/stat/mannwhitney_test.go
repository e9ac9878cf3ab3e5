package stat

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchmath"
	"pgregory.net/rapid"
)

func TestMannWhitneyKnown(t *testing.T) {
	for _, c := range []struct {
		name   string
		xs, ys []float64
		want   float64
	}{
		{"nothing", nil, []float64{1}, 1},
		{"one each", []float64{1}, []float64{2}, 1},
		{"apart, 3 and 3", []float64{1, 2, 3}, []float64{4, 5, 6}, 0.1},
		{"apart, 6 and 6", []float64{1, 2, 3, 4, 5, 6}, []float64{7, 8, 9, 10, 11, 12}, 2.0 / 924},
		{"the same", []float64{5, 5, 5}, []float64{5, 5, 5}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.InDelta(t, c.want, MannWhitney(c.xs, c.ys), 1e-12)
			require.InDelta(t, c.want, MannWhitney(c.ys, c.xs), 1e-12)
		})
	}
}

// draw gives n values; few distinct ones when ties are wanted.
func draw(rng *rand.Rand, n int, shift float64, ties bool) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		if ties {
			xs[i] = float64(rng.IntN(8)) + shift
		} else {
			xs[i] = rng.NormFloat64() + shift
		}
	}
	return xs
}

// golang.org/x/perf computes the same test by another algorithm.
func TestMannWhitneyAgainstBenchmath(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for _, c := range []struct {
		name      string
		n         int
		ties      bool
		tolerance float64
	}{
		{"exact", 6, false, 1e-9},
		{"exact", 16, false, 1e-9},
		{"exact, ties", 8, true, 1e-9},
		{"exact, ties", 16, true, 1e-9},
		{"approximate here, exact there", 32, false, 3e-3},
		{"approximate, ties", 32, true, 1e-9},
		{"approximate", 64, false, 1e-9},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, shift := range []float64{0, 0, 0.5, 1} {
				if c.ties && shift == 0.5 {
					shift = 2
				}
				xs, ys := draw(rng, c.n, 0, c.ties), draw(rng, c.n, shift, c.ties)
				// NewSample sorts its argument in place.
				want := benchmath.AssumeNothing.Compare(
					benchmath.NewSample(slices.Clone(xs), &benchmath.DefaultThresholds),
					benchmath.NewSample(slices.Clone(ys), &benchmath.DefaultThresholds))
				require.InDelta(t, want.P, MannWhitney(xs, ys), c.tolerance)
			}
		})
	}
}

// The definition, spelled out: try every way of calling n of the values "xs".
func bruteForce(xs, ys []float64) float64 {
	ranks, sum, _ := rank(xs, ys)
	var total, below, above float64
	for mask := range uint(1) << len(ranks) {
		if bits.OnesCount(mask) != len(xs) {
			continue
		}
		s := 0
		for i, r := range ranks {
			if mask>>i&1 == 1 {
				s += r
			}
		}
		total++
		if s <= sum {
			below++
		}
		if s >= sum {
			above++
		}
	}
	return min(1, 2*min(below, above)/total)
}

func TestMannWhitneyAgainstDefinition(t *testing.T) {
	sample := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 9), func(i int) float64 { return float64(i) }), 1, 6)
	rapid.Check(t, func(t *rapid.T) {
		xs, ys := sample.Draw(t, "xs"), sample.Draw(t, "ys")
		p := MannWhitney(xs, ys)
		require.InDelta(t, bruteForce(xs, ys), p, 1e-12)
		require.InDelta(t, p, MannWhitney(ys, xs), 1e-12, "sides must not matter")
	})
}

// Under the null hypothesis at most one p in twenty may be 0.05 or less.
func TestMannWhitneyFalseAlarms(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 4))
	const repetitions = 4000
	alarms := 0
	for range repetitions {
		if MannWhitney(draw(rng, 6, 0, false), draw(rng, 6, 0, false)) <= 0.05 {
			alarms++
		}
	}
	require.InDelta(t, 0.041, float64(alarms)/repetitions, 0.012) // exact for 6 and 6: P(U ≤ 5 or U ≥ 31) = 38/924
}
