package dht

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// TestOutage takes the network away, for minutes or a day: whoever is there afterwards is still in the table.
func TestOutage(t *testing.T) {
	for _, nodes := range []int{1, 10, 1000} {
		for _, outage := range []time.Duration{time.Minute, 6 * time.Hour} {
			n := crowd(t, nodes, 0)
			gone := checkPeriod.Add(time.Second)
			up := runAnswered(t, n, 0, gone)
			require.NotEmpty(t, up)
			back := gone.Add(outage)
			run(t, n, gone, back)
			require.Equal(t, nodes, n.tables[v4].count, "after %v without a network", outage)
			runAnswered(t, n, back, back+2*checkPeriod)
			require.Equal(t, nodes, n.tables[v4].count, "when it is back")
		}
	}
}

// TestOutageAsksSeeds: when all that the table holds is gone for good, the bootstrap addresses help, and the dead are
// forgotten.
func TestOutageAsksSeeds(t *testing.T) {
	n := crowd(t, 20, 0)
	n.Bootstrap(0, addr4(5000))
	asked := Instant(0)
	now := Instant(0)
	for end := Instant(4 * time.Hour); now < end; now = n.NextWake() {
		for _, q := range drain(t, n, now) {
			if q.to == addr4(5000) {
				if asked == 0 {
					asked = now
				}
				var nodes []byte
				for i := range K {
					nodes = wire.AppendNode(nodes, idOf(1, byte(i)), addr4(6000+i))
				}
				answer(n, now, q, idOf(5), wire.Message{Nodes: nodes})
			} else if i := (wide{}).number(q.to) - 6000; i >= 0 {
				answer(n, now, q, idOf(1, byte(i)), wire.Message{})
			}
		}
	}
	require.NotZero(t, asked)
	require.Less(t, asked, Instant(refreshPeriod+Instant(seedRetryMax)))
	require.Equal(t, K+1, n.tables[v4].count, "those that are alive")
}

// TestHeldIsBounded lets more queries fail than are remembered.
func TestHeldIsBounded(t *testing.T) {
	n := crowd(t, 2*maxHeld, 0)
	for i := range 2 * maxHeld {
		n.askFor(0, nil, targetAt(v4, compact(addr4(i))), askAlive, wire.ID{})
		n.askFor(0, nil, targetAt(v4, compact(addr4(i))), askAlive, wire.ID{}) // twice is held once
	}
	n.giveUp(Instant(queryTimeout))
	require.Equal(t, maxHeld, n.heard[v4].n)
	require.Equal(t, 4*maxHeld, n.heard[v4].silent)
	failing := func() (count int) {
		for i := range 2 * maxHeld {
			at, found, _ := n.tables[v4].find(compact(addr4(i)))
			require.True(t, found)
			if n.tables[v4].isFailing(at) {
				count++
			}
		}
		return count
	}
	require.Zero(t, failing())
	n.answered(Instant(queryTimeout), &query{addr: targetAt(v4, compact(addr4(0))).addr})
	require.Equal(t, maxHeld-1, failing(), "all but the one that answered")
	require.Zero(t, n.heard[v4].silent)
}

// TestForgeriesDoNotDeafen: strangers whom forged queries name do not answer, and say nothing of the node's network.
func TestForgeriesDoNotDeafen(t *testing.T) {
	n := crowd(t, 2000, 0)
	n.Bootstrap(0, addr4(5000))
	forgeries := 0
	for now := Instant(0); now < Instant(time.Minute); now = now.Add(10 * time.Millisecond) {
		for range 20 {
			forgeries++
			ask(t, n, now, forged(forgeries), wire.Message{Method: wire.Ping})
		}
		for _, q := range drain(t, n, now) {
			require.NotEqual(t, addr4(5000), q.to, "no need for bootstrap addresses")
			if s, known, _ := n.tables[v4].find(compact(q.to)); known {
				answer(n, now, q, wire.ID(n.tables[v4].blob(s)), wire.Message{})
			}
		}
		require.False(t, n.needsSeeds(v4))
	}
}

// TestGrowthWithoutAnybody: a table that holds only nodes that failed has nobody to ask for more.
func TestGrowthWithoutAnybody(t *testing.T) {
	n := crowd(t, K, 0)
	for i := range K {
		require.True(t, n.tables[v4].failed(compact(addr4(i))))
	}
	for now := Instant(0); now < Instant(time.Minute); now = n.NextWake() {
		for _, q := range drain(t, n, now) {
			require.True(t, n.reach.allows(q.to), q.to)
		}
	}
}
