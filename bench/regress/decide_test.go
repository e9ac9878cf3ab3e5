package regress

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"supernode/bench/stat"
)

// machine is one whose speed drifts, with pairs that differ from their neighbours by some noise, and now and then by
// a neighbour's burst on one side.
type machine struct {
	rng    *rand.Rand
	noise  float64 // standard deviation of a figure within its pair
	bursts float64 // share of figures that something else made dearer
}

func (m machine) pairs(n int, ratio float64) []Pair {
	out := make([]Pair, n)
	for i := range out {
		drift := math.Exp(0.1 * m.rng.NormFloat64())
		out[i] = Pair{Base: 300 * drift * m.figure(), Arm: 300 * drift * ratio * m.figure()}
	}
	return out
}

func (m machine) figure() float64 {
	f := math.Exp(m.noise * m.rng.NormFloat64())
	if m.rng.Float64() < m.bursts {
		f *= 1 + m.rng.ExpFloat64()
	}
	return f
}

func (m machine) series(n int, ratio float64) Series {
	return Series{
		Metric: Metric{Name: "Handle/ping", Unit: "ns/op", Kind: KindEndToEnd},
		Pairs:  m.pairs(n, ratio), Control: m.pairs(n, 1),
	}
}

// flat is a series in which every pair is the same.
func flat(n int, ratio, control float64) (s Series) {
	for range n {
		s.Pairs = append(s.Pairs, Pair{Base: 100, Arm: 100 * ratio})
		s.Control = append(s.Control, Pair{Base: 100, Arm: 100 * control})
	}
	return s
}

// spread is a control whose interval reaches from 1/(1+by) to 1+by.
func spread(n int, by float64) (pairs []Pair) {
	for i := range n {
		arm := 100 * (1 + by)
		if i%2 == 0 {
			arm = 100 / (1 + by)
		}
		pairs = append(pairs, Pair{Base: 100, Arm: arm})
	}
	return pairs
}

func TestDecide(t *testing.T) {
	rules := DefaultRules()
	for _, c := range []struct {
		name    string
		ratio   float64
		better  stat.Better
		pairs   int
		control []Pair
		want    Verdict
		why     string
	}{
		{"the same", 1, stat.Lower, 20, nil, NoRegression, ""},
		{"within the limit", 1.049, stat.Lower, 20, nil, NoRegression, ""},
		{"beyond the limit", 1.051, stat.Lower, 20, nil, Regression, ""},
		{"faster, not by much", 0.96, stat.Lower, 20, nil, NoRegression, ""},
		{"faster", 0.9, stat.Lower, 20, nil, Improvement, ""},
		{"more answers", 1.1, stat.Higher, 20, nil, Improvement, ""},
		{"fewer answers", 0.9, stat.Higher, 20, nil, Regression, ""},
		{"too few pairs", 2, stat.Lower, 5, nil, Inconclusive, "5 pairs and 5 of the control, at least 6"},
		{"no control", 2, stat.Lower, 20, []Pair{}, Inconclusive, "20 pairs and 0 of the control"},
		{"noisy control", 1.06, stat.Lower, 20, spread(20, 0.08), Inconclusive, "base may differ from itself by up to 8.0 %"},
		{"noisy control, nothing seen", 1, stat.Lower, 20, spread(20, 0.08), Inconclusive, "base may differ from itself by up to 8.0 %"},
		{"noisy control, dwarfed", 1.5, stat.Lower, 20, spread(20, 0.08), Regression, ""},
		{"noisy control, much faster", 0.5, stat.Lower, 20, spread(20, 0.08), Improvement, ""},
		{"control beyond the limit", 1.5, stat.Lower, 20, flat(20, 1.06, 1).Pairs, Inconclusive, "base differs from itself by 6.0 %"},
		{"control beyond the limit, downwards", 1.5, stat.Lower, 20, flat(20, 0.94, 1).Pairs, Inconclusive, "base differs from itself by 6."},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := flat(c.pairs, c.ratio, 1)
			s.Better = c.better
			if c.control != nil {
				s.Control = c.control
			}
			d := Decide(s, rules)
			require.Equal(t, c.want, d.Verdict, d.Why)
			if c.why == "" {
				require.Empty(t, d.Why)
			} else {
				require.Contains(t, d.Why, c.why)
			}
			require.InDelta(t, 100, d.Base, 1e-9)
			require.InDelta(t, 100*c.ratio, d.Head, 1e-9)
			require.Equal(t, 1, d.Runs)
		})
	}
}

// What benchstat would say is told for those who look for it: drift hides from it what pairs show.
func TestUnpaired(t *testing.T) {
	s := flat(20, 1.1, 1)
	s.Kind = KindInProcess
	for i := range s.Pairs {
		drift := 1 + float64(i)/10
		s.Pairs[i] = Pair{Base: 100 * drift, Arm: 110 * drift}
	}
	d := Decide(s, DefaultRules())
	require.Equal(t, Regression, d.Verdict)
	require.Less(t, d.P, 1e-6)
	require.Greater(t, d.Rough, 0.05)
	s.Kind = KindEndToEnd
	require.Zero(t, Decide(s, DefaultRules()).Rough)
}

