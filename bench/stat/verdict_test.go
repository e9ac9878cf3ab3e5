package stat

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func est(median, lo, hi float64) Estimate { return Estimate{median, lo, hi, 16} }

func TestCheckControl(t *testing.T) {
	r := DefaultRules()
	for _, c := range []struct {
		name  string
		ratio Estimate
		says  string
	}{
		{"good", est(1.002, 0.99, 1.01), ""},
		{"wide", est(1, 0.95, 1.05), ""},
		{"misses 1 above", est(1.01, 1.001, 1.02), "differs from the arm it repeats"},
		{"misses 1 below", est(0.99, 0.98, 0.999), "differs from the arm it repeats"},
		{"too few", Estimate{1, 1, 1, 4}, "4 pairs, at least 5"},
		{"none", Estimate{}, "0 pairs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := r.CheckControl(c.ratio)
			if c.says == "" {
				require.Empty(t, got)
			} else {
				require.Contains(t, got, c.says)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	r := DefaultRules()
	control := est(1, 0.985, 1.015)
	for _, c := range []struct {
		name   string
		ratio  Estimate
		want   Verdict
		reason string
	}{
		{"clearly more", est(1.27, 1.25, 1.29), Slower, ""},
		{"clearly less", est(0.8, 0.78, 0.82), Faster, ""},
		{"small but shown", est(1.03, 1.01, 1.05), Slower, ""},
		{"nothing, narrow", est(1.001, 0.99, 1.012), NoDifference, ""},
		{"shown, but the control shows as much", est(1.01, 1.005, 1.015), NoDifference, "smaller than what the control shows"},
		{"the same, wide", est(1.01, 1.002, 1.06), Inconclusive, "smaller than what the control shows"},
		{"nothing, wide", est(1.02, 0.97, 1.08), Inconclusive, "includes 1 and is wider"},
		{"too few", Estimate{2, 1.9, 2.1, 3}, Inconclusive, "3 pairs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, reason := r.Judge(c.ratio, control, r.Control, Lower)
			require.Equal(t, c.want, got)
			require.Contains(t, reason, c.reason)
		})
	}
	for _, c := range []struct {
		name    string
		control Estimate
		ratio   Estimate
		want    Verdict
		reason  string
	}{
		{"just narrow enough", est(1, 1/1.0399, 1.0399), est(1.001, 0.99, 1.012), NoDifference, ""},
		{"too wide above", est(1, 0.99, 1.05), est(1.001, 0.99, 1.012), Inconclusive, "the control's interval 0.990 to 1.050 is wider than ±4 %"},
		{"too wide below", est(1, 0.95, 1.01), est(1.001, 0.99, 1.012), Inconclusive, "wider than ±4 %"},
		{"too wide, and the effect within it", est(1, 0.9, 1.1), est(1.08, 1.07, 1.09), Inconclusive, "smaller than what the control shows"},
		{"too wide, and the effect beyond it", est(1, 0.9, 1.1), est(1.2, 1.1, 1.3), Slower, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, reason := r.Judge(c.ratio, c.control, r.Control, Lower)
			require.Equal(t, c.want, got)
			require.Contains(t, reason, c.reason)
		})
	}
	got, _ := r.Judge(est(1.2, 1.1, 1.3), control, r.Control, Higher)
	require.Equal(t, Faster, got, "more answers a second are better")
	got, _ = r.Judge(est(0.8, 0.7, 0.9), control, r.Control, Higher)
	require.Equal(t, Slower, got)
}

func ratios() *rapid.Generator[Estimate] {
	return rapid.Custom(func(t *rapid.T) Estimate {
		m := rapid.Float64Range(0.5, 2).Draw(t, "median")
		return est(m, m/rapid.Float64Range(1, 1.2).Draw(t, "down"), m*rapid.Float64Range(1, 1.2).Draw(t, "up"))
	})
}

func TestJudgeProperties(t *testing.T) {
	r := DefaultRules()
	rapid.Check(t, func(t *rapid.T) {
		ratio, control := ratios().Draw(t, "ratio"), ratios().Draw(t, "control")
		verdict, _ := r.Judge(ratio, control, r.Control, Lower)
		switch verdict {
		case Slower:
			require.Greater(t, ratio.Lo, 1.0)
			require.Greater(t, ratio.Median-1, 0.0)
			require.Greater(t, ratio.Median, control.Hi, "no claim smaller than what the control shows")
			require.Greater(t, ratio.Median, 1/control.Lo)
		case Faster:
			require.Less(t, ratio.Hi, 1.0)
			require.Less(t, ratio.Median, control.Lo)
		case NoDifference:
			require.LessOrEqual(t, Reach(ratio), r.Control*(1+1e-9))
		}
		// The mirrored measurement, in a quantity that improves the other way, is the same finding.
		mirrored := Estimate{1 / ratio.Median, 1 / ratio.Hi, 1 / ratio.Lo, ratio.N}
		same, _ := r.Judge(mirrored, control, r.Control, Higher)
		require.Equal(t, verdict, same)
	})
}

// simulate makes the log-ratio noise of a run of 16 blocks and two flow patterns as it has been seen,
// some two per cent, and judges an arm whose true ratio is given.
func simulate(rng *rand.Rand, truth float64) (Verdict, string) {
	r := DefaultRules()
	noisy := func(n int, ratio float64) []Pair {
		ps := make([]Pair, n)
		for i := range ps {
			block := 4000 * math.Exp(0.1*rng.NormFloat64())
			ps[i] = Pair{Base: block, Arm: block * ratio * math.Exp(0.02*rng.NormFloat64())}
		}
		return ps
	}
	control := standard.Ratio(noisy(32, 1))
	if why := r.CheckControl(control); why != "" {
		return Inconclusive, why
	}
	return r.Judge(standard.Ratio(noisy(16, truth)), control, r.Control, Lower)
}

func TestVerdictsAreRarelyWrong(t *testing.T) {
	const repetitions = 1000
	for _, c := range []struct {
		name  string
		truth float64
		right func(Verdict) bool // and how often it must be so
		least float64
		wrong func(Verdict) bool
		most  float64
	}{
		{"nothing there", 1, func(v Verdict) bool { return v == NoDifference }, 0.85,
			func(v Verdict) bool { return v == Slower || v == Faster }, 0.03},
		{"a quarter more", 1.25, func(v Verdict) bool { return v == Slower }, 0.93,
			func(v Verdict) bool { return v == Faster || v == NoDifference }, 0},
		{"five per cent less", 0.95, func(v Verdict) bool { return v == Faster }, 0.9,
			func(v Verdict) bool { return v == Slower || v == NoDifference }, 0.01},
	} {
		t.Run(c.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(8, 8))
			var right, wrong int
			for range repetitions {
				verdict, _ := simulate(rng, c.truth)
				if c.right(verdict) {
					right++
				}
				if c.wrong(verdict) {
					wrong++
				}
			}
			require.GreaterOrEqual(t, float64(right)/repetitions, c.least)
			require.LessOrEqual(t, float64(wrong)/repetitions, c.most)
		})
	}
}

func TestStealRules(t *testing.T) {
	r := DefaultRules()
	require.False(t, r.Stolen(0, 3e9))
	require.False(t, r.Stolen(1.5e8, 3e9), "exactly the limit is allowed")
	require.True(t, r.Stolen(1.6e8, 3e9))
	require.False(t, r.TooMany(0, 0))
	require.False(t, r.TooMany(10, 100))
	require.True(t, r.TooMany(11, 100))
}
