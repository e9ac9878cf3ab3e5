package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var standard = DefaultRules().Bootstrap()

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{
		{[]float64{3}, 3},
		{[]float64{5, 1}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		before := slices.Clone(c.in)
		require.Equal(t, c.want, Median(c.in))
		require.Equal(t, before, c.in, "the argument must stay as it is")
	}
	require.True(t, math.IsNaN(Median(nil)))
}

func values(least, most int) *rapid.Generator[[]float64] {
	return rapid.SliceOfN(rapid.Float64Range(0.1, 1e6), least, most)
}

func TestIntervalProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := values(1, 40).Draw(t, "xs")
		e := standard.Median(xs)
		require.Equal(t, len(xs), e.N)
		require.LessOrEqual(t, slices.Min(xs), e.Lo)
		require.LessOrEqual(t, e.Lo, e.Median)
		require.LessOrEqual(t, e.Median, e.Hi)
		require.LessOrEqual(t, e.Hi, slices.Max(xs))

		mixed := rapid.Permutation(xs).Draw(t, "mixed")
		require.Equal(t, e, standard.Median(mixed), "the order of the values must not matter")

		doubled := make([]float64, len(xs))
		for i, x := range xs {
			doubled[i] = 2 * x
		}
		require.Equal(t, Estimate{2 * e.Median, 2 * e.Lo, 2 * e.Hi, e.N}, standard.Median(doubled), "nor the unit")
	})
}

func TestPairedProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := values(1, 30).Draw(t, "base")
		factor := rapid.Float64Range(0.5, 2).Draw(t, "factor")
		pairs := make([]Pair, len(base))
		for i, b := range base {
			pairs[i] = Pair{Base: b, Arm: b * factor}
		}
		// However wild the blocks are, a factor that is the same in each of them is found exactly.
		ratio := standard.Ratio(pairs)
		require.InEpsilon(t, factor, ratio.Median, 1e-9)
		require.InEpsilon(t, factor, ratio.Lo, 1e-9)
		require.InEpsilon(t, factor, ratio.Hi, 1e-9)

		for i := range pairs {
			pairs[i].Arm = pairs[i].Base + 1024
		}
		diff := standard.Difference(pairs)
		require.InDelta(t, 1024, diff.Lo, 1e-6)
		require.InDelta(t, 1024, diff.Hi, 1e-6)

		// Seen from the other side, the interval is the same one.
		wild, mirrored := make([]Pair, len(base)), make([]Pair, len(base))
		for i, b := range base {
			wild[i] = Pair{Base: b, Arm: rapid.Float64Range(0.1, 1e6).Draw(t, "arm")}
			mirrored[i] = Pair{Base: wild[i].Arm, Arm: b}
		}
		there, back := standard.Ratio(wild), standard.Ratio(mirrored)
		require.InEpsilon(t, there.Median, 1/back.Median, 1e-9)
		require.InEpsilon(t, there.Lo, 1/back.Hi, 1e-9)
		require.InEpsilon(t, there.Hi, 1/back.Lo, 1e-9)
	})
}

func TestNothingToEstimate(t *testing.T) {
	require.Zero(t, standard.Median(nil))
	require.Zero(t, standard.Difference(nil))
	require.Zero(t, standard.Ratio([]Pair{{0, 1}, {1, 0}, {-1, 2}, {math.NaN(), 1}}), "pairs without a ratio are left out")
	require.Equal(t, 1, standard.Ratio([]Pair{{0, 1}, {2, 3}}).N)
}

// simulated is the textbook bootstrap: draw, take the median, repeat.
func simulated(sorted []float64, resamples int, rng *rand.Rand) []float64 {
	medians, sample := make([]float64, resamples), make([]float64, len(sorted))
	for i := range medians {
		for j := range sample {
			sample[j] = sorted[rng.IntN(len(sorted))]
		}
		medians[i] = Median(sample)
	}
	return medians
}

// What is computed must be what resampling comes to.
func TestBootstrapAgainstSimulation(t *testing.T) {
	const resamples = 20_000
	rng := rand.New(rand.NewPCG(21, 3))
	for _, n := range []int{1, 2, 3, 6, 7, 15, 16} {
		sorted := make([]float64, n)
		for i := range sorted {
			sorted[i] = rng.ExpFloat64()
		}
		if n > 6 {
			sorted[3] = sorted[2] // a tie
		}
		slices.Sort(sorted)
		medians := simulated(sorted, resamples, rng)
		slices.Sort(medians)
		passed, computed := 0.0, bootstrapMedians(sorted)
		for i, w := range computed {
			passed += w.probability
			at, _ := slices.BinarySearch(medians, math.Nextafter(w.value, math.Inf(1))) // how many are at most w.value
			if i+1 == len(computed) || computed[i+1].value > w.value {                  // the last of equal values
				require.InDelta(t, float64(at)/resamples, passed, 0.015, "%d values, at most %g", n, w.value)
			}
		}
		require.InDelta(t, 1, passed, 1e-9, "probabilities of %d values", n)
	}
}

