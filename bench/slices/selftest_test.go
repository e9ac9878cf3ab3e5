package slices

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/stat"
)

// plainly calls slower what is so by its median, and wants to see it twice.
func plainly(first Series, again *Series) Answer {
	slower := func(s Series) bool {
		e := stat.Bootstrap{Confidence: 0.95}.Ratio(s.Pairs)
		return e.Median > 1.05 && s.Better == stat.Lower || e.Median < 1/1.05 && s.Better == stat.Higher
	}
	switch {
	case again == nil && slower(first):
		return Undecided
	case again != nil && slower(*again):
		return Slower
	}
	return NotSlower
}

// What is slower is measured again, what is not is settled at first, and both are counted.
func TestDecideAndSum(t *testing.T) {
	test := SelfTest{Judge: plainly, Slowdowns: []float64{0, 0.10, 0.20}}
	costs := map[string]float64{Base: 5000, Control: 5000, "+0 %": 5000, "+10 %": 5500, "+20 %": 6000}
	once := map[string]float64{Base: 5000, Control: 5000, "+10 %": 5000, "+20 %": 6000}
	var f Findings
	for rep := range 4 {
		first, again := imagine(2*rep, costs, 6, fair), imagine(2*rep+1, costs, 6, fair)
		if rep == 3 { // of which 10 % were an accident
			again = imagine(2*rep+1, once, 6, fair)
		}
		r := Repetition{Seconds: 30 + float64(rep), slices: append(first, again...)}
		for _, share := range test.Slowdowns {
			r.Decisions = append(r.Decisions, test.decide(first, again, armName(share))...)
		}
		f.Repetitions = append(f.Repetitions, r)
	}
	f.sum(test.Slowdowns)
	require.Len(t, f.Rates, 3*4)
	slower := map[string]int{}
	for _, r := range f.Rates {
		require.Equal(t, 4, r.Slower.Of)
		require.Zero(t, r.Undecided.Hits)
		require.Zero(t, r.Alarms.Hits, "nothing is called slower at first by this judge")
		slower[r.Arm] = r.Slower.Hits
		switch r.Slowdown {
		case 0:
			require.Zero(t, r.Again.Hits)
		default:
			require.Equal(t, 4, r.Again.Hits)
		}
		if r.Metric == "cpu_ns_per_query" && r.Slowdown == 0.20 {
			require.InEpsilon(t, 1.2, r.Found.Median, 1e-6)
			require.Equal(t, 4*2*6, r.Found.N)
		}
	}
	require.Equal(t, map[string]int{"+0 %": 0, "+10 %": 3, "+20 %": 4}, slower)

	var page, table, doc bytes.Buffer
	require.NoError(t, f.Markdown(&page))
	require.NoError(t, f.Table(&table))
	require.Contains(t, page.String(), "| +20 % | any of the servers' metrics |  | 4/4 [39.8, 100.0] % | 0/4 | 0/4 | 0/4 | 4/4 |  |  |")
	require.Contains(t, page.String(), "A repetition took 32 s")
	require.Contains(t, table.String(), "+20.0 %")
	require.NoError(t, json.NewEncoder(&doc).Encode(f))
	require.NotContains(t, page.String()+table.String()+doc.String(), "NaN")
	require.NotContains(t, page.String()+table.String(), "%!")
}

func TestWorse(t *testing.T) {
	require.Equal(t, Slower, worse(Undecided, Slower))
	require.Equal(t, Undecided, worse(Undecided, NotSlower))
	require.Equal(t, NotSlower, worse(NotSlower, NotSlower))
	require.Equal(t, NotSlower, worse(NotSlower, NotCompared))
	require.Equal(t, NotCompared, worse(NotCompared, NotCompared))
}

// A self-test's decisions are as large as its time allows, and no larger than the job's.
func TestSelfTestFit(t *testing.T) {
	test := SelfTest{Server: "s {burn} {addr}", Null: "n {addr}", Generator: "g", Slowdowns: []float64{0, 0.05, 0.1, 0.2}, Reps: 20,
		Load: DefaultLoad(), Calibrate: 16, Job: Size{Rounds: 6, Blocks: 5}}
	require.NoError(t, test.Fit(22*time.Minute))
	require.GreaterOrEqual(t, test.Size.Rounds*test.Size.Blocks, leastBlocks)
	require.LessOrEqual(t, test.Estimate(), 22*time.Minute)
	require.NoError(t, test.Fit(5*time.Hour))
	require.Equal(t, test.Job, test.Size)
	require.ErrorIs(t, test.Fit(time.Minute), ErrTooShort)
}

// What the generator limits is neither measured again nor decided on.
func TestNotCompared(t *testing.T) {
	test := SelfTest{Judge: func(Series, *Series) Answer { return NotCompared }}
	costs := map[string]float64{Base: 5000, Control: 5000, "+0 %": 5000}
	list := test.decide(imagine(0, costs, 2, fair), imagine(1, costs, 2, fair), "+0 %")
	require.Len(t, list, 3)
	for _, d := range list {
		require.Equal(t, NotCompared, d.Answer)
		require.False(t, d.Confirmed)
	}
}

// A block's spread is that of the weather, and a longer measurement of it narrows the interval.
func TestNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	restless := func(int) float64 { return math.Exp(0.05 * rng.NormFloat64()) }
	costs := map[string]float64{Base: 5000, Control: 5000, Head: 5000}
	setting := Setting{Warmup: 40e6, Length: 152e6}
	list := noiseOf(imagine(0, costs, 400, restless), setting)
	require.Len(t, list, 3)
	for _, n := range list {
		require.Equal(t, 400, n.Pairs)
		// Two slices of head, and two each of base and control: 5 % × √(1/2 + 1/4).
		require.InDelta(t, 0.0433, n.Spread, 0.008, n.Metric)
		// 25 blocks of 12 slices of 200 ms make a minute.
		require.InEpsilon(t, 1.96*1.25*n.Spread/5, n.Minute, 1e-9)
	}
	var b bytes.Buffer
	require.NoError(t, NoiseTable(&b, list))
	require.Contains(t, b.String(), "152ms")
	require.NotContains(t, b.String(), "%!")
}
