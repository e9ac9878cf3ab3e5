package trial

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/lab"
	"supernode/bench/measure"
	"supernode/bench/plan"
	"supernode/bench/record"
)

func TestWarnings(t *testing.T) {
	const interval = time.Second
	for _, c := range []struct {
		name    string
		elapsed time.Duration
		lost    lab.Losses
		want    []string // parts of each
	}{
		{"sound", interval, lab.Losses{ReceiveBuffer: 1}, nil},
		{"a little long", interval + 9*time.Millisecond, lab.Losses{}, nil},
		{"long", interval + 11*time.Millisecond, lab.Losses{}, []string{"more than 1 %"}},
		{"short", interval - 11*time.Millisecond, lab.Losses{}, []string{"more than 1 %"}},
		{"ring", interval, lab.Losses{Ring: 2}, []string{"ring"}},
		{"both", 2 * interval, lab.Losses{Ring: 2}, []string{"more than 1 %", "ring"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := warnings(plan.On, measure.Delta{Elapsed: c.elapsed}, result{IntervalNS: int64(interval)}, c.lost)
			require.Len(t, got, len(c.want))
			for i, part := range c.want {
				require.Contains(t, got[i], part)
			}
		})
	}
}

func TestCheckServer(t *testing.T) {
	r := &Rig{server: &server{process: process{role: "server", cmd: scripted("exit 0")}}}
	worked := measure.Delta{ServerNS: 1, Elapsed: silentTime / silentTrials}
	sound, late, silent := result{AnswersInInterval: early + 1}, result{Load: record.Load{Late: 1}}, result{}
	for range 2 {
		for range silentTrials - 1 {
			require.NoError(t, r.checkServer(worked, silent))
		}
		require.NoError(t, r.checkServer(worked, late), "slow is not dead")
		require.NoError(t, r.checkServer(worked, silent))
		require.NoError(t, r.checkServer(worked, sound))
	}
	require.ErrorContains(t, r.checkServer(measure.Delta{}, sound), "used no CPU time for 65 answers")
	require.NoError(t, r.checkServer(measure.Delta{}, result{AnswersInInterval: early}), "these may be of the warm-up")
	for range silentTrials - 1 {
		require.NoError(t, r.checkServer(worked, silent))
	}
	require.NoError(t, r.checkServer(worked, silent), "a little less than that long")
	require.EqualError(t, r.checkServer(worked, silent), "server /proc/self/exe has answered nothing in 4 trials")
}

// A table that is full lets no answer come to the generator, whose receive thread then has nothing to do.
func TestWarningsOfAFullTable(t *testing.T) {
	const interval = time.Second
	quiet := measure.Delta{Elapsed: interval, ServerNAPINS: 1}
	require.Empty(t, warnings(plan.Filled, quiet, result{IntervalNS: int64(interval)}, lab.Losses{}))
	quiet.ServerNAPINS = 0
	require.Len(t, warnings(plan.Filled, quiet, result{IntervalNS: int64(interval)}, lab.Losses{}), 1)
}

func TestSpare(t *testing.T) {
	const limit = 262_144
	closed := Load{Window: 256, Flows: 60_000, DurationS: 1}
	require.Zero(t, spare(plan.Filled, limit, closed))
	left := spare(plan.Raised, limit, closed)
	require.InDelta(t, 0.94, (limit-float64(left)+60_000)/limit, 0.001, "with the trial's flows")
	short := Load{Rate: 10_000, Flows: 60_000, WarmupS: 0.5, DurationS: 1}
	left = spare(plan.Raised, limit, short)
	require.InDelta(t, 0.94, (limit-float64(left)+15_000)/limit, 0.001, "with those that it comes to")
	require.EqualValues(t, 50_000, spare(plan.Raised, 50_000, closed), "no room for others")
}

func TestCheckEntries(t *testing.T) {
	for _, c := range []struct {
		arm      plan.Arm
		answered uint64
		others   uint64
		entries  uint64
		bad      bool
		warns    int
	}{
		{plan.Off, 9, 0, 0, false, 0}, {plan.Off, 9, 0, 1, true, 0},
		{plan.Control, 9, 0, 0, false, 0}, {plan.Control, 9, 0, 1, true, 0},
		{plan.On, 9, 0, 0, true, 0}, {plan.On, 9, 0, 1000, false, 0}, {plan.On, 0, 0, 0, false, 0},
		{plan.Raised, 9, 500, 500, true, 0}, {plan.Raised, 9, 500, 501, false, 0}, {plan.Raised, 0, 500, 500, false, 0},
		{plan.Filled, 0, 0, 0, true, 0}, {plan.Filled, 0, 500, 499, true, 0}, {plan.Filled, 0, 500, 500, false, 0},
		{plan.Notrack, 9, 0, 0, false, 0}, {plan.Notrack, 9, 0, 3, false, 1},
	} {
		trial := record.Trial{
			Slot: plan.Slot{Cell: plan.Cell{Arm: c.arm}}, Answered: c.answered,
			Conntrack: record.Conntrack{Entries: c.entries, Others: c.others},
		}
		err := checkEntries(&trial)
		require.Equal(t, c.bad, err != nil, "%s with %d: %v", c.arm, c.entries, err)
		require.Len(t, trial.Warnings, c.warns)
	}
}
