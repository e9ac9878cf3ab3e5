package inprocess

import (
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/regress"
)

const output = `goos: linux
goarch: amd64
pkg: supernode/cmd/supernode
BenchmarkTurn/waiting=1         	    2038	      5890 ns/op	         2.000 calls/datagram	      3427 turn-ns/datagram	       0 B/op	       0 allocs/op
BenchmarkTurn/waiting=1         	    2616	      4874 ns/op	         2.000 calls/datagram	      2668 turn-ns/datagram	       0 B/op	       0 allocs/op
BenchmarkTurn/waiting=64-2      	      61	    190811 ns/op	         0.03125 calls/datagram	      1581 turn-ns/datagram	       0 B/op	       0 allocs/op
--- BENCH: BenchmarkTurn/waiting=64-2
    x_test.go:3: a log
BenchmarkLog-free               	       1	         3 ns/op
PASS
`

func TestParse(t *testing.T) {
	all, err := parse(output)
	require.NoError(t, err)
	require.Equal(t, []string{"Turn/waiting=1", "Turn/waiting=64", "Log-free"}, namesOf(all))
	require.Equal(t, map[string][]float64{"Turn/waiting=1": {3427, 2668}, "Turn/waiting=64": {1581}}, figures(all, "turn-ns/datagram"))
	require.Equal(t, []float64{5890, 4874}, figures(all, "ns/op")["Turn/waiting=1"])
	require.Equal(t, []float64{0.03125}, figures(all, "calls/datagram")["Turn/waiting=64"])
	require.Empty(t, figures(all, "B/node"))
	_, err = parse("BenchmarkTurn 2038 many ns/op\n")
	require.ErrorContains(t, err, "read benchmark's output")
}

func TestPair(t *testing.T) {
	// The machine grows slower by half on the way, which both sides see; the ends do not count.
	p, ok := pair([]float64{9000, 100, 110, 120, 150, 1}, []float64{1, 110, 121, 132, 165, 9000})
	require.True(t, ok)
	require.InDelta(t, 115, p.Base, 1e-9)
	require.InDelta(t, 1.1, p.Arm/p.Base, 1e-9)

	p, ok = pair([]float64{1, 100, 100, 100, 1}, []float64{1, 105, 900, 105, 1})
	require.True(t, ok)
	require.InDelta(t, 1.05, p.Arm/p.Base, 1e-9, "a burst does not count")

	for _, none := range [][2][]float64{{nil, nil}, {{1, 2}, {1, 2}}, {{1, 0, 1}, {1, 1, 1}}, {{1, 1, 1}, nil}} {
		p, ok = pair(none[0], none[1])
		require.False(t, ok)
		require.Equal(t, regress.Pair{}, p)
	}
}

func TestHasAny(t *testing.T) {
	s := Suite{Package: "dht/wire", Bench: "^Benchmark(Parse|Append)$/^(find_node|nodes)$"}
	for name, want := range map[string]bool{
		"dht/wire.Parse/find_node": true, "dht/wire.Append/nodes": true, "dht/wire.Append/ping": false,
		"dht/wire.Parse": false, "dht.Parse/find_node": false, "end to end": false,
	} {
		require.Equal(t, want, s.HasAny(map[string]bool{name: true}), name)
	}
	require.False(t, s.HasAny(nil))
}
