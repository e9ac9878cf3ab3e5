package dht

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// sampleOf asks a node for a sample and returns it as a set.
func sampleOf(t *testing.T, n *Node, now Instant, want wire.Want) (map[wire.ID]bool, wire.Message) {
	target := filledID('t')
	r := ask(t, n, now, addr4(9000), wire.Message{Method: wire.SampleInfohashes, Target: target[:], Want: want})
	require.NotNil(t, r.Samples, "samples are in every reply")
	require.Equal(t, wire.HasNum|wire.HasInterval, r.Has)
	require.EqualValues(t, 300, r.Interval)
	require.EqualValues(t, n.peers.swarmCount, r.Num)
	set := map[wire.ID]bool{}
	for s := r.Samples; len(s) > 0; s = s[20:] {
		set[wire.ID(s)] = true
	}
	require.Len(t, set, len(r.Samples)/20, "an info_hash twice")
	return set, r
}

func TestSamples(t *testing.T) {
	for _, start := range starts {
		n, now := newNode(t, Config{Start: start, MaxPeers: 100_000}), start
		for i := range 600 {
			hold(t, n, idOf(byte(i*7), byte(i>>8), 4), addr4(i), now)
			hold(t, n, idOf(byte(i*7), byte(i>>8), 6), addr6(i), now)
		}
		announce := func(i int) {
			infohash := idOf(byte(i), byte(i>>8), 's')
			require.True(t, n.peers.announce(now, &infohash, addr4(i), false))
		}
		set, _ := sampleOf(t, n, now, 0)
		require.Empty(t, set)
		for i := range maxSamples {
			announce(i)
			set, _ = sampleOf(t, n, now, 0)
			require.Len(t, set, i+1, "of few, all are told at once")
		}
		for i := maxSamples; i < 1000; i++ {
			announce(i)
		}
		first, _ := sampleOf(t, n, now, 0)
		require.Equal(t, set, first, "the sample changes within the interval")
		now += sampleInterval - 1
		last, _ := sampleOf(t, n, now, 0)
		require.Equal(t, set, last, "the sample changes within the interval")
		now++
		set, r := sampleOf(t, n, now, 0)
		require.NotEqual(t, last, set, "the sample does not change after the interval")
		require.Len(t, set, maxSamples)
		require.Len(t, r.Nodes, K*wire.CompactNode4)

		some, r := sampleOf(t, n, now, wire.Want4|wire.Want6)
		require.Len(t, r.Nodes, K*wire.CompactNode4)
		require.Len(t, r.Nodes6, K*wire.CompactNode6)
		require.GreaterOrEqual(t, len(some), 10, "with nodes of both families there is less room")
		for infohash := range some {
			require.Contains(t, set, infohash)
		}
	}
}

// TestSamplesShrink forgets most info_hashes: num and samples agree.
func TestSamplesShrink(t *testing.T) {
	n := newNode(t, Config{})
	for i := range 100 {
		infohash := idOf(byte(i))
		now := Instant(0)
		if i < 3 {
			now = Instant(20 * time.Minute)
		}
		require.True(t, n.peers.announce(now, &infohash, addr4(i), false))
	}
	now := Instant(40 * time.Minute)
	run(t, n, 0, now)
	set, _ := sampleOf(t, n, now, 0)
	require.Equal(t, map[wire.ID]bool{idOf(0): true, idOf(1): true, idOf(2): true}, set)
}

// TestSamplesAreRandom counts how often each info_hash is told over many intervals.
func TestSamplesAreRandom(t *testing.T) {
	n := newNode(t, Config{})
	const infohashes, intervals = 333, 5000
	for i := range infohashes {
		infohash := idOf(byte(i), byte(i>>8), 's')
		require.True(t, n.peers.announce(0, &infohash, addr4(i), false))
	}
	seen := map[wire.ID]int{}
	for range intervals {
		n.store.sample.drawn = -sampleInterval // an interval ago
		set, _ := sampleOf(t, n, 0, 0)
		for infohash := range set {
			seen[infohash]++
		}
	}
	require.Len(t, seen, infohashes)
	for infohash, times := range seen {
		require.InDelta(t, intervals*maxSamples/infohashes, times, 100, "%x", infohash)
	}
}
