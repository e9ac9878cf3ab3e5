package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/report"
	"supernode/bench/stat"
)

// False alarms are what is said of the third baseline; a control that is off forbids a verdict, and is counted apart.
func TestArmFindings(t *testing.T) {
	estimate := func(lo, ratio, hi float64) report.Control {
		return report.Control{Metric: "cpu_ns_per_query", Ratio: ratio, Lo: lo, Hi: hi, N: 27}
	}
	said := func(burn, same stat.Verdict, control report.Control) (r armRepetition) {
		r.take(report.Summary{Verdict: report.Conclusive, Control: control, Comparisons: []report.Comparison{
			{Arm: plan.Burn, Base: plan.Off, Metric: "cpu_ns_per_query", Verdict: burn, Ratio: 1.1},
			{Arm: plan.Same, Base: plan.Off, Metric: "cpu_ns_per_query", Verdict: same, Ratio: 1},
			{Arm: plan.Same, Base: plan.Off, Metric: "latency_p50_us", Verdict: stat.Slower, Ratio: 2},
		}})
		return r
	}
	f := armFindings{Repetitions: []armRepetition{
		said(stat.Slower, stat.NoDifference, estimate(0.99, 1, 1.01)),
		said(stat.Slower, stat.Faster, estimate(0.99, 1, 1.01)),
		said(stat.Slower, stat.Slower, estimate(0.99, 1, 1.01)),
		said(stat.Inconclusive, stat.Inconclusive, estimate(1.01, 1.02, 1.03)),
	}}
	f.sum()
	require.Equal(t, 2, f.FalseAlarms.Hits)
	require.Equal(t, 1, f.Anomalies.Hits)
	require.Equal(t, 3, f.Arms[0].Slower.Hits)
	require.Equal(t, plan.Same, f.Arms[1].Arm)
	var page, table bytes.Buffer
	require.NoError(t, f.Markdown(&page))
	require.NoError(t, f.Table(&table))
	for _, text := range []string{page.String(), table.String()} {
		require.Contains(t, text, "called slower or faster): 2/4 [7, 93] %")
		require.NotContains(t, text, "%!")
	}
}

// A trial without answers has no cost, and takes its block out.
func TestPairOf(t *testing.T) {
	p, ok := pairOf([]float64{4000, 5000}, []float64{6000, 7000})
	require.True(t, ok)
	require.Equal(t, stat.Pair{Base: 4500, Arm: 6500}, p)
	_, ok = pairOf([]float64{4000, 0}, []float64{6000, 7000})
	require.False(t, ok)
	_, ok = pairOf(nil, []float64{6000})
	require.False(t, ok)
}
