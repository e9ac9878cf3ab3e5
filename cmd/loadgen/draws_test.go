package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

func TestMixReadsAndWrites(t *testing.T) {
	for _, tt := range []struct{ in, out string }{
		{defaultMix, defaultMix},
		{"ping=1", "ping=1"},
		{"get_peers=0.5, ping=2", "ping=2,get_peers=0.5"},
		{"ping=0,find_node=1", "find_node=1"},
	} {
		var m mix
		require.NoError(t, m.Set(tt.in), tt.in)
		require.Equal(t, tt.out, m.String())
	}
	for _, tt := range []struct{ in, err string }{
		{"", "must be METHOD=WEIGHT"},
		{"ping", "must be METHOD=WEIGHT"},
		{"pong=1", `unknown method "pong": use ping`},
		{"put=1", "unknown method"},
		{"ping=-1", "0 or more"},
		{"ping=NaN", "0 or more"},
		{"ping=Inf", "0 or more"},
		{"ping=x", "0 or more"},
		{"ping=1,ping=2", "twice"},
		{"ping=0", "at least one"},
	} {
		m := mix{}
		m.weight[wire.Ping] = 7
		require.ErrorContains(t, m.Set(tt.in), tt.err, tt.in)
		require.EqualValues(t, 7, m.weight[wire.Ping], "a bad value must leave the old one")
	}
}

func TestChooserKeepsTheRatio(t *testing.T) {
	for _, text := range []string{defaultMix, "ping=1", "announce_peer=1", "find_node=1,announce_peer=3", "get_peers=2,find_node=2"} {
		var m mix
		require.NoError(t, m.Set(text))
		c := m.chooser()
		random := rand.NewPCG(1, 2)
		const n = 200_000
		var counts [wire.Methods]float64
		for range n {
			counts[c.draw(random.Uint64())]++
		}
		sum := 0.0
		for _, w := range m.weight {
			sum += w
		}
		for method, w := range m.weight {
			if w == 0 {
				require.Zero(t, counts[method], "%s: %s", text, wire.Method(method))
			}
			require.InDelta(t, w/sum, counts[method]/n, 0.01, "%s: %s", text, wire.Method(method))
		}
	}
}

func TestPopularity(t *testing.T) {
	for _, tt := range []struct {
		n int
		s float64
	}{{1, 0}, {1, 1}, {2, 1}, {10, 0}, {100, 0.8}, {100, 1}, {1000, 1}, {50, 2.5}} {
		p := newPopularity(tt.n, tt.s)
		random := rand.NewPCG(3, 4)
		const draws = 200_000
		counts := make([]float64, tt.n)
		for range draws {
			counts[p.draw(random.Uint64())]++
		}
		sum := 0.0
		for i := range tt.n {
			sum += math.Pow(float64(i+1), -tt.s)
		}
		chi2 := 0.0
		for i := range tt.n {
			want := draws * math.Pow(float64(i+1), -tt.s) / sum
			chi2 += (counts[i] - want) * (counts[i] - want) / want
		}
		df := float64(tt.n - 1) // the random words are fixed, so this either holds always or never
		require.Less(t, chi2, df+5*math.Sqrt(2*df)+1, "n %d, s %v", tt.n, tt.s)
	}
}

func TestDerivedIDsAreDistinct(t *testing.T) {
	seen := map[wire.ID]bool{}
	var id, again wire.ID
	for seed := range uint64(3) {
		for kind := range uint64(3) {
			for number := range uint32(2000) {
				derive(&id, seed, kind, number)
				require.False(t, seen[id], "seed %d, kind %d, number %d", seed, kind, number)
				seen[id] = true
			}
		}
	}
	derive(&again, 2, 2, 1999)
	require.Equal(t, id, again)
}

func TestTokensNewestFirst(t *testing.T) {
	var tk tokens
	require.Nil(t, tk.pop(0))
	tk.push(0, 1, 1, nil)
	tk.push(0, 1, 1, make([]byte, tokenRoom+1))
	require.Nil(t, tk.pop(0), "neither an empty nor a huge token is of use")

	token := []byte("aaaa")
	tk.push(1, 10, 100, token)
	tk.push(2, 20, 200, []byte("bb"))
	token[0] = 'x' // push has copied it
	g := tk.pop(3)
	require.EqualValues(t, 20, g.flow)
	require.Equal(t, "bb", string(g.token[:g.size]))
	g = tk.pop(3)
	require.EqualValues(t, 100, g.item)
	require.Equal(t, "aaaa", string(g.token[:g.size]))
	require.Nil(t, tk.pop(3))

	for i := range uint32(3 * tokenSlots) {
		tk.push(int64(i), i, 0, []byte("t"))
	}
	for i := range uint32(tokenSlots) {
		require.Equal(t, 3*tokenSlots-1-i, tk.pop(5000).flow)
	}
	require.Nil(t, tk.pop(5000), "what found no room is gone")

	tk.push(0, 1, 1, token)
	tk.push(tokenLife, 2, 2, token)
	require.NotNil(t, tk.pop(tokenLife+1))
	require.Nil(t, tk.pop(tokenLife+1), "stale")
}
