package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/slices"
	"supernode/bench/stat"
)

// simulated is a series of so many blocks, in which head is slower by a share, and the figure of each subject in a block
// strays from its truth by sigma, a share; every twentieth strays five times as far, and upwards.
func simulated(rng *rand.Rand, blocks int, share, sigma float64) (s slices.Series) {
	figure := func(truth float64) float64 {
		off := rng.NormFloat64()
		if rng.IntN(20) == 0 {
			off = 5 * math.Abs(off)
		}
		return truth * math.Exp(sigma*off)
	}
	for range blocks {
		base, control, head := figure(5000), figure(5000), figure(5000*(1+share))
		s.Pairs = append(s.Pairs, stat.Pair{Base: math.Sqrt(base * control), Arm: head})
		s.Control = append(s.Control, stat.Pair{Base: base, Arm: control})
	}
	return s
}

// called is how often the judge called what share of slow-down which way, after a second measurement where it asks for one.
func called(blocks int, share, sigma float64, runs int) map[slices.Answer]int {
	rng, counts := rand.New(rand.NewPCG(7, uint64(blocks))), map[slices.Answer]int{}
	for range runs {
		first := simulated(rng, blocks, share, sigma)
		answer := judgeSlices(first, nil)
		if answer != slices.NotSlower {
			again := simulated(rng, blocks, share, sigma)
			answer = judgeSlices(first, &again)
		}
		counts[answer]++
	}
	return counts
}

// What the rule can do with so many blocks on a machine of a given noise: the spread of a pair that bench selftest noise shows
// is 1.22 times sigma. Where it is 3 %, fourteen blocks and as many again find a tenth practically always; where it is 6 %,
// twice as many do.
func TestJudgePower(t *testing.T) {
	t.Parallel()
	const runs = 300
	least := func(hits int) float64 { return stat.Proportion(hits, runs, 0.99).Lo }
	for _, c := range []struct {
		blocks int
		sigma  float64
		tenth  float64 // is found so often at least
	}{{7, 0.025, 0.80}, {14, 0.025, 0.95}, {28, 0.05, 0.90}} {
		none, five := called(c.blocks, 0, c.sigma, runs), called(c.blocks, 0.05, c.sigma, runs)
		ten := called(c.blocks, 0.10, c.sigma, runs)
		t.Logf("%d blocks, a subject's figure off by %.1f %%: of none %v, of 5 %% %v, of 10 %% %v", c.blocks, 100*c.sigma, none, five, ten)
		require.Less(t, stat.Proportion(none[slices.Slower], runs, 0.99).Hi, 0.02, "false alarms")
		require.Less(t, five[slices.Slower], runs/20, "what is just at the limit is not beyond it")
		require.Greater(t, least(ten[slices.Slower]), c.tenth)
	}
	twenty := called(7, 0.20, 0.05, runs)
	t.Logf("7 blocks, 5 %% noise, of 20 %% %v", twenty)
	require.Zero(t, twenty[slices.NotSlower])
	require.Greater(t, least(twenty[slices.Slower]), 0.85)
}
