package interop

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	patience    = 90 * time.Second // for one swarm, start to end; it takes seconds
	contentName = "content.bin"
	contentSize = 2 << 20
)

// swarm is one experiment.
type swarm struct {
	family          family
	seeder, leecher client
	readOnly        bool // the peers answer no DHT query, so that only the node can have (BEP 43)
}

// run plays the experiment.
func (s swarm) run(t *testing.T) {
	needRoot(t)
	seederCommand, leecherCommand := s.seeder.command(t), s.leecher.command(t)
	buildSupernode(t)

	ctx, cancel := context.WithTimeout(interrupted, patience)
	defer cancel()
	ctx, lost := context.WithCancelCause(ctx)
	net := newNetwork(t, s.family, lost)
	node := startNode(ctx, t, net.host(ctx, t, "node"))

	seederHost := net.host(ctx, t, "seeder")
	content := t.TempDir()
	sum := writeContent(t, filepath.Join(content, contentName))
	seeder := startPeer(t, seederHost, seederCommand, node, content, s.readOnly, "--seed", contentName)
	infoHash := seeder.await(ctx, t, "seeding").InfoHash
	before := node.awaitMetric(ctx, t, "supernode_peers", 1)

	copied := t.TempDir()
	leecher := startPeer(t, net.host(ctx, t, "leecher"), leecherCommand, node, copied, s.readOnly,
		"--magnet", "magnet:?xt=urn:btih:"+infoHash)
	leecher.await(ctx, t, "completed")
	require.Equal(t, sum, hashFile(t, filepath.Join(copied, contentName)), "what was downloaded is not what was seeded")

	// The leecher may announce after it has downloaded.
	after := node.awaitMetric(ctx, t, "supernode_peers", 2)
	s.checkCounts(t, before, after)
	nodes := `supernode_nodes{family="` + s.family.name + `"}`
	if s.readOnly {
		leecher.checkConnections(t, seederHost)
		require.Zero(t, after[nodes], "the node took a read-only node into its routing table")
	} else {
		node.awaitMetric(ctx, t, nodes, 2)
	}
}

// checkCounts compares what the node counted with what must have happened: before is when the seeder was stored,
// after when the leecher was.
func (s swarm) checkCounts(t *testing.T, before, after map[string]float64) {
	t.Helper()
	require.EqualValues(t, 1, before["supernode_peers"], "somebody else announced")
	require.EqualValues(t, 2, after["supernode_peers"], "somebody else announced")
	require.EqualValues(t, 1, after["supernode_infohashes"], "somebody announced something else")
	for _, method := range []string{"get_peers", "announce_peer"} {
		name := `supernode_queries_total{method="` + method + `"}`
		require.Positive(t, before[name], "the seeder sent the node no %s", method)
		require.Greater(t, after[name], before[name], "the leecher sent the node no %s", method)
	}
	require.Zero(t, after[`supernode_errors_total{code="203"}`], "the node found fault with a query")
}

// writeContent makes a file that no two tests share, and returns its hash.
func writeContent(t *testing.T, path string) [sha256.Size]byte {
	t.Helper()
	seed := sha256.Sum256([]byte(t.Name() + strconv.Itoa(os.Getpid())))
	b := make([]byte, contentSize)
	_, err := rand.NewChaCha8(seed).Read(b)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return sha256.Sum256(b)
}

func hashFile(t *testing.T, path string) [sha256.Size]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return sha256.Sum256(b)
}
