package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht"
)

// small is a study that takes seconds; docs/simulation.md tells of a large one.
var small = Study{
	Network: Config{Seed: 1, Delay: 15 * time.Millisecond, Jitter: 100 * time.Millisecond, Tail: 30 * time.Millisecond, Loss: 0.05},
	Clients: 1500, Churn: 0.3, NAT: 0.3, Torrents: 200, Searches: 2,
	WarmUp: 20 * time.Minute, Duration: 20 * time.Minute,
	Supernode: &dht.Config{MaxNodes: 10_000, MaxPeers: 10_000},
}

// TestStudy holds that what is announced is found, while clients come and go and datagrams get lost, and that a
// supernode is worth asking.
func TestStudy(t *testing.T) {
	r, err := small.Run()
	require.NoError(t, err)
	for name, k := range map[string]*Searches{"plain": &r.Plain, "told": &r.Told, "own": &r.Own} {
		require.Greater(t, k.Count, 500, name)
		require.GreaterOrEqual(t, k.Rate(), 0.99, name)
	}
	require.Greater(t, r.Stored, 6.0, "nodes that store an announce")
	require.Greater(t, r.Super.Nodes4, small.Clients/4, "nodes the supernode knows")
	require.Greater(t, r.Told.Met, r.Told.Count*8/10)
	require.Less(t, r.Plain.Met, r.Plain.Count/2)
	require.Less(t, mean(r.Told.Hops), mean(r.Plain.Hops))
	t.Logf("%.2f hops, with the supernode %.2f; it knows %d nodes", mean(r.Plain.Hops), mean(r.Told.Hops), r.Super.Nodes4)
}

func mean(hops []int) float64 {
	sum := 0
	for _, h := range hops {
		sum += h
	}
	return float64(sum) / float64(len(hops))
}

// TestStudyRepeats runs a study twice, and another one.
func TestStudyRepeats(t *testing.T) {
	s := small
	s.Clients, s.Torrents, s.WarmUp, s.Duration = 100, 20, 10*time.Minute, 5*time.Minute
	run := func(seed uint64) Result {
		s.Network.Seed = seed
		r, err := s.Run()
		require.NoError(t, err)
		require.NotZero(t, r.Plain.Found)
		return r
	}
	first := run(1)
	require.Equal(t, first, run(1))
	require.NotEqual(t, first.Trace, run(2).Trace)
}

func TestStudyRefuses(t *testing.T) {
	for field, spoil := range map[string]func(*Study){
		"Clients":  func(s *Study) { s.Clients = seedHosts },
		"Torrents": func(s *Study) { s.Torrents = 0 },
		"Churn":    func(s *Study) { s.Churn = -1 },
		"NAT":      func(s *Study) { s.NAT = 2 },
		"Loss":     func(s *Study) { s.Network.Loss = 5 },
		"Searches": func(s *Study) { s.Searches = -1 },
		"WarmUp":   func(s *Study) { s.WarmUp = 0 },
		"MaxNodes": func(s *Study) { s.Supernode = &dht.Config{MaxNodes: -1} },
	} {
		s := small
		spoil(&s)
		_, err := s.Run()
		require.ErrorContains(t, err, field)
	}
}

func TestQuantile(t *testing.T) {
	require.Zero(t, Quantile[int](nil, 0.5))
	for q, want := range map[float64]int{0: 1, 0.5: 2, 0.51: 3, 0.75: 3, 0.9: 4, 1: 4} {
		require.Equal(t, want, Quantile([]int{1, 2, 3, 4}, q), "quantile %v", q)
	}
}
