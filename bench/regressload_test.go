package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

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

// What the generator limited is told and not judged; a small budget compares nothing, and is no failure.
func TestWhatIsNotJudgedUnderLoad(t *testing.T) {
	var notes, omitted []string
	c := loadComparison{
		programs: regress.Programs{Base: "b", Head: "h", Loadgen: "g"}, rate: 1000, budget: time.Second,
		note: func(text string) { notes = append(notes, text) },
		omit: func(metric, why string) { omitted = append(omitted, metric+": "+why) },
	}
	doubtful := slices.Series{Metric: slices.Metric{Name: "answers_per_s"}, Doubt: "the generator is the limit"}
	out := c.take(slices.Result{
		Series:   []slices.Series{{Metric: slices.Metric{Name: "cpu_ns_per_query"}, Rounds: 3, Luck: 0.012}, doubtful},
		Slices:   []slices.Slice{{Duration: 100e6, Answered: 1, Steal: 10e6}, {Duration: 100e6, Problem: "silent"}},
		Warnings: []string{"a warning"},
	})
	require.Len(t, out, 1)
	require.Equal(t, []string{"answers_per_s: the generator is the limit"}, omitted)
	require.Equal(t, []string{"a warning", "2 slices, 1 left out; the host took 2.5 % of their time (steal)",
		"cpu_ns_per_query: medians of 3 rounds of new processes spread by 1.2 %"}, notes)
	require.Equal(t, slices.NotCompared, judgeSlices(doubtful, nil))

	out, err := compareUnderLoad(t.Context(), c, func(string) {})
	require.NoError(t, err)
	require.Empty(t, out)
	require.Contains(t, omitted[1], "servers under load: too little time")
}

func TestJobSize(t *testing.T) {
	size, err := jobSize()
	require.NoError(t, err)
	require.Greater(t, size.Rounds*size.Blocks, 20)
}

func TestLoadRecords(t *testing.T) {
	c := loadComparison{dir: filepath.Join(t.TempDir(), "out")}
	for _, c.only = range [][]string{nil, {"again"}} {
		file, err := c.records()
		require.NoError(t, err)
		_, err = file.WriteString("{}\n")
		require.NoError(t, err)
		require.NoError(t, file.Close())
	}
	text, err := os.ReadFile(filepath.Join(c.dir, slicesFile))
	require.NoError(t, err)
	require.Equal(t, "{}\n{}\n", string(text))
}
