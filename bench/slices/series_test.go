package slices

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// imagine makes the slices of a set, in which a query of each subject takes so much CPU time, times what the machine makes
// of it at a moment: weather, by the slice's number in the set.
func imagine(number int, costs map[string]float64, blocks int, weather func(slice int) float64) (all []Slice) {
	var names []string
	for _, name := range []string{Base, Control, Head, Null, "+0 %", "+5 %", "+10 %", "+20 %", baseGenerator, controlGenerator, headGenerator} {
		if costs[name] > 0 {
			names = append(names, name)
		}
	}
	for block := range blocks {
		for i, m := range both {
			for place, subject := range Order(uint64(number), block, i, len(names)) {
				cost := costs[names[subject]] * weather(len(all))
				s := Slice{Subject: names[subject], Measure: m, Set: number, Block: block, Place: place, Duration: 200e6, Interval: 200e6}
				s.Answered = 10_000
				if m == plan.Max {
					s.Answered = uint64(200e6 / cost)
				}
				s.Sent = s.Answered
				s.Server, s.ServerNAPI = int64(cost*float64(s.Answered)*0.75), int64(cost*float64(s.Answered)*0.25)
				s.Client = s.Server
				all = append(all, s)
			}
		}
	}
	return all
}

func fair(int) float64 { return 1 }

// A machine that gets steadily slower, by a half over a block, makes no difference to a ratio.
func TestDriftCancels(t *testing.T) {
	const perBlock = 2 * 2 * 4
	drifting := func(slice int) float64 { return math.Pow(1.5, float64(slice)/perBlock) }
	costs := map[string]float64{Base: 5000, Control: 5000, Head: 5500, Null: 3000}
	for _, s := range ServerSeries(imagine(0, costs, 4, drifting), Head) {
		require.Len(t, s.Pairs, 4)
		require.Len(t, s.Control, 4)
		head, null := 1.1, 0.6
		if s.Better == stat.Higher {
			head, null = 1/1.1, 1/0.6
		}
		for i := range s.Pairs {
			require.InEpsilon(t, head, s.Pairs[i].Arm/s.Pairs[i].Base, 1e-3, s.Name)
			require.InEpsilon(t, 1, s.Control[i].Arm/s.Control[i].Base, 1e-3, s.Name)
			require.InEpsilon(t, null, s.Null[i].Arm/s.Null[i].Base, 1e-3, s.Name)
		}
	}
}

// A pair has base and control on one side; what lacks one of its two slices is left out of the block, with all that needs it.
func TestPairs(t *testing.T) {
	costs := map[string]float64{Base: 4000, Control: 6250, Head: 5500}
	all := imagine(0, costs, 3, fair)
	s := ServerSeries(all, Head)[0]
	require.Equal(t, "cpu_ns_per_query", s.Name)
	require.InEpsilon(t, 5000, s.Pairs[0].Base, 1e-9, "the geometric mean")
	require.InEpsilon(t, 5500, s.Pairs[0].Arm, 1e-9)
	require.InEpsilon(t, 4000, s.Control[0].Base, 1e-9)
	require.InEpsilon(t, 6250, s.Control[0].Arm, 1e-9)
	require.Empty(t, s.Null)

	spoil := func(subject string, block int, how func(*Slice)) {
		for i := range all {
			if all[i].Subject == subject && all[i].Block == block && all[i].Measure == plan.Fixed {
				how(&all[i])
				return
			}
		}
	}
	spoil(Control, 0, func(s *Slice) { s.Answered = 0 })
	spoil(Head, 1, func(s *Slice) { s.Problem = "the clock stood still" })
	spoiled := ServerSeries(all, Head)
	require.Len(t, spoiled[0].Pairs, 1)
	require.Len(t, spoiled[0].Control, 2)
	require.Len(t, spoiled[1].Pairs, 3, "the other measure is as it was")

	// Blocks of different sets are different blocks.
	require.Len(t, ServerSeries(append(imagine(1, costs, 3, fair), imagine(2, costs, 3, fair)...), Head)[0].Pairs, 6)
}

func TestGeneratorSeries(t *testing.T) {
	costs := map[string]float64{baseGenerator: 4000, controlGenerator: 4000, headGenerator: 5000, Null: 1}
	list := GeneratorSeries(imagine(0, costs, 2, fair))
	require.Len(t, list, 1)
	require.Len(t, list[0].Pairs, 2)
	require.InEpsilon(t, 1.25, list[0].Pairs[0].Arm/list[0].Pairs[0].Base, 1e-3)
	require.Empty(t, list[0].Null)
}

// CPU time was read over 2 % more time than answers were counted in, by a harness that came late: that is no cost.
func TestLateReader(t *testing.T) {
	s := Slice{Duration: 102e6, Interval: 100e6, Server: 40.8e6, ServerNAPI: 10.2e6, Answered: 10_000}
	require.InEpsilon(t, 5000, s.serverCost(), 1e-9)
	require.Zero(t, Slice{}.serverCost())
	require.Zero(t, rate(1, 0))
	require.InEpsilon(t, 50_000, rate(10_000, 200e6), 1e-9)
}

func TestSliceOf(t *testing.T) {
	var r record.Trial
	require.NoError(t, r.Load.UnmarshalJSON([]byte(`{"sent":9,"answered":8,"interval_ns":200000001}`)))
	r.Duration, r.Answered, r.Server, r.CPU = 200e6, 7, 5, []record.CPU{{Steal: 1e6}, {Steal: 2e6}}
	s, err := sliceOf(r)
	require.NoError(t, err)
	require.Equal(t, Slice{Duration: 200e6, Interval: 200000001, Sent: 9, Answered: 7, Server: 5, Steal: 3e6}, s)
	_, err = sliceOf(record.Trial{})
	require.ErrorContains(t, err, "interval")
}

// Answers a second tell of servers only where they were the limit; other metrics do not ask.
func TestIdleServer(t *testing.T) {
	costs := map[string]float64{Base: 5000, Control: 5000, Head: 5000}
	all := imagine(0, costs, 3, fair)
	for _, s := range ServerSeries(all, Head) {
		require.Empty(t, s.Doubt)
	}
	for i := range all {
		if all[i].Subject == Head && all[i].Measure == plan.Max {
			all[i].Answered = all[i].Answered * 4 / 5
			all[i].Server, all[i].ServerNAPI = all[i].Server*4/5, all[i].ServerNAPI*4/5
		}
	}
	list := ServerSeries(all, Head)
	require.Empty(t, list[0].Doubt)
	require.Empty(t, list[1].Doubt)
	require.Contains(t, list[2].Doubt, "the generator is the limit: the core of head was busy for 80 %")
}

// Rounds whose medians differ show it, whatever spreads within them.
func TestLuck(t *testing.T) {
	var all []Slice
	for round, cost := range []float64{5000, 5500, 6050} {
		for _, s := range imagine(0, map[string]float64{Base: 5000, Control: 5000, Head: cost}, 2, fair) {
			s.Round, s.Block = round, 2*round+s.Block
			all = append(all, s)
		}
	}
	s := ServerSeries(all, Head)[0]
	require.Equal(t, 3, s.Rounds)
	require.InEpsilon(t, 1.4826*math.Log(1.1), s.Luck, 1e-3)
}