func TestBootstrapByHand(t *testing.T) {
	// Three values: a median at the lowest needs two or three draws of it, 3·(1/3)²·(2/3)+(1/3)³ = 7/27.
	three := bootstrapMedians([]float64{1, 2, 3})
	require.InDelta(t, 7.0/27, three[0].probability, 1e-12)
	require.InDelta(t, 13.0/27, three[1].probability, 1e-12)
	require.InDelta(t, 7.0/27, three[2].probability, 1e-12)
	// Two values: both draws equal, or one of each.
	two := bootstrapMedians([]float64{1, 3})
	require.Equal(t, []float64{1, 2, 3}, []float64{two[0].value, two[1].value, two[2].value})
	require.InDelta(t, 0.25, two[0].probability, 1e-12)
	require.InDelta(t, 0.5, two[1].probability, 1e-12)
}

func TestManyValues(t *testing.T) {
	xs := make([]float64, 1500)
	for i := range xs {
		xs[i] = float64(i)
	}
	e := standard.Median(xs)
	require.InDelta(t, 749.5, e.Median, 1e-9)
	// Half the width is close to 1.96·√n/2.
	require.InDelta(t, 38, e.Hi-e.Median, 1.5)
	require.InDelta(t, 38, e.Median-e.Lo, 1.5)
}

// distributions give a value and know their median. They are what benchmark noise looks like, and worse.
var distributions = map[string]struct {
	median float64
	draw   func(*rand.Rand) float64
}{
	"normal":      {0, (*rand.Rand).NormFloat64},
	"lognormal":   {1, func(r *rand.Rand) float64 { return math.Exp(r.NormFloat64()) }},
	"exponential": {math.Ln2, (*rand.Rand).ExpFloat64},
	"uniform":     {0.5, (*rand.Rand).Float64},
	"cauchy":      {0, func(r *rand.Rand) float64 { return math.Tan(math.Pi * (r.Float64() - 0.5)) }},
	"one in ten disturbed": {0, func(r *rand.Rand) float64 {
		if r.IntN(10) == 0 {
			return 10 * r.NormFloat64()
		}
		return r.NormFloat64()
	}},
}

// A 95 % interval has to hold the true median in about 95 of 100 repetitions. The sizes are those that
// runs have: 6 blocks, 12 when the control of both flow patterns is pooled, 16, and 32.
func TestIntervalsCoverTheTruth(t *testing.T) {
	const repetitions = 1500
	for name, d := range distributions {
		for _, n := range []int{6, 12, 16, 32} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				t.Parallel()
				rng := rand.New(rand.NewPCG(uint64(n), 99))
				covered := 0
				xs := make([]float64, n)
				for range repetitions {
					for j := range xs {
						xs[j] = d.draw(rng)
					}
					if standard.Median(xs).Contains(d.median) {
						covered++
					}
				}
				share := float64(covered) / repetitions
				require.GreaterOrEqual(t, share, 0.92)
				require.LessOrEqual(t, share, 0.98)
			})
		}
	}
}

// The package doc says that sizes in between never fall short either.
func TestIntervalsNeverFallShort(t *testing.T) {
	const repetitions = 1500
	for n := 5; n <= 15; n++ {
		rng := rand.New(rand.NewPCG(uint64(n), 5))
		covered := 0
		xs := make([]float64, n)
		for range repetitions {
			for j := range xs {
				xs[j] = rng.ExpFloat64()
			}
			if standard.Median(xs).Contains(math.Ln2) {
				covered++
			}
		}
		require.GreaterOrEqual(t, float64(covered)/repetitions, 0.92, "%d values", n)
	}
}

// Tables of Student's t, two-sided 95 % and 99 %, as in any textbook.
func TestStudentQuantile(t *testing.T) {
	for _, c := range []struct {
		freedom   int
		t95, t99  float64
		tolerance float64
	}{
		{1, 12.706, 63.657, 6e-4},
		{2, 4.303, 9.925, 6e-4},
		{3, 3.182, 5.841, 6e-4},
		{4, 2.776, 4.604, 6e-4},
		{5, 2.571, 4.032, 6e-4},
		{15, 2.131, 2.947, 6e-4},
		{30, 2.042, 2.750, 6e-4},
		{120, 1.980, 2.617, 6e-4},
	} {
		require.InDelta(t, c.t95, studentQuantile(0.975, c.freedom), c.tolerance, "freedom %d", c.freedom)
		require.InDelta(t, c.t99, studentQuantile(0.995, c.freedom), c.tolerance, "freedom %d", c.freedom)
	}
}

func TestExpandedTail(t *testing.T) {
	require.InDelta(t, 0.0024, expandedTail(0.025, 6), 5e-5)
	require.InDelta(t, 0.0139, expandedTail(0.025, 16), 5e-5)
	require.InDelta(t, 0.025, expandedTail(0.025, 5000), 5e-5, "with many values nothing needs expanding")
}
