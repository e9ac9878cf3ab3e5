package report

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/record"
)

// Where no block has both the exempted port and the tracked one, nothing is said of one against the other.
func TestCureWithoutACommonBlock(t *testing.T) {
	run := imagine(world{cost: map[plan.Arm]float64{plan.Off: 1, plan.Control: 1, plan.On: 1.27, plan.Notrack: 1}})
	run.Trials = slices.DeleteFunc(run.Trials, func(t record.Trial) bool {
		return t.Arm == plan.On && t.Block%2 == 0 || t.Arm == plan.Notrack && t.Block%2 == 1
	})
	s, err := Summarize(run)
	require.NoError(t, err)
	_, ok := s.compare(plan.Notrack, plan.On, plan.Many, cpuMetric)
	require.False(t, ok)
	c, ok := s.compare(plan.Notrack, plan.Off, plan.Many, cpuMetric)
	require.True(t, ok)
	require.Equal(t, s.cpuSentence(c), s.cureSentence(c))
}

// A new flow is set beside a known one only where both were asked at one rate, and a rate that could not be held is the
// pattern's own.
func TestRateOfNewFlows(t *testing.T) {
	run := everything(t)
	for i := range run.Trials {
		trial := &run.Trials[i]
		trial.Load.GeneratorLimited = trial.Flows == plan.Fresh && trial.Measure == plan.Fixed
	}
	s, err := Summarize(run)
	require.NoError(t, err)
	c, ok := s.compare(plan.On, plan.Off, plan.Fresh, cpuMetric)
	require.True(t, ok)
	require.Equal(t, s.cpuSentence(c), s.newSentence(c), "50,000 queries/s with new flows, 80,000 with known ones")
	limited := slices.IndexFunc(s.Notes, func(note string) bool {
		return note == "off/new, control/new, on/new, notrack/new, raised/new: the generator could not hold the rate of 50,000 queries/s in most trials"
	})
	require.GreaterOrEqual(t, limited, 0, s.Notes)

	s.Plan.FreshRate = 0
	require.Contains(t, s.newSentence(c), "one of 60,000 known flows")
	require.Contains(t, s.newSentence(c), "both at 80,000 queries/s.")
}
