package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/record"
)

// everything makes the records of a run of all arms and patterns, in which the full table drops all queries, and ten
// packets of the server's own in each trial.
func everything(t *testing.T) record.Run {
	t.Helper()
	spec := plan.Full()
	spec.Blocks, spec.Rare = 27, 9
	spec.Seed, spec.FreshRate = 3, 50_000
	p, err := plan.New(spec)
	require.NoError(t, err)
	cost := map[plan.Arm]float64{plan.Off: 1, plan.Control: 1, plan.On: 1.27, plan.Notrack: 1.15, plan.Raised: 1.31, plan.Filled: 0.4}
	run := record.Run{Header: record.Header{
		Plan: spec, Command: []string{"bench", "conntrack"},
		Machine: record.Machine{Arch: "amd64", CPUs: 2, ClientCPU: 1, NAPIPinned: true},
	}}
	for i, slot := range p.Slots {
		offered := spec
		offered.Rate = spec.RateOf(slot.Flows)
		trial := trial(slot, cost[slot.Arm]*(1+0.001*float64(i%7)), offered)
		trial.Load.Flows = spec.FlowsOf(slot.Flows)
		switch own := uint64(10); slot.Arm {
		case plan.Raised:
			trial.Conntrack = record.Conntrack{Entries: 246_000, Others: 186_000}
		case plan.Filled:
			trial.Load.Lost, trial.Load.Latency, trial.Answered = trial.Load.Sent, record.Latency{}, 0
			trial.Conntrack = record.Conntrack{Entries: 262_144, Others: 262_144, Drop: trial.Load.Sent + own, OwnDrop: &own}
		}
		run.Trials = append(run.Trials, trial)
	}
	return run
}

func TestRareCells(t *testing.T) {
	run := everything(t)
	s, err := Summarize(run)
	require.NoError(t, err)
	require.Equal(t, Conclusive, s.Verdict, s.Reasons)
	require.Zero(t, s.Trials.Excluded, s.Trials.Why)
	require.Zero(t, s.Trials.Lost)
	require.Len(t, s.Arms, 6+5+5, "full is measured with one pattern")

	full := s.arm(plan.Filled, plan.Many)
	require.Equal(t, run.Header.Plan.Rare, full.Trials)
	require.InDelta(t, 1, *full.LossRatio, 0)
	require.InDelta(t, 1, *full.LossExplained, 1e-6, "the server's own packets are no queries")
	require.Nil(t, full.CPU, "nothing was answered")
	require.InDelta(t, 1600, full.OfferedCPU.Median, 20)
	require.InDelta(t, s.arm(plan.Off, plan.Many).CPU.Median, s.arm(plan.Off, plan.Many).OfferedCPU.Median, 1, "all were answered")
	require.Nil(t, s.arm(plan.On, plan.Many).LossExplained)

	raised, ok := s.compare(plan.Raised, plan.Off, plan.Fresh, cpuMetric)
	require.True(t, ok)
	require.Equal(t, run.Header.Plan.Rare, raised.N, "pairs of the blocks that have both")
	require.Equal(t, run.Header.Plan.FlowsOf(plan.Fresh), s.arm(plan.On, plan.Fresh).FlowCount)
	require.Nil(t, s.arm(plan.On, plan.Fresh).AnswersPerS)

	var page bytes.Buffer
	require.NoError(t, s.Markdown(&page))
	require.NoError(t, s.Table(&page, false))
	require.NoError(t, Bench(&page, run))
	for text, want := range map[string]bool{
		"NaN": false, "%!": false,
		"every query from a new flow at 50,000 queries/s": true,
		"which explains 100.00 % of those that were lost": true,
		"flows=many/arm=full 80000 16":                    true,
		"flows=many/arm=full 0":                           false,
		" cpu-ns/offered\n":                               true,
	} {
		require.Equal(t, want, strings.Contains(page.String(), text), text)
	}
}

// What the kernel says against a trial's arm is a reason to leave it out, and what the arm does is not.
func TestRareCellsAreProven(t *testing.T) {
	for _, trial := range everything(t).Trials {
		require.Empty(t, Excluded(trial), trial.Cell)
		tracked, emptied, exempt := trial, trial, trial
		switch trial.Arm {
		case plan.Filled:
			emptied.Conntrack.Drop = 0
			require.Contains(t, Excluded(emptied), "dropped nothing")
			emptied.Load.Sent = 0
			require.Contains(t, Excluded(emptied), "nothing was asked")
		case plan.Raised:
			tracked.Tracking = false
			require.Contains(t, Excluded(tracked), "not active")
		case plan.Notrack:
			if trial.Flows == plan.Fresh {
				exempt.Conntrack.Entries = uint64(trial.Load.Flows) / 2
				require.Contains(t, Excluded(exempt), "was tracked")
			}
		}
	}
}
