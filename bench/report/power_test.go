package report

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// weather is what a shared machine does to trials. The figures are those of a 2-core VM in an ordinary hour.
type weather struct {
	drift    float64 // of the speed from one trial to the next: a random walk's step, as a share
	noise    float64 // of a single trial
	outliers float64 // share of trials in which a neighbour got in the way, and they took up to half as long again
}

var ordinaryHour = weather{drift: 0.01, noise: 0.02, outliers: 0.04}

// simulate makes the records of one run of the self-test's plan in which the arm burn is slower by a share.
func simulate(w weather, blocks int, share float64, seed uint64) record.Run {
	spec := plan.Quick()
	spec.Seed, spec.Blocks, spec.Patterns = seed, blocks, []plan.Pattern{plan.Few}
	spec.Arms = []plan.Arm{plan.Off, plan.Control, plan.Burn}
	p, err := plan.New(spec)
	if err != nil {
		panic(err)
	}
	run := record.Run{Header: record.Header{Started: time.Unix(0, 0), Plan: spec, Machine: record.Machine{CPUs: 2, ClientCPU: 1, NAPIPinned: true}}}
	rng := rand.New(rand.NewPCG(seed, 3))
	speed := 0.0
	for _, slot := range p.Slots {
		speed += w.drift * rng.NormFloat64()
		factor := math.Exp(speed + w.noise*rng.NormFloat64())
		if rng.Float64() < w.outliers {
			factor *= 1 + rng.Float64()/2
		}
		if slot.Arm == plan.Burn {
			factor *= 1 + share
		}
		run.Trials = append(run.Trials, trial(slot, factor, spec))
	}
	return run
}

// odds are how often an arm got which verdict.
func odds(t *testing.T, w weather, blocks int, share float64, runs int) map[stat.Verdict]int {
	t.Helper()
	counts := map[stat.Verdict]int{}
	for seed := range runs {
		s, err := Summarize(simulate(w, blocks, share, uint64(seed)))
		require.NoError(t, err)
		c, ok := s.compare(plan.Burn, plan.Off, plan.Few, cpuMetric)
		require.True(t, ok)
		counts[c.Verdict]++
	}
	return counts
}

// TestItFindsWhatIsThere puts the whole way from records to verdict to the test, on runs whose truth is known. Seeds are
// fixed, so the counts are, too; the bounds are what is promised, and the exact interval of the simulation keeps to them.
func TestItFindsWhatIsThere(t *testing.T) {
	t.Parallel()
	least := func(hits, runs int) float64 { return stat.Proportion(hits, runs, 0.99).Lo }
	most := func(hits, runs int) float64 { return stat.Proportion(hits, runs, 0.99).Hi }

	const runs, blocks = 800, 27 // more than are ranked exactly, which takes most of the time otherwise
	found := odds(t, ordinaryHour, blocks, 0.10, runs)
	t.Logf("10 %% slower: %v", found)
	require.Greater(t, least(found[stat.Slower], runs), 0.85)
	require.Zero(t, found[stat.Faster])
	require.Less(t, most(found[stat.NoDifference], runs), 0.02, "a tenth is never explained away")

	nothing := odds(t, ordinaryHour, blocks, 0, runs)
	t.Logf("no slower: %v", nothing)
	require.Less(t, most(nothing[stat.Slower]+nothing[stat.Faster], runs), 0.03, "false alarms")
	require.Greater(t, least(nothing[stat.NoDifference], runs), 0.80)

	// A restless machine makes the experiment say less, not more that is wrong.
	const few = 400
	restless := weather{drift: 0.05, noise: 0.10, outliers: 0.15}
	nothing = odds(t, restless, blocks, 0, few)
	t.Logf("no slower, on a restless machine: %v", nothing)
	require.Less(t, most(nothing[stat.Slower]+nothing[stat.Faster], few), 0.05)
	require.Greater(t, least(nothing[stat.Inconclusive], few), 0.5)
}
