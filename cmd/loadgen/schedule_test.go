package main

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestProfileForms(t *testing.T) {
	for _, tt := range []struct {
		text, back    string
		queries, peak float64
		duration      time.Duration
		err           string
	}{
		{text: "1000@10s", back: "1000@10s", queries: 10_000, peak: 1000, duration: 10 * time.Second},
		{text: "1000@10s, 20000@5s,20000..100000@30s", back: "1000@10s,20000@5s,20000..100000@30s", queries: 10_000 + 100_000 + 1_800_000,
			peak: 100_000, duration: 45 * time.Second},
		{text: "0..10@1m,10..0@500ms", back: "0..10@1m0s,10..0@500ms", queries: 302.5, peak: 10, duration: 60_500 * time.Millisecond},
		{text: "5..5@2s", back: "5@2s", queries: 10, peak: 5, duration: 2 * time.Second},
		{text: "0.5@10s", back: "0.5@10s", queries: 5, peak: 0.5, duration: 10 * time.Second},
		{text: "1e3@1s", back: "1000@1s", queries: 1000, peak: 1000, duration: time.Second},
		{text: "", err: `"": must be RATE@DURATION`},
		{text: "1000", err: `"1000": must be RATE@DURATION`},
		{text: "1000@10", err: `"1000@10": must be RATE@DURATION`},
		{text: "1000@0s", err: "must take longer than 0"},
		{text: "1000@-1s", err: "must take longer than 0"},
		{text: "x@1s", err: `rate "x" must be queries a second`},
		{text: "1..@1s", err: `rate "" must be queries a second`},
		{text: "-1..2@1s", err: `rate "-1" must be queries a second`},
		{text: "NaN@1s", err: `rate "NaN" must be`},
		{text: "1e9@1s", err: "0 to 10000000"},
		{text: "max@1s", err: `rate "max" must be`},
		{text: "5@1s,", err: `"": must be`},
		{text: "0@10s", err: "not a single query"},
		{text: "1@2000000h,1@2000000h", err: "longer than 292 years"},
	} {
		var p profile
		err := p.Set(tt.text)
		if tt.err != "" {
			require.ErrorContains(t, err, tt.err, "%q", tt.text)
			require.Nil(t, p)
			continue
		}
		require.NoError(t, err, "%q", tt.text)
		require.Equal(t, tt.back, p.String())
		require.InDelta(t, tt.queries, p.queries(), 1e-6)
		require.Equal(t, tt.peak, p.peak())
		require.Equal(t, tt.duration, p.duration())
		require.InDelta(t, tt.queries/tt.duration.Seconds(), p.mean(), 1e-6)
	}
}

// FuzzProfile: what is accepted is written back so that it means the same, and has a schedule whose queries come in order.
func FuzzProfile(f *testing.F) {
	for _, text := range []string{"1000@10s", "0..5@1s,5@1h,5..0@1ns", "1e7@1h", "1..2@1s, 3..4@1m"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p, again profile
		if p.Set(text) != nil {
			return
		}
		require.NoError(t, again.Set(p.String()))
		require.Equal(t, p, again)
		c := newCurve(0, p)
		last := 0.0
		for k := range 100 {
			at := c.at(float64(k) * p.queries() / 100)
			require.GreaterOrEqual(t, at, last*(1-1e-9), "query %d", k)
			last = at
		}
		require.LessOrEqual(t, last, p.duration().Seconds()*(1+1e-9))
	})
}

// at and by are each other's inverse, wherever there are queries at all.
func TestCurveIsItsOwnInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProfile(t)
		c := newCurve(time.Duration(rapid.Int64Range(0, 2e9).Draw(t, "warmup")), p)
		n := rapid.Float64Range(0, c.by(1e3)).Draw(t, "n")
		if at := c.at(n); !math.IsInf(at, 1) && math.Abs(c.by(at)-n) > 1e-6*(1+n) {
			t.Fatalf("count %v at %v, and by then %v", n, at, c.by(at))
		}
		from := rapid.Float64Range(0, 1e3).Draw(t, "from")
		if c.by(from+1e-3) < c.by(from)-1e-6 || c.rate(from) < 0 {
			t.Fatalf("fewer queries by %v than a millisecond before", from)
		}
	})
}

func drawProfile(t *rapid.T) (p profile) {
	rates := rapid.SampledFrom([]float64{0, 0.5, 10, 1000, 123_456})
	for range rapid.IntRange(1, 5).Draw(t, "legs") {
		p = append(p, leg{
			from: rates.Draw(t, "from"), to: rates.Draw(t, "to"),
			duration: time.Duration(rapid.Int64Range(1e6, 5e9).Draw(t, "duration")),
		})
	}
	return p
}

// Whatever the schedule, the threads' queries together are the whole's: evenly one after the other at the same times, or at
// random as many as are to be expected.
func TestThreadsShareTheSchedule(t *testing.T) {
	for _, text := range []string{"", "1000@1s,0@200ms,1000..9000@1s,9000..0@300ms"} {
		p := params{rate: 7000, warmup: 100 * time.Millisecond, duration: 2500 * time.Millisecond, seed: 3}
		if text != "" {
			require.NoError(t, p.profile.Set(text))
			p.follow(p.profile)
		}
		end := 7 + int64(p.warmup+p.duration)
		whole := dueTimes(p, 7, end)
		for _, threads := range []int{2, 3, 16} {
			var all []int64
			for i := range threads {
				p.part = part{i, threads}
				all = append(all, dueTimes(p, 7, end)...)
			}
			slices.Sort(all)
			require.Equal(t, whole, all, "%q, %d threads", text, threads)
			p.part = part{}
		}
		want := float64(p.rate)*p.duration.Seconds() + 700
		if text != "" {
			want = p.profile.queries() + 100
		}
		require.InDelta(t, want, len(whole), 1)
	}
}

