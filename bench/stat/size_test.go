package stat

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// shapes are ways for log ratios to scatter, with a standard deviation of about one.
var shapes = map[string]func(*rand.Rand) float64{
	"normal": (*rand.Rand).NormFloat64,
	"blunt": func(rng *rand.Rand) float64 { // the difference of two that are anywhere alike
		return math.Sqrt(6) * (rng.Float64() - rng.Float64())
	},
	"peaked": func(rng *rand.Rand) float64 { // Laplace
		return (rng.ExpFloat64() - rng.ExpFloat64()) / math.Sqrt2
	},
	"disturbed": func(rng *rand.Rand) float64 { // now and then a trial that something else ran beside
		if rng.Float64() < 0.1 {
			return 4 * rng.NormFloat64()
		}
		return 0.6 * rng.NormFloat64()
	},
}

func scatter(rng *rand.Rand, shape func(*rand.Rand) float64, sd float64, n int) []Pair {
	pairs := make([]Pair, n)
	for i := range pairs {
		pairs[i] = Pair{Base: 4000, Arm: 4000 * math.Exp(sd*shape(rng))}
	}
	return pairs
}

// A run of as many blocks as a pilot of sixteen pairs asks for is as fine as it should be nine times in ten, if that many
// are allowed.
func TestBlocksResolve(t *testing.T) {
	const pilots, pilotPairs, resolution, sd = 500, 16, 0.02, 0.03
	rules := DefaultRules()
	for name, shape := range shapes {
		rng := rand.New(rand.NewPCG(5, 8))
		fine, blocks := 0, 0
		for range pilots {
			spread, n := Spread(scatter(rng, shape, sd, pilotPairs))
			require.Equal(t, pilotPairs, n)
			size := rules.Blocks(spread, resolution, 5, 200)
			blocks += size
			ratio := rules.Bootstrap().Ratio(scatter(rng, shape, sd, size))
			if (math.Log(ratio.Hi)-math.Log(ratio.Lo))/2 <= math.Log1p(resolution) {
				fine++
			}
		}
		t.Logf("%s: %d blocks on average, %.1f %% are as fine", name, blocks/pilots, 100*float64(fine)/pilots)
		require.GreaterOrEqual(t, fine, pilots*9/10, name)
	}
}

func TestSpread(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sum := 0.0
	for range 500 {
		s, _ := Spread(scatter(rng, (*rand.Rand).NormFloat64, 0.05, 16))
		sum += s / 500
	}
	require.InEpsilon(t, 0.05, sum, 0.03, "of a normal distribution it is the standard deviation")

	spread, n := Spread([]Pair{{1, 1}, {0, 1}, {1, 0}})
	require.Zero(t, spread)
	require.Equal(t, 1, n, "a pair without a ratio says nothing")
	rapid.Check(t, func(t *rapid.T) {
		pairs := scatter(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), (*rand.Rand).NormFloat64, 0.1, rapid.IntRange(2, 30).Draw(t, "n"))
		a, _ := Spread(pairs)
		for i := range pairs {
			pairs[i].Arm *= 3
		}
		b, _ := Spread(pairs)
		require.InDelta(t, a, b, 1e-9, "how the arm differs must not matter")
	})
}

func TestHalfWidthAndBlocks(t *testing.T) {
	rules := DefaultRules()
	require.True(t, math.IsInf(rules.HalfWidth(0.01, 1), 1))
	rapid.Check(t, func(t *rapid.T) {
		spread, n := rapid.Float64Range(0.001, 0.5).Draw(t, "spread"), rapid.IntRange(2, 200).Draw(t, "n")
		require.Less(t, rules.HalfWidth(spread, n+1), rules.HalfWidth(spread, n))
		resolution := rapid.Float64Range(0.001, 0.2).Draw(t, "resolution")
		blocks := rules.Blocks(spread, resolution, 16, 300)
		require.GreaterOrEqual(t, blocks, 16)
		require.LessOrEqual(t, blocks, 300)
		if blocks < 300 {
			require.LessOrEqual(t, rules.HalfWidth(spread, blocks), resolution)
		}
		require.GreaterOrEqual(t, rules.Blocks(2*spread, resolution, 16, 300), blocks, "more noise, no fewer blocks")
	})
}
