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
			if meta, j := n.tables[v4].metaOf(at); meta.fails[j] > 0 {
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
