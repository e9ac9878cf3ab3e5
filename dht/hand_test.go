package dht

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestSweepHand lets a hand go round at uneven calls: however they fall, every element has its turn once a
// period.
func TestSweepHand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 2, 7, 64, 1000}).Draw(t, "n")
		period := Instant(rapid.Int64Range(int64(time.Second), int64(time.Hour)).Draw(t, "period"))
		start := rapid.SampledFrom(starts).Draw(t, "start")
		h := sweepHand{last: start}
		now, made := start, 0
		visited := make(map[int]Instant, n)
		longest := Instant(0)
		for now < start+5*period {
			gap := Instant(rapid.Int64Range(0, int64(period/3)).Draw(t, "gap"))
			longest = max(longest, gap)
			now += gap
			h.turn(now, n, period)
			for h.owed >= 1 {
				at := h.position
				h.move(1, n)
				made++
				if before, again := visited[at]; again {
					since, slack := now-before, longest+period/Instant(n)+1
					if since < period-slack || since > period+slack {
						t.Fatalf("element %d of %d comes again after %v of %v", at, n, since, period)
					}
				}
				visited[at] = now
			}
			if want := float64(now-start) / float64(period) * float64(n); float64(made) > want+0.01 || float64(made) < want-1.01 {
				t.Fatalf("%d steps in %v, want %.2f", made, time.Duration(now-start), want)
			}
		}
	})
}

func TestSweepHandWhen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 1<<24).Draw(t, "n")
		steps := rapid.IntRange(1, n).Draw(t, "steps")
		start := rapid.SampledFrom(starts).Draw(t, "start")
		h := sweepHand{last: start}
		h.turn(start.Add(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "gap"))), n, checkPeriod)
		h.move(int(h.owed), n)
		at := h.when(steps, n, checkPeriod)
		early, late := h, h
		early.turn(at-Instant(time.Millisecond), n, checkPeriod)
		if at-Instant(time.Millisecond) > h.last && early.owed > float64(steps) {
			t.Fatalf("%d steps are owed before the time that was told", steps)
		}
		late.turn(at+1, n, checkPeriod)
		if late.owed < float64(steps)-1e-6 {
			t.Fatalf("%f of %d steps are owed at the time that was told", late.owed, steps)
		}
	})
}

// TestSweepHandFallsBehind says what a stopped process owes: one turn at most, none of it forgotten.
func TestSweepHandFallsBehind(t *testing.T) {
	h := sweepHand{last: 0}
	h.turn(Instant(time.Hour), 100, Instant(time.Minute))
	require.Equal(t, 100.0, h.owed)
	h.turn(Instant(2*time.Hour), 100, Instant(time.Minute))
	require.Equal(t, 101.0, h.owed)
	h.move(31, 100)
	h.turn(Instant(2*time.Hour), 100, Instant(time.Minute))
	require.Equal(t, 70.0, h.owed)
	h.turn(Instant(time.Second), 100, Instant(time.Minute)) // a clock that went back
	require.Equal(t, 70.0, h.owed)
}
