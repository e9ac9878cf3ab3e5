package dht

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// TestSmallNodeIsSmall holds the memory of a node with a small table, full, so that tens of thousands fit into one
// process. What is large in a large node grows with its bounds, or with what it holds: the first peer takes a page and a
// chunk of swarms.
func TestSmallNodeIsSmall(t *testing.T) {
	const nodes, known, budget = 50, 200, 96 << 10
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	all := make([]*Node, nodes)
	for i := range all {
		n := newNode(t, Config{MaxNodes: known, MaxPeers: 1000, Seed: [32]byte{byte(i + 1)}})
		for j := range known {
			id := randomID(n)
			hold(t, n, id, addr4(j), 0)
		}
		require.Equal(t, known, n.Counts().Nodes4)
		all[i] = n
	}
	each := (heap() - before) / nodes
	require.Less(t, each, uint64(budget), "bytes a node")
	t.Logf("%d bytes a node", each)
	runtime.KeepAlive(all)
}

func randomID(n *Node) (id wire.ID) {
	n.rng.Read(id[:])
	return id
}
