package peers

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/record"
)

func made(server string, block int, answered uint64, serverNS int64) Trial {
	return Trial{Server: server, Block: block, Trial: record.Trial{
		Duration: 1e9, Answered: answered, Server: serverNS, ServerNAPI: 1e8,
		Load: record.Load{Sent: answered + 10, Lost: 10},
	}}
}

func TestSummarize(t *testing.T) {
	servers := Builtin("/bin")
	var trials []Trial
	for block := range 8 {
		wobble := uint64(100 * block)
		trials = append(trials,
			made("anacrolix", block, 20_000+wobble, 9e8),
			made(Subject, block, 10*(20_000+wobble), 9e8),
			made("stranger", block, 1, 1))
	}
	trials = append(trials, made("anacrolix", 8, 0, 9e8)) // answered nothing: no rate, no cost
	lines := Summarize(servers, trials)
	require.Len(t, lines, 2)
	require.Equal(t, Subject, lines[0].Server)
	require.InDelta(t, 1, lines[0].Speed.Median, 1e-9)
	require.InDelta(t, 10, lines[1].Speed.Median, 1e-9)
	require.InDelta(t, 10, lines[1].Frugal.Median, 1e-9)
	require.InDelta(t, 10, lines[1].Speed.Lo, 1e-9)
	require.Equal(t, 8, lines[1].Speed.N, "pairs are of the same block")
	require.InDelta(t, 1, lines[1].Busy.Median, 1e-9)

	var out bytes.Buffer
	require.NoError(t, Table(&out, lines))
	require.Contains(t, out.String(), "10.00× [10.00, 10.00]")
}

func TestOrder(t *testing.T) {
	seen := map[int]bool{}
	for block := range 50 {
		order := Order(7, block, 3)
		require.Equal(t, order, Order(7, block, 3))
		seen[order[0]] = true
		slices.Sort(order)
		require.Equal(t, []int{0, 1, 2}, order)
	}
	require.Len(t, seen, 3, "every server comes first in some block")
}