// dueTimes are when the queries of a trial are due before end.
func dueTimes(p params, start, end int64) (at []int64) {
	c := paceOf(&p, start)
	for c.limit = end; !c.complete(); c.next++ {
		at = append(at, c.due(c.next))
	}
	return at
}

// Gaps are exponential, whatever part of the whole they are of: by Kolmogorov and Smirnov's test, their mean, and by what
// is expected of numbers in equal times (variance as the mean).
func TestPoissonArrivals(t *testing.T) {
	const rate, length = 50_000, 4.0
	for _, threads := range []int{1, 3} {
		var all []int64
		for i := range threads {
			p := params{rate: rate, duration: time.Hour, seed: 11, arrivals: arrivePoisson, part: part{i, threads}}
			own := dueTimes(p, 0, length*1e9)
			requireExponential(t, own, rate/float64(threads))
			all = append(all, own...)
		}
		slices.Sort(all)
		requireExponential(t, all, rate) // superposed
		counts := make([]float64, 400)
		for _, at := range all {
			counts[at*int64(len(counts))/int64(length*1e9)]++
		}
		mean, variance := moments(counts)
		require.InDelta(t, 1, variance/mean, 0.3) // 4 standard deviations of it
	}
}

func requireExponential(t *testing.T, at []int64, rate float64) {
	gaps := make([]float64, 0, len(at))
	for i := 1; i < len(at); i++ {
		gaps = append(gaps, float64(at[i]-at[i-1])/1e9*rate)
	}
	n := float64(len(gaps))
	mean, variance := moments(gaps)
	require.InDelta(t, 1, mean, 5/math.Sqrt(n))
	require.InDelta(t, 1, variance, 5*math.Sqrt(8/n))
	slices.Sort(gaps)
	furthest := 0.0
	for i, g := range gaps {
		f := 1 - math.Exp(-g)
		furthest = max(furthest, math.Abs(f-float64(i)/n), math.Abs(f-float64(i+1)/n))
	}
	require.Less(t, furthest, 1.95/math.Sqrt(n), "p < 0.001")
}

func moments(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x)-1)
	}
	return mean, variance
}

// The same seed has the same arrivals, another seed others, and another thread others again.
func TestArrivalsAreSeeded(t *testing.T) {
	p := params{rate: 1000, duration: time.Second, arrivals: arrivePoisson, seed: 5}
	first := dueTimes(p, 0, 1e9)
	require.Equal(t, first, dueTimes(p, 0, 1e9))
	p.seed = 6
	require.NotEqual(t, first, dueTimes(p, 0, 1e9))
	p.seed, p.part = 5, part{1, 2}
	other := dueTimes(p, 0, 1e9)
	p.part = part{0, 2}
	require.NotEqual(t, other, dueTimes(p, 0, 1e9))
}

// A loop that comes by in time keeps a random schedule to the quantum: no clump waits for the rule that is for catching up.
func TestPoissonClumpsAreNotHeldUp(t *testing.T) {
	for _, rate := range []rate{1000, 100_000} {
		p := params{rate: rate, duration: time.Hour, arrivals: arrivePoisson, seed: 1}
		c := paceOf(&p, 0)
		c.limit = 5e9
		slip := newHistogram()
		for now := int64(0); !c.complete(); now = max(now, c.wake()) {
			n := c.ready(now)
			for k := range int64(n) {
				record(slip, now-c.due(c.next+k))
			}
			c.sent(n, now)
		}
		require.LessOrEqual(t, slip.ValueAtQuantile(99.9), int64(quantum+quantum/100), "rate %v", rate)
	}
}

// What is not sent is known: exactly where the queries are even, and as expected where they are at random.
func TestUnsent(t *testing.T) {
	for _, p := range []params{
		{rate: 1000, duration: 10 * time.Second},
		{rate: 1000, duration: 10 * time.Second, part: part{1, 4}},
		{rate: 1000, duration: 10 * time.Second, arrivals: arrivePoisson},
		{rate: 1000, duration: 10 * time.Second, profile: profile{{from: 0, to: 2000, duration: 10 * time.Second}}},
		{rate: 1000, duration: 10 * time.Second, part: part{2, 3}, profile: profile{{from: 0, to: 2000, duration: 10 * time.Second}}},
	} {
		all := len(dueTimes(p, 3, 3+10e9))
		c := paceOf(&p, 3)
		c.limit = 3 + 10e9
		for range all / 2 {
			c.due(c.next)
			c.next++
		}
		delta := 0.0
		if p.arrivals == arrivePoisson {
			delta = 5 * math.Sqrt(5000)
		}
		require.InDelta(t, all-all/2, c.unsent(c.limit), delta)
		for !c.complete() {
			c.next++
		}
		require.Zero(t, c.unsent(c.limit))
	}
}
