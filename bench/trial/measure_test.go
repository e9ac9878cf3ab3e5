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
			got := warnings(c.elapsed, result{IntervalNS: int64(interval)}, c.lost)
			require.Len(t, got, len(c.want))
			for i, part := range c.want {
				require.Contains(t, got[i], part)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	r := &Rig{server: &server{process: process{role: "server", cmd: scripted("exit 0")}}}
	sound := result{AnswersInInterval: 1}
	require.NoError(t, r.check(measure.Delta{ServerNS: 1}, sound))
	require.NoError(t, r.check(measure.Delta{ServerNS: 1}, result{Load: record.Load{Sent: 7, Late: 1}}), "slow is not dead")
	require.ErrorContains(t, r.check(measure.Delta{ServerNS: 1}, result{Load: record.Load{Sent: 7}}), "server /proc/self/exe answered none of 7 queries")
	require.ErrorContains(t, r.check(measure.Delta{}, sound), "used no CPU time for 1 answers")
}

func TestCheckEntries(t *testing.T) {
	for _, c := range []struct {
		arm     plan.Arm
		entries uint64
		bad     bool
		warns   int
	}{
		{plan.Off, 0, false, 0}, {plan.Off, 1, true, 0},
		{plan.Control, 0, false, 0}, {plan.Control, 1, true, 0},
		{plan.On, 0, true, 0}, {plan.On, 1000, false, 0},
		{plan.Notrack, 0, false, 0}, {plan.Notrack, 3, false, 1},
	} {
		trial := record.Trial{Slot: plan.Slot{Cell: plan.Cell{Arm: c.arm}}, Conntrack: record.Conntrack{Entries: c.entries}}
		err := checkEntries(&trial)
		require.Equal(t, c.bad, err != nil, "%s with %d: %v", c.arm, c.entries, err)
		require.Len(t, trial.Warnings, c.warns)
	}
}
