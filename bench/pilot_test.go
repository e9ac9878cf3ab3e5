package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/stat"
)

// pairs scatter by about spread: half of them up by it and half down.
func pairs(n int, spread float64) (out []stat.Pair) {
	for i := range n {
		out = append(out, stat.Pair{Base: 1, Arm: 1 + spread*float64(2*(i%2)-1)})
	}
	return out
}

func TestSizedByAPilot(t *testing.T) {
	spec := plan.Full()
	quiet := sized(spec, pairs(16, 0.005))
	require.Equal(t, plan.LeastBlocks, quiet.Blocks)
	require.Equal(t, plan.LeastBlocks, quiet.Needed)
	require.Less(t, quiet.HalfWidth, spec.Resolution)

	noisy := sized(spec, pairs(16, 0.2))
	require.Equal(t, spec.Fitting(), noisy.Blocks, "no more than there is time for")
	require.Greater(t, noisy.Needed, noisy.Blocks)
	require.Greater(t, noisy.HalfWidth, spec.Resolution)
	require.Equal(t, 16, noisy.Pairs)

	spec.Resolution = 0.2
	require.Less(t, sized(spec, pairs(16, 0.2)).Needed, noisy.Needed, "who asks for less gets by with less")

	lost := sized(spec, pairs(2, 0.001))
	require.Equal(t, spec.Fitting(), lost.Blocks)
	require.Equal(t, 2, lost.Pairs)
}

func TestDescribePilot(t *testing.T) {
	for _, c := range []struct {
		pilot plan.Pilot
		says  string
	}{
		{plan.Pilot{Pairs: 16, Spread: 0.031, Needed: 30, Blocks: 30, HalfWidth: 0.0148},
			"the baseline scatters by 3.1 % against itself: 30 blocks should give intervals of ±1.5 %"},
		{plan.Pilot{Pairs: 16, Spread: 0.1, Needed: 400, Blocks: 39, HalfWidth: 0.04},
			"the baseline scatters by 10.0 % against itself: ±2.0 % would take 400 blocks, 14m0s leave time for 39, which should give ±4.0 %"},
		{plan.Pilot{Pairs: 16, Spread: 0.5, Needed: mostNeeded, Blocks: 39, HalfWidth: 0.2},
			"the baseline scatters by 50.0 % against itself: ±2.0 % would take 1000 or more blocks, 14m0s leave time for 39, which should give ±20.0 %"},
		{plan.Pilot{Pairs: 1, Needed: mostNeeded, Blocks: 39}, "the host disturbed the pilot: 39 blocks, as many as 14m0s leave time for"},
	} {
		spec := plan.Full()
		spec.Pilot = &c.pilot
		require.Equal(t, c.says, describePilot(spec))
	}
}

func TestControlPairs(t *testing.T) {
	slot := func(block int, arm plan.Arm, flows plan.Pattern) plan.Slot {
		return plan.Slot{Block: block, Cell: plan.Cell{Arm: arm, Flows: flows, Measure: plan.Fixed}}
	}
	require.ElementsMatch(t, []stat.Pair{{Base: 10, Arm: 11}, {Base: 20, Arm: 22}}, controlPairs(map[plan.Slot]float64{
		slot(0, plan.Off, plan.Few): 10, slot(0, plan.Control, plan.Few): 11,
		slot(0, plan.Off, plan.Many): 20, slot(0, plan.Control, plan.Many): 22,
		slot(1, plan.Off, plan.Few):     30, // its control was disturbed
		slot(2, plan.Control, plan.Few): 40,
	}))
}

func TestParseResolution(t *testing.T) {
	for text, want := range map[string]float64{"2%": 0.02, "2 %": 0.02, "0.02": 0.02, " 0.5% ": 0.005, "50%": 0.5} {
		got, err := parseResolution(text)
		require.NoError(t, err, text)
		require.InDelta(t, want, got, 1e-12, text)
	}
	for _, text := range []string{"", "%", "2", "0", "-2%", "51%", "0.05%", "two%", "NaN", "2%%"} {
		_, err := parseResolution(text)
		require.Error(t, err, "%q", text)
	}
}
