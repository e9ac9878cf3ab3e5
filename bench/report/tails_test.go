package report

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/record"
)

// withHistogram gives a trial what the generator says of sent queries, all of 100 µs but the slowest in a few of a million.
func withHistogram(t *testing.T, trial *record.Trial, sent int64, slow map[int64]int64) {
	t.Helper()
	h := hdrhistogram.New(100, 60_000_000_000, 3)
	for us, n := range slow {
		require.NoError(t, h.RecordValues(us*1000, n))
		sent -= n
	}
	require.NoError(t, h.RecordValues(100_000, sent))
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	require.NoError(t, err)
	raw := fmt.Sprintf(`{"sent":%d,"latency_us":{"p50":100,"p99":100,"p99_9":100,"p99_99":%d},"latency_hdr":%q}`, h.TotalCount(), h.Max()/1000, text)
	require.NoError(t, json.Unmarshal([]byte(raw), &trial.Load))
}

// One trial in twelve has a tail. The median of the trials' percentiles does not see it, all their answers together do.
func TestTailsOfAllTrials(t *testing.T) {
	run := imagine(world{blocks: 12})
	for i := range run.Trials {
		trial := &run.Trials[i]
		if trial.Measure != plan.Fixed {
			continue
		}
		slow := map[int64]int64{900: 2}
		if trial.Block == 3 && trial.Arm == plan.On {
			slow = map[int64]int64{20_000: 1000}
		}
		withHistogram(t, trial, 28_000, slow)
	}
	s, err := Summarize(run)
	require.NoError(t, err)
	l := s.arm(plan.On, plan.Many).Latency
	require.InEpsilon(t, 20_000, l.P999.Median, 0.001, "1,000 of 336,000 are more than one in a thousand")
	require.InEpsilon(t, 20_000, l.P9999.Median, 0.001)
	require.False(t, l.P9999.Bounded(), "it has no interval")
	require.Equal(t, 12, l.P99.N, "the others are of each trial")
	off := s.arm(plan.Off, plan.Many).Latency
	require.InEpsilon(t, 100, off.P999.Median, 0.001)
	require.NotNil(t, off.P9999, "33 of 336,000 lie beyond")
}

// What too few answers lie beyond is not told, from a pool or from trials without a histogram.
func TestTailsNotTold(t *testing.T) {
	run := imagine(world{blocks: 6, edit: func(t *record.Trial) {
		t.Load.Latency.P9999 = 300
		if t.Measure == plan.Load25 {
			t.Load.Sent = 9_000
		}
	}})
	s, err := Summarize(run)
	require.NoError(t, err)
	a := s.arm(plan.Off, plan.Many)
	require.NotNil(t, a.Latency.P999, "80,000 answers a trial")
	require.Nil(t, a.Latency.P9999)
	require.NotNil(t, a.Loads[0].Latency.P99)
	require.Nil(t, a.Loads[0].Latency.P999, "9,000 answers a trial")

	for i := range run.Trials {
		if run.Trials[i].Measure == plan.Fixed {
			withHistogram(t, &run.Trials[i], 9_000, nil)
		}
	}
	s, err = Summarize(run)
	require.NoError(t, err)
	a = s.arm(plan.Off, plan.Many)
	require.NotNil(t, a.Latency.P999)
	require.Nil(t, a.Latency.P9999, "54,000 answers in all")
	_, ok := s.compare(plan.On, plan.Off, plan.Many, p999Metric)
	require.False(t, ok, "a comparison is of single trials")
	require.NotContains(t, string(rendered(t, s.Markdown)), "NaN")
	require.True(t, told(10_000, 0.999))
	require.False(t, told(9_999, 0.999))
}
