package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// half is a world whose server takes half the time: better at everything.
func half() world {
	cost := map[plan.Arm]float64{}
	for arm, c := range ordinary {
		cost[arm] = c / 2
	}
	return world{cost: cost}
}

// A run that its generator held back claims no more beside another than by itself.
func TestRunsThatTheGeneratorHeldBack(t *testing.T) {
	slow := world{edit: func(t *record.Trial) {
		if on(t.Slot, plan.Fixed) && t.Arm == plan.Off {
			t.Load.GeneratorLimited = true
		}
	}}
	r := compared(t, world{}, slow)
	for _, metric := range []string{p50Metric, p99Metric} {
		f := r.figure(plan.Off, plan.Many, metric)
		require.Equal(t, stat.Inconclusive, f.Verdict)
		require.Equal(t, "new: "+paceLostReason, f.Reason)
		e, ok := r.effectOf(plan.On, metric)
		require.True(t, ok)
		require.Equal(t, "new: "+paceLostReason, e.Reason)
		require.Equal(t, stat.NoDifference, r.figure(plan.On, plan.Many, metric).Verdict, "its own trials held the rate")
	}

	limit := func(t *record.Trial) {
		t.Load.GeneratorLimited = on(t.Slot, plan.Max)
		if t.Search != nil {
			t.Search.Found[0].Limited = true
		}
	}
	fast := half()
	fast.edit = limit
	r = compared(t, world{}, fast)
	for _, metric := range []string{answersMetric, maxQPSMetric, maxQPS05Metric} {
		f := r.figure(plan.Off, plan.Many, metric)
		require.Equal(t, stat.Faster, f.Verdict, metric)
		require.True(t, f.AtLeast, metric)
		e, _ := r.effectOf(plan.On, metric)
		require.Equal(t, stat.Inconclusive, e.Verdict, metric)
		require.Contains(t, e.Reason, "the generator, not the server")
	}
	require.Contains(t, string(rendered(t, r.Markdown)), "faster, at least")

	r = compared(t, world{edit: limit}, half())
	f := r.figure(plan.Off, plan.Many, answersMetric)
	require.Equal(t, stat.Inconclusive, f.Verdict, "the slower one might have been as fast")
	require.False(t, f.AtLeast)
}

func TestRunsApart(t *testing.T) {
	at := 4
	base := record.Header{Plan: plan.Full()}
	for says, edit := range map[string]func(*record.Header){
		"asked different things: dht and bep15":                   func(h *record.Header) { h.Payload = "bep15" },
		"asked different things: dht and dht (replies: offset 4)": func(h *record.Header) { h.ReplyAt = &at },
		"over two hosts":                                           func(h *record.Header) { h.Client = &record.Machine{} },
		"without root":                                             func(h *record.Header) { h.Unprivileged = true },
		"the rates with new flows differ":                          func(h *record.Header) { h.Plan.FreshRate = 1000 },
		"the times of a trial differ, fixed rate":                  func(h *record.Header) { h.Plan.Fixed.Warmup++ },
		"the times of a trial differ, flat out":                    func(h *record.Header) { h.Plan.Max.Measure++ },
		"the times that a search for the highest rate may take di": func(h *record.Header) { h.Plan.Searching.Long++ },
		"the times of a trial differ, latency by load":             func(h *record.Header) { h.Plan.Searching.Load.Measure++ },
		"the queries outstanding flat out differ":                  func(h *record.Header) { h.Plan.Window++ },
	} {
		other := base
		edit(&other)
		var all []string
		for _, m := range []plan.Measure{plan.Fixed, plan.Max, plan.Search, plan.Load25} {
			require.Empty(t, apartBy(m, plan.Fresh, base, base))
			all = append(all, apartBy(m, plan.Fresh, base, other))
		}
		require.Contains(t, strings.Join(all, "\n"), says)
		if strings.Contains(says, "new flows") {
			require.Empty(t, apartBy(plan.Fixed, plan.Many, base, other), "known flows are asked at the same rate")
		}
	}
	require.Equal(t, "dnsmasq", serverOf(record.Header{Client: &record.Machine{}, Versions: map[string]string{"server": "dnsmasq"}, Command: []string{"bench"}}))
}

// A share of another machine's highest rate is another rate: the latencies do not compare, what an arm adds to each does.
func TestLoadsOfferedApart(t *testing.T) {
	more := func(by float64) world {
		return world{edit: func(t *record.Trial) {
			if t.Measure.Share() > 0 {
				t.Load.OfferedQPS *= by
			}
		}}
	}
	metric := p50Metric + "_load50"
	r := compared(t, world{}, more(1.5))
	f := r.figure(plan.Off, plan.Many, metric)
	require.Equal(t, stat.Inconclusive, f.Verdict)
	require.Contains(t, f.Reason, "the rates offered at this load differ")
	e, ok := r.effectOf(plan.On, metric)
	require.True(t, ok)
	require.Equal(t, stat.NoDifference, e.Verdict, e.Reason)
	require.NotContains(t, compared(t, world{}, more(1.04)).figure(plan.Off, plan.Many, metric).Reason, "offered")
}

// A run whose main comparison stayed open is sound: what it measured compares.
func TestOpenRunCompares(t *testing.T) {
	open := world{edit: func(t *record.Trial) {
		if t.Arm == plan.On && t.Measure == plan.Fixed { // to and fro, block by block
			t.Server += t.Server * int64(t.Block%2) / 4
			t.Server -= t.Server * int64(1-t.Block%2) / 4
		}
	}, cost: map[plan.Arm]float64{plan.Off: 1, plan.Control: 1, plan.On: 1, plan.Notrack: 1}}
	s, err := Summarize(imagine(open))
	require.NoError(t, err)
	require.Equal(t, Inconclusive, s.Verdict)
	require.Empty(t, s.Control.Problem)
	r := compared(t, world{}, open)
	require.Contains(t, r.Warnings[0], "new leaves its own main comparison open: on against off")
	require.Equal(t, stat.NoDifference, r.figure(plan.Off, plan.Many, cpuMetric).Verdict)
}

// The few answers that a full table lets through are compared with nothing, in a run or between two.
func TestFullTableIsNotCompared(t *testing.T) {
	run := everything(t)
	for i := range run.Trials {
		if trial := &run.Trials[i]; trial.Arm == plan.Filled {
			trial.Answered, trial.Load.Latency.P50 = 10, 40
		}
	}
	s, err := Summarize(run)
	require.NoError(t, err)
	for _, c := range s.Comparisons {
		require.NotEqual(t, plan.Filled, c.Arm)
	}
	r, err := CompareRuns("x", run, "y", run)
	require.NoError(t, err)
	require.NotEmpty(t, r.Effects)
	for _, f := range r.Figures {
		require.NotEqual(t, plan.Filled, f.Arm)
	}
	for _, e := range r.Effects {
		require.NotEqual(t, plan.Filled, e.Arm)
	}
}
