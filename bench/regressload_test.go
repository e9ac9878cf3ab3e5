package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/regress"
	"supernode/bench/slices"
	"supernode/bench/stat"
)

// A self-test judges as a run does, its second run included.
func TestSelfTestJudgesAsARunDoes(t *testing.T) {
	series := func(ratio float64) (s slices.Series) {
		for i := range 12 {
			noise := 1 + 0.002*float64(i%3-1)
			s.Pairs = append(s.Pairs, stat.Pair{Base: 1000, Arm: 1000 * ratio * noise})
			s.Control = append(s.Control, stat.Pair{Base: 1000, Arm: 1000 * noise})
		}
		s.Metric = slices.Metric{Name: "cpu_ns_per_query", Unit: "ns/query", Better: stat.Lower}
		return s
	}
	same, slow, faster := series(1), series(1.2), series(0.8)
	require.Equal(t, slices.NotSlower, judgeSlices(same, nil))
	require.Equal(t, slices.NotSlower, judgeSlices(faster, nil))
	require.Equal(t, slices.Slower, judgeSlices(slow, nil))
	require.Equal(t, slices.Slower, judgeSlices(slow, &slow))
	require.Equal(t, slices.Undecided, judgeSlices(slow, &same), "the second run does not confirm it")
	require.Equal(t, slices.Undecided, judgeSlices(series(1.05), nil))

	got := endToEndSeries(slow)
	require.Equal(t, regress.KindEndToEnd, got.Kind)
	require.Equal(t, "cpu_ns_per_query", got.Name)
	require.Equal(t, slow.Pairs, got.Pairs)
	require.Equal(t, slow.Control, got.Control)
}
