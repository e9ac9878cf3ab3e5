package dht

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestSweepPass lets different parts of many swarms expire. One period later, and the time that was slept in between,
// none of the expired is left, nor any swarm of theirs, and no call did more than it may.
func TestSweepPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPeerStore(1_000_000, testKey)
		start := rapid.SampledFrom(starts).Draw(t, "start")
		start -= start % stampUnit
		swarms := rapid.SampledFrom([]int{1, 700, 5000}).Draw(t, "swarms")
		dead := rapid.IntRange(0, 10).Draw(t, "tenths expired")
		living := 0
		for i := range swarms {
			infohash := idOf(byte(i), byte(i>>8))
			now := start
			if i*7%10 >= dead {
				now = start.Add(20 * time.Minute)
				living++
			}
			require.True(t, p.announce(now, &infohash, addrOf(family(i%2), i), false))
			p.hand.last = now
		}
		now := start.Add(peerLifetime)
		p.hand.last = now
		for end := now + sweepPeriod; now <= end; {
			now += Instant(rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, time.Minute}).Draw(t, "nap"))
			for wake, calls := now, 0; wake <= now; calls++ {
				before := p.swarmCount
				p.sweep(now)
				if gone := before - p.swarmCount; gone > sweepSteps {
					t.Fatalf("%d swarms removed in one call", gone)
				}
				if calls > 2*swarms/sweepSteps+2 {
					t.Fatalf("sweep does not come to an end")
				}
				next, ok := p.sweepAt()
				if !ok {
					break
				}
				wake = next
			}
		}
		if p.count != living || p.swarmCount != living {
			t.Fatalf("%d peers in %d swarms are left, %d live", p.count, p.swarmCount, living)
		}
		stored(t, p)
	})
}

// TestSweepIsBounded has an hour's sleep behind it, and the largest swarms before it.
func TestSweepIsBounded(t *testing.T) {
	p := newPeerStore(1_000_000, testKey)
	for s := range 50 {
		infohash := idOf(byte(s))
		for i := range swarmPeers {
			require.True(t, p.announce(0, &infohash, addr4(s*swarmPeers+i), false))
		}
	}
	now, calls := Instant(time.Hour), 0
	for ; p.count > 0; calls++ {
		before := p.count
		p.sweep(now)
		require.Greater(t, before, p.count)
		require.LessOrEqual(t, before-p.count, sweepRecords+2*swarmPeers)
	}
	require.Equal(t, (50*swarmPeers+sweepRecords-1)/sweepRecords, calls)
}
