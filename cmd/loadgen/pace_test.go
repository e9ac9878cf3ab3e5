package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPaceIsAbsolute(t *testing.T) {
	for _, tt := range []struct {
		rate float64
		k    int64
		due  int64
	}{
		{1000, 0, 7},
		{1000, 1, 1_000_007},
		{3, 1, 333_333_340},
		{3, 3, 1_000_000_007},
		{3, 3_000_000, 1_000_000_000_000_007},
		{0.5, 2, 4_000_000_007},
		{1e6, 123_456_789, 123_456_789_007},
	} {
		p := newPace(tt.rate, part{}, 7)
		require.Equal(t, tt.due, p.due(tt.k), "rate %v, k %d", tt.rate, tt.k)
	}
}

// However irregularly the loop comes by, it sends each query once, none before it is due, none beyond the
// limit, within a quantum only more of what was due when the burst began, and all of them in the end.
func TestPaceProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.5, 2e6).Draw(t, "rate")
		start := rapid.Int64Range(0, 1e15).Draw(t, "start")
		p := newPace(rate, part{}, start)
		p.limit = start + rapid.Int64Range(1, 5e6).Draw(t, "length")
		now, last := start, int64(math.MinInt64/2)
		for range 20_000 {
			n := p.ready(now)
			if n > 0 {
				if due := p.due(p.next + int64(n) - 1); now-last < quantum && due > last {
					t.Fatalf("due at %d, sent at %d, in a burst that began at %d", due, now, last)
				}
				if due := p.due(p.next + int64(n) - 1); due > now || due >= p.limit {
					t.Fatalf("query due at %d sent at %d, limit %d", due, now, p.limit)
				}
				n = min(n, rapid.IntRange(1, batch).Draw(t, "sent"))
				p.sent(n, now)
				if now-last >= quantum {
					last = now
				}
			}
			if p.complete() {
				break
			}
			now = max(now+1, p.wake()+rapid.Int64Range(-1000, 400_000).Draw(t, "late"))
		}
		if !p.complete() {
			t.Fatalf("at query %d of %d after 20,000 passes", p.next, p.dueBy(p.limit-1))
		}
		if want := p.dueBy(p.limit - 1); p.next != want {
			t.Fatalf("sent %d of %d", p.next, want)
		}
		if p.wake() != math.MaxInt64 {
			t.Fatal("still has something to wake for")
		}
	})
}

func TestPaceWakesWhenItCanSend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPace(rapid.Float64Range(1, 1e6).Draw(t, "rate"), part{}, 0)
		p.limit = 1e18 // none of the numbers below is due so late
		p.next = rapid.Int64Range(0, 1e6).Draw(t, "next")
		p.last = p.due(p.next) - rapid.Int64Range(0, 1e5).Draw(t, "ago")
		at := p.wake()
		if p.ready(at) == 0 {
			t.Fatalf("woken at %d for nothing", at)
		}
		if p.ready(at-1) > 0 {
			t.Fatalf("could have sent before %d", at)
		}
	})
}

// TestPaceIsNoCeiling: a rate of which more than a batch falls due in a quantum is kept, by a loop that takes 20 µs for a
// batch of 64, as long as this suffices for it; what is sent is due, and nothing is left to wait when all is sent.
func TestPaceIsNoCeiling(t *testing.T) {
	const took, second = 20_000, 1_000_000_000
	var steps profile
	require.NoError(t, steps.Set("2500000@1s"))
	drawn := params{profile: steps, arrivals: arrivePoisson, seed: 1}
	drawn.follow(steps)
	for name, p := range map[string]pace{
		"even":   newPace(2_500_000, part{}, 0),
		"drawn":  paceOf(&drawn, 0),
		"shared": newPace(5_000_000, part{1, 2}, 0),
	} {
		p.limit = second
		for now := int64(0); now < second; {
			n := min(p.ready(now), batch)
			if n > 0 {
				require.LessOrEqual(t, p.due(p.next+int64(n)-1), now, name)
				p.sent(n, now)
				now += took
			}
			now = max(now, min(p.wake(), second))
		}
		require.InDelta(t, 2_500_000, p.next, 12_000, name)
	}
}

func TestPaceCatchesUpGently(t *testing.T) {
	p := newPace(100_000, part{}, 0)
	p.limit = math.MaxInt64
	p.sent(int(p.dueBy(1e9)), 1e9)
	now := int64(1e9 + 100e6) // a pause of 100 ms: 10,000 queries behind
	sent := 0
	end := now + 10e6
	for ; now < end; now += quantum {
		n := p.ready(now)
		p.sent(n, now)
		sent += n
	}
	// In 10 ms the rate itself is 1,000.
	require.InDelta(t, 2000, sent, 300)
}

// A number of queries is a number of queries: a second at any whole rate holds as many as it says.
func TestPaceCountsExactly(t *testing.T) {
	for _, rate := range []float64{1, 3, 7, 999, 1000, 99_999, 100_000, 333_333, 1e6} {
		p := newPace(rate, part{}, 12345)
		require.EqualValues(t, rate, p.dueBy(12345+1e9-1), "rate %v", rate)
		require.EqualValues(t, 11*rate, p.dueBy(12345+11e9-1), "rate %v", rate)
	}
	p := newPace(10, part{}, 100)
	require.Zero(t, p.dueBy(99))
}
