package dht

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// TestLooksArePaced: a node that more sources query than can be asked anything does not search its table for all of them,
// nor for the same one again and again; who was named by another node is looked for all the same.
func TestLooksArePaced(t *testing.T) {
	n := newNode(t, Config{MaxNodes: 100_000})
	for i := range fewNodes {
		hold(t, n, idOf(byte(i), 1), addr4(1+i), 0)
	}
	budget := func() float64 { return n.newcomers.looks.budget }
	full := budget()

	ask(t, n, 0, addr4(1), wire.Message{Method: wire.Ping})
	require.EqualValues(t, 1, full-budget(), "who asks is looked for")
	ask(t, n, 0, addr4(1), wire.Message{Method: wire.Ping})
	require.EqualValues(t, 1, full-budget(), "found, and not again at once")
	later := Instant(knownAgain + time.Second)
	ask(t, n, later, addr4(1), wire.Message{Method: wire.Ping})
	require.EqualValues(t, 1, full-budget(), "but a minute later")

	for i := range lookBurst + 10 {
		n.newcomers.verify.n = 0
		ask(t, n, later, addr4(100+i), wire.Message{Method: wire.Ping})
	}
	require.Less(t, budget(), 1.0)
	n.newcomers.verify.n = 0
	ask(t, n, later, addr4(50_000), wire.Message{Method: wire.Ping})
	require.Zero(t, n.newcomers.verify.n, "there is no look left for a source")
	require.True(t, n.consider(later, addr4(50_001)), "but for who is named")
	require.Equal(t, 1, n.newcomers.verify.n)
}

// TestKnownSourcesPushNobodyOut: that a source is in the table is not worth forgetting who was asked lately.
func TestKnownSourcesPushNobodyOut(t *testing.T) {
	n := newNode(t, Config{MaxNodes: 1}) // minRemembered places
	n.tables[v4].limit = 1000
	require.True(t, n.consider(0, addr4(1)))
	for i := range 500 {
		hold(t, n, idOf(byte(i), byte(i>>8), 1), addr4(1000+i), 0)
		ask(t, n, 0, addr4(1000+i), wire.Message{Method: wire.Ping})
	}
	require.False(t, n.consider(0, addr4(1)), "it was asked a moment ago")
}
