package main

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/trial"
)

func searching() *experiment {
	spec := plan.Full()
	spec.Seed = 10
	return &experiment{plan: plan.Plan{Spec: spec}, answers: 100_000}
}

// All arms are offered the same share of what the baseline answers.
func TestSearchLoad(t *testing.T) {
	r := searching()
	slot := plan.Slot{Block: 2, Cell: plan.Cell{Arm: plan.Off, Flows: plan.Many, Measure: plan.Load50}}
	l := r.searchLoad(slot, []float64{80_000, 90_000, 1})
	require.EqualValues(t, 40_000, l.Rate, "of the median")
	require.EqualValues(t, 12, l.Seed)
	require.Equal(t, r.plan.Searching.Load.Measure, time.Duration(l.DurationS*float64(time.Second)))
	require.Nil(t, l.Series)
	require.InDelta(t, plan.Many.Flows(), l.Prime.Rate*l.Prime.DurationS, 1, "every flow asks once before")
	require.Less(t, l.Prime.Rate, r.answers)
	slot.Arm = plan.On
	require.Equal(t, l, r.searchLoad(slot, []float64{80_000, 90_000, 1}))
	require.EqualValues(t, 50_000, r.searchLoad(slot, nil).Rate, "of the closed loop, where no search came to anything")

	require.EqualValues(t, 1, loadRate(plan.Load25, []float64{1}, 5))
	r.answers = 10
	require.LessOrEqual(t, r.searchLoad(slot, nil).Prime.DurationS, primeTime.Seconds())
}

// A search makes steps of the server until it knows the rate; what it may not blame on the server it does not.
func TestSearchSteps(t *testing.T) {
	r := searching()
	l := r.searchLoad(plan.Slot{Cell: plan.Cell{Arm: plan.On, Flows: plan.Few, Measure: plan.Search}}, nil)
	require.NotNil(t, l.Prime)
	var asked []trial.Load
	answer := func(load trial.Load) (t record.Trial, err error) {
		asked = append(asked, load)
		sent := load.Rate * load.DurationS
		switch {
		case len(asked) == 1:
			return t, trial.ErrSilent
		case len(asked) == 2:
			t.CPU = []record.CPU{{Steal: 50, Idle: 50}}
		}
		t.Answered = uint64(min(sent, 70_000*load.DurationS))
		t.Load = record.Load{Sent: uint64(sent), Answered: uint64(sent)} // a long queue at the socket hides what it cannot bear
		return t, nil
	}
	found, err := l.Series(answer)
	require.NoError(t, err)
	require.Len(t, found.Found, 2)
	require.InEpsilon(t, 70_000, found.Found[0].QPS, 0.04)
	require.EqualValues(t, 1, found.Steps[0].LossRatio, "silence is loss")
	require.NotEmpty(t, found.Steps[1].Disturbed)
	require.InDelta(t, 150_000, asked[0].Rate, 1)
	for _, load := range asked {
		require.Equal(t, plan.Few.Flows(), load.Flows)
		require.EqualValues(t, 10, load.Seed)
		require.NotNil(t, load.GraceS)
	}

	broken := errors.New("gone")
	_, err = l.Series(func(trial.Load) (record.Trial, error) { return record.Trial{}, broken })
	require.ErrorIs(t, err, broken)
}
