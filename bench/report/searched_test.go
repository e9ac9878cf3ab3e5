package report

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

func TestSearched(t *testing.T) {
	s, err := Summarize(imagine(world{}))
	require.NoError(t, err)
	off, on := s.arm(plan.Off, plan.Many), s.arm(plan.On, plan.Many)
	require.Equal(t, 5, off.MaxQPS.N)
	require.InEpsilon(t, 0.95*250_000, off.MaxQPS.Median, 0.1)
	require.Greater(t, off.MaxQPS05.Median, off.MaxQPS.Median)
	require.False(t, off.MaxLimited)
	require.Nil(t, off.Counters, "this machine has none")

	require.Len(t, on.Loads, 3)
	for i, share := range []float64{0.25, 0.5, 0.75} {
		require.Equal(t, share, on.Loads[i].Share)
		require.Equal(t, off.Loads[i].OfferedQPS.Median, on.Loads[i].OfferedQPS.Median, "arms are compared under the same load")
		require.Equal(t, 5, on.Loads[i].Latency.P99.N)
		require.Zero(t, *on.Loads[i].LossRatio)
		require.False(t, on.Loads[i].Limited)
	}
	for metric, verdict := range map[string]stat.Verdict{
		maxQPSMetric: stat.Slower, maxQPS05Metric: stat.Slower, p50Metric + "_load25": stat.Slower, p99Metric + "_load75": stat.Slower,
	} {
		c, ok := s.compare(plan.On, plan.Off, plan.Many, metric)
		require.True(t, ok, metric)
		require.Equal(t, verdict, c.Verdict, "%+v", c)
		require.Equal(t, 5, c.N)
	}

	var b bytes.Buffer
	require.NoError(t, Bench(&b, imagine(world{})))
	require.Contains(t, b.String(), "BenchmarkConntrack/measure=search/flows=many/arm=on ")
	require.Contains(t, b.String(), "max-queries/s-0.1%-lost")
}

// Latency under a load that the generator could not keep up with is shown, marked, and nothing is concluded from it.
func TestLoadsBeyondTheGenerator(t *testing.T) {
	s, err := Summarize(imagine(world{edit: func(t *record.Trial) {
		t.Load.GeneratorLimited = t.Measure == plan.Load75
	}}))
	require.NoError(t, err)
	loads := s.arm(plan.On, plan.Few).Loads
	require.Equal(t, []bool{false, false, true}, []bool{loads[0].Limited, loads[1].Limited, loads[2].Limited})
	c, _ := s.compare(plan.On, plan.Off, plan.Few, p50Metric+"_load75")
	require.Equal(t, stat.Inconclusive, c.Verdict)
	require.Contains(t, c.Reason, "generator")
	c, _ = s.compare(plan.On, plan.Off, plan.Few, p50Metric+"_load50")
	require.Equal(t, stat.Slower, c.Verdict)
}

// Of a search that the generator ended, the rate is a lower bound.
func TestSearchIsBoundByTheGenerator(t *testing.T) {
	s, err := Summarize(imagine(world{edit: func(t *record.Trial) {
		if t.Search != nil && !t.Tracking && t.Block > 0 {
			t.Search.Found[0].Limited = true
		}
	}}))
	require.NoError(t, err)
	require.True(t, s.arm(plan.Off, plan.Few).MaxLimited)
	require.False(t, s.arm(plan.On, plan.Few).MaxLimited)
	c, _ := s.compare(plan.On, plan.Off, plan.Few, maxQPSMetric)
	require.True(t, c.AtLeast, "%+v", c)
	require.Equal(t, stat.Slower, c.Verdict)
}

func TestHighest(t *testing.T) {
	for _, c := range []struct {
		found record.Found
		want  float64
	}{
		{record.Found{QPS: 100, AtMost: 102}, 100},
		{record.Found{QPS: 100, Limited: true}, 100},
		{record.Found{QPS: 100, AtMost: 109, Unfinished: true}, 100},
		{record.Found{QPS: 100, AtMost: 120, Unfinished: true}, 0},
		{record.Found{QPS: 100, Unfinished: true}, 0},
		{record.Found{AtMost: 1000}, 0},
	} {
		c.found.LossRatio = strictLoss
		require.Equal(t, c.want, maxQPS(record.Trial{Search: &record.Search{Found: []record.Found{c.found}}}), "%+v", c.found)
	}
	require.Zero(t, maxQPS(record.Trial{}))
	require.Zero(t, maxQPS05(record.Trial{Search: &record.Search{Found: []record.Found{{LossRatio: strictLoss, QPS: 1}}}}))
}

// What the machine did to a trial leaves it out; what it did to a step of a search left out the step.
func TestDisturbed(t *testing.T) {
	for _, c := range []struct {
		throttle record.Throttle
		want     string
	}{
		{record.Throttle{}, ""},
		{record.Throttle{Periods: 1}, "CPU quota"},
		{record.Throttle{Thermal: 1}, "heat"},
		{record.Throttle{KHzBefore: 2_000_000, KHzAfter: 1_700_000}, "frequency"},
		{record.Throttle{KHzBefore: 2_000_000, KHzAfter: 2_300_000}, "frequency"},
		{record.Throttle{KHzBefore: 2_000_000, KHzAfter: 1_900_000}, ""},
		{record.Throttle{KHzBefore: 2_000_000}, ""},
	} {
		trial := record.Trial{Slot: plan.Slot{Cell: plan.Cell{Arm: plan.Off}}, Duration: 1, Answered: 1, ServerNAPI: 1, Throttle: c.throttle}
		require.Contains(t, Disturbed(trial), c.want)
		require.Equal(t, c.want == "", Disturbed(trial) == "")
		require.Equal(t, Disturbed(trial), Excluded(trial))
		trial.Search = &record.Search{}
		require.Empty(t, Excluded(trial))
	}
}

func TestCounters(t *testing.T) {
	s, err := Summarize(imagine(world{edit: func(t *record.Trial) {
		n := t.Answered
		t.Counters = &record.Counters{
			Server:     record.Events{Cycles: 5 * n, Instructions: 7 * n},
			ServerNAPI: record.Events{Cycles: 2 * n, Instructions: 3 * n},
		}
	}}))
	require.NoError(t, err)
	c := s.arm(plan.On, plan.Many).Counters
	require.Equal(t, 7.0, c.Cycles.Median)
	require.Equal(t, 10.0, c.Instructions.Median)
	require.Nil(t, c.CacheMisses, "the processor does not count them")
}