func TestDecideBetween(t *testing.T) {
	s := flat(20, 1, 1)
	s.Pairs = spread(20, 0.07)
	d := Decide(s, DefaultRules())
	require.Equal(t, Inconclusive, d.Verdict)
	require.Equal(t, "a slow-down of 5.0 % is neither shown nor ruled out", d.Why)

	rules := DefaultRules()
	rules.Alpha = 1e-12
	d = Decide(flat(20, 1.2, 1), rules)
	require.Equal(t, Inconclusive, d.Verdict)
	require.Contains(t, d.Why, "the rank test does not agree")
}

func TestConfirm(t *testing.T) {
	rules := DefaultRules()
	bad, good := flat(20, 1.2, 1), flat(20, 1, 1)
	for _, c := range []struct {
		name         string
		first, again Series
		want         Verdict
		why          string
	}{
		{"confirmed", bad, bad, Regression, ""},
		{"not confirmed", flat(40, 1.2, 1), flat(10, 1.04, 1), Inconclusive, "did not confirm"},
		{"nothing came of the second run", bad, Series{}, Inconclusive, "no time for a second run"},
		{"too little came of the second run", bad, flat(5, 1.2, 1), Inconclusive, "no time for a second run: a regression in the first, 5 pairs in the second, at least 6 are needed"},
		{"contradicted", bad, flat(60, 1, 1), NoRegression, ""},
		{"ruled out by more pairs", Series{Pairs: spread(6, 0.07), Control: good.Control}, flat(40, 1, 1), NoRegression, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Confirm(c.first, c.again, rules)
			require.Equal(t, c.want, d.Verdict, d.Why)
			require.Contains(t, d.Why, c.why)
			require.Equal(t, len(c.again.Pairs) > 0, d.Runs == 2)
			require.Equal(t, len(c.first.Pairs)+len(c.again.Pairs), d.Ratio.N)
		})
	}
}

// Which way a figure improves, and in which unit it is measured, must make no difference.
func TestDecideSymmetry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := machine{rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)), noise: 0.02}
		s := m.series(12, rapid.Float64Range(0.8, 1.25).Draw(t, "ratio"))
		d := Decide(s, DefaultRules())

		other := s
		other.Better = stat.Higher
		other.Pairs, other.Control = inverse(s.Pairs), inverse(s.Control)
		o := Decide(other, DefaultRules())
		require.Equal(t, d.Verdict, o.Verdict)
		require.InEpsilon(t, d.Ratio.Lo, o.Ratio.Lo, 1e-9)
		require.InEpsilon(t, d.Ratio.Hi, o.Ratio.Hi, 1e-9)
	})
}

// inverse makes rates of times.
func inverse(pairs []Pair) []Pair {
	out := make([]Pair, len(pairs))
	for i, p := range pairs {
		out[i] = Pair{Base: 1e9 / p.Base, Arm: 1e9 / p.Arm}
	}
	return out
}

// TestErrorRates simulates whole jobs, confirmation included, on machines of different noise: what the rules promise must
// come out. The seed is fixed, the rates are not those of a machine that was measured.
func TestErrorRates(t *testing.T) {
	const runs = 100
	rules := DefaultRules()
	job := func(m machine, pairs int, ratio float64) Verdict {
		s := m.series(pairs, ratio)
		if d := Decide(s, rules); d.Verdict != Regression && d.Verdict != Inconclusive {
			return d.Verdict
		}
		return Confirm(s, m.series(pairs, ratio), rules).Verdict
	}
	for _, c := range []struct {
		name          string
		noise, bursts float64
		ratio         float64
		least, most   float64 // share of jobs that call a regression
	}{
		{"nothing", 0.02, 0.05, 1, 0, 0},
		{"nothing, on a bad machine", 0.10, 0.20, 1, 0, 0.005},
		{"at the limit", 0.02, 0.05, 1.05, 0, 0.05},
		{"10 %", 0.02, 0.05, 1.10, 0.98, 1},
		{"20 % on a bad machine", 0.10, 0.20, 1.20, 0.40, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := machine{rng: rand.New(rand.NewPCG(5, 8)), noise: c.noise, bursts: c.bursts}
			called := 0
			for range runs {
				if job(m, 25, c.ratio) == Regression {
					called++
				}
			}
			rate := float64(called) / runs
			require.GreaterOrEqual(t, rate, c.least)
			require.LessOrEqual(t, rate, c.most)
		})
	}
}

func TestGates(t *testing.T) {
	for _, c := range []struct {
		name   string
		gate   Gate
		broken bool
		limit  string
	}{
		{"none, none", Growth("allocations", "allocs/op", 0, 0, 0), false, "no more than base"},
		{"one more", Growth("allocations", "allocs/op", 0, 1, 0), true, "no more than base"},
		{"one less", Growth("allocations", "allocs/op", 2, 1, 0), false, "no more than base"},
		{"within", Growth("size", "B", 1000, 1020, 0.02), false, "at most 2 % more than base"},
		{"beyond", Growth("size", "B", 1000, 1021, 0.02), true, "at most 2 % more than base"},
		{"within slack", Slack("entries", "entries/flow", 1, 1.01, 0.01), false, "at most 0.01 more than base"},
		{"beyond slack", Slack("entries", "entries/flow", 0, 0.02, 0.01), true, "at most 0.01 more than base"},
		{"rounded", Growth("calls", "calls/datagram", 0.03125, 0.031250001, 0), false, "no more than base"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.broken, c.gate.Broken)
			require.Equal(t, c.limit, c.gate.Limit)
			require.Equal(t, c.broken, c.gate.Why != "")
		})
	}
}
