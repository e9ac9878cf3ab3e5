package report

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

func compared(t *testing.T, a, b world) Runs {
	t.Helper()
	x, y := imagine(a), imagine(b)
	y.Header.Started = testTime
	r, err := CompareRuns("old", x, "new", y)
	require.NoError(t, err)
	return r
}

func (r Runs) figure(arm plan.Arm, flows plan.Pattern, metric string) RunsRow {
	for _, f := range r.Figures {
		if f.Arm == arm && f.Flows == flows && f.Metric == metric {
			return f
		}
	}
	return RunsRow{}
}

// One machine twice: nothing differs, and it is said how little could.
func TestSameRuns(t *testing.T) {
	r := compared(t, world{blocks: 36}, world{blocks: 30})
	require.Empty(t, r.Warnings)
	require.Len(t, r.Effects, 2*2*len(metrics), "two arms, two patterns, every metric")
	require.Len(t, r.Figures, 4*2*len(metrics))
	for _, e := range r.Effects {
		require.Equal(t, stat.NoDifference, e.Verdict, "%+v", e)
	}
	require.Contains(t, r.Answers[0], "no difference, more than")
	require.Contains(t, differing(r), "blocks")
}

func differing(r Runs) (names []string) {
	for _, f := range r.Facts {
		if f.Differs {
			names = append(names, f.Name)
		}
	}
	return names
}

// Another machine is slower at everything, and tracking costs the same on it: figures differ, effects do not. Another
// kernel tracks more cheaply: effects differ.
func TestRunsThatDiffer(t *testing.T) {
	scaled := map[plan.Arm]float64{}
	for arm, cost := range ordinary {
		scaled[arm] = 1.5 * cost
	}
	r := compared(t, world{}, world{cost: scaled})
	slow := r.figure(plan.Off, plan.Many, cpuMetric)
	require.Equal(t, stat.Slower, slow.Verdict)
	require.InDelta(t, 1.5, slow.Ratio, 0.05)
	require.Equal(t, stat.Slower, r.figure(plan.Off, plan.Many, answersMetric).Verdict)
	e, ok := r.effectOf(plan.On, cpuMetric)
	require.True(t, ok)
	require.Equal(t, stat.NoDifference, e.Verdict)
	require.Equal(t, plan.Many, e.Flows)
	require.InDelta(t, 1.27, e.A.Median, 0.02)

	r = compared(t, world{header: func(h *record.Header) { h.Machine.Kernel = "6.1.0" }},
		world{cost: map[plan.Arm]float64{plan.Off: 1, plan.Control: 1, plan.On: 1.1, plan.Notrack: 1}})
	e, _ = r.effectOf(plan.On, cpuMetric)
	require.Equal(t, stat.Faster, e.Verdict)
	require.InDelta(t, 1.1/1.27, e.Ratio, 0.02)
	require.Contains(t, r.Answers[0], "it costs less in B")
	require.Equal(t, []string{"measured", "kernel"}, differing(r))
}

func TestRunsThatCannotBeCompared(t *testing.T) {
	fast := compared(t, world{}, world{header: func(h *record.Header) {
		h.Plan.Rate = 40_000
		h.Command = []string{"bench", "conntrack", "--server-cmd", "./other {addr}"}
	}})
	require.Len(t, fast.Warnings, 2)
	require.Contains(t, fast.Warnings[0], "the servers differ: supernode and ./other {addr}")
	require.Contains(t, fast.Warnings[1], "the rates differ: 80,000 and 40,000 queries/s")
	e, _ := fast.effectOf(plan.On, cpuMetric)
	require.Equal(t, stat.Inconclusive, e.Verdict)
	require.Contains(t, e.Reason, "the rates differ")
	require.NotEqual(t, stat.Inconclusive, fast.figure(plan.On, plan.Many, answersMetric).Verdict, "flat out the rate does not matter")

	biased := compared(t, world{}, world{bias: 0.02})
	require.Contains(t, biased.Warnings[0], "new is inconclusive by itself: the control differs")
	for _, f := range biased.Figures {
		require.Equal(t, stat.Inconclusive, f.Verdict)
		require.Equal(t, "new is inconclusive by itself", f.Reason)
	}
	for _, a := range biased.Answers {
		require.Contains(t, a, "cannot be said")
	}

	run := imagine(world{})
	same, err := CompareRuns("x", run, "y", run)
	require.NoError(t, err)
	require.Contains(t, same.Warnings[0], "is it one run, twice?")
	_, err = CompareRuns("x", run, "y", record.Run{})
	require.ErrorContains(t, err, "y: summarize run: no trial was recorded")
	require.Equal(t, "a b", serverOf(record.Header{Command: []string{"bench", "--server-cmd=a b"}}))
}

// The names are a contract with scripts, and every rendering holds what matters.
func TestRunsRenderings(t *testing.T) {
	r := compared(t, world{}, world{noise: 0.02})
	var doc map[string]any
	require.NoError(t, json.Unmarshal(rendered(t, r.WriteJSON), &doc))
	require.Subset(t, keys(doc), []string{"a", "b", "facts", "warnings", "answers", "figures", "effects", "rules"})
	require.Subset(t, keys(doc["effects"].([]any)[0]), []string{"arm", "base", "flows", "metric", "a", "b", "ratio", "lo", "hi", "verdict"})
	require.Subset(t, keys(doc["figures"].([]any)[0]), []string{"arm", "flows", "metric", "a", "b", "ratio", "lo", "hi", "verdict"})
	for _, write := range []func(io.Writer) error{r.Markdown, r.HTML, func(w io.Writer) error { return r.Table(w, true) }} {
		text := string(rendered(t, write))
		require.Contains(t, strings.ReplaceAll(text, "\u00a0", " "), r.Answers[0])
		require.Contains(t, text, "no difference")
		require.NotContains(t, text, "NaN")
		require.NotContains(t, text, "%!")
	}
	require.NotContains(t, string(rendered(t, func(w io.Writer) error { return r.Table(w, false) })), "\x1b")
}
