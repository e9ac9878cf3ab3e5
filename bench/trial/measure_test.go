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
			got := warnings(measure.Delta{Elapsed: c.elapsed}, result{IntervalNS: int64(interval)}, c.lost)
			require.Len(t, got, len(c.want))
			for i, part := range c.want {
				require.Contains(t, got[i], part)
			}
		})
	}
}

func TestCheckServer(t *testing.T) {
	r := &Rig{server: &server{process: process{role: "server", cmd: scripted("exit 0")}}}
	worked := measure.Delta{ServerNS: 1}
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
	require.EqualError(t, r.checkServer(worked, silent), "server /proc/self/exe has answered nothing in 3 trials")
}

func TestCheckEntries(t *testing.T) {
	for _, c := range []struct {
		arm      plan.Arm
		answered uint64
		entries  uint64
		bad      bool
		warns    int
	}{
		{plan.Off, 9, 0, false, 0}, {plan.Off, 9, 1, true, 0},
		{plan.Control, 9, 0, false, 0}, {plan.Control, 9, 1, true, 0},
		{plan.On, 9, 0, true, 0}, {plan.On, 9, 1000, false, 0}, {plan.On, 0, 0, false, 0},
		{plan.Notrack, 9, 0, false, 0}, {plan.Notrack, 9, 3, false, 1},
	} {
		trial := record.Trial{
			Slot: plan.Slot{Cell: plan.Cell{Arm: c.arm}}, Answered: c.answered, Conntrack: record.Conntrack{Entries: c.entries},
		}
		err := checkEntries(&trial)
		require.Equal(t, c.bad, err != nil, "%s with %d: %v", c.arm, c.entries, err)
		require.Len(t, trial.Warnings, c.warns)
	}
}
