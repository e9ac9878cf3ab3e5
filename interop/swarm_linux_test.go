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

	"supernode/interop/internal/adapter"
)

const (
	patience    = 3 * time.Minute // for one swarm, start to end; it takes a second, or one minute with slow clients
	contentName = "content.bin"
	contentSize = 2 << 20
)

// swarm is one experiment.
type swarm struct {
	family          family
	seeder, leecher client
	readOnly        bool // the peers that can answer no DHT query (BEP 43)
}

// ordinary is how many of the peers answer DHT queries. If none does, only the node can have.
func (s swarm) ordinary() (n int) {
	for _, c := range []client{s.seeder, s.leecher} {
		if !s.readOnly || !c.readOnly {
			n++
		}
	}
	return n
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
	nodes := startCluster(ctx, t, net, max(1, s.seeder.nodes, s.leecher.nodes))

	seederHost := net.host(ctx, t, "seeder")
	content := t.TempDir()
	sum := writeContent(t, filepath.Join(content, contentName))
	seeder := startPeer(t, seederHost, seederCommand, nodes, content, s.readOnly && s.seeder.readOnly, "--seed", contentName)
	infoHash := seeder.await(ctx, t, adapter.Seeding).InfoHash
	before := nodes.awaitPeers(ctx, t, 1)

	copied := t.TempDir()
	leecherHost := net.host(ctx, t, "leecher")
	leecher := startPeer(t, leecherHost, leecherCommand, nodes, copied, s.readOnly && s.leecher.readOnly,
		"--magnet", "magnet:?xt=urn:btih:"+infoHash)
	leecher.await(ctx, t, adapter.Completed)
	require.Equal(t, sum, hashFile(t, filepath.Join(copied, contentName)), "what was downloaded is not what was seeded")

	// The leecher may announce after it has downloaded.
	after := nodes.awaitPeers(ctx, t, 2)
	checkCounts(t, before, after)
	leecher.checkConnections(t, seederHost, s.ordinary() == 0)
	inTable := `supernode_nodes{family="` + s.family.name + `"}`
	if s.ordinary() == 0 {
		require.Zero(t, after.sum(inTable), "the node took a read-only node into its routing table")
	} else {
		nodes[0].awaitMetric(ctx, t, inTable, float64(len(nodes)-1+s.ordinary()))
	}
}

// checkCounts compares what the nodes counted with what must have happened: before is when the seeder was stored,
// after when the leecher was.
func checkCounts(t *testing.T, before, after counts) {
	t.Helper()
	require.EqualValues(t, 1, before.most("supernode_peers"), "somebody else announced")
	require.EqualValues(t, 2, after.most("supernode_peers"), "somebody else announced")
	require.EqualValues(t, 1, after.most("supernode_infohashes"), "somebody announced something else")
	for _, method := range []string{"get_peers", "announce_peer"} {
		name := `supernode_queries_total{method="` + method + `"}`
		require.Positive(t, before.sum(name), "the seeder sent no %s", method)
		require.Greater(t, after.sum(name), before.sum(name), "the leecher sent no %s", method)
	}
	require.Zero(t, after.sum(`supernode_errors_total{code="203"}`), "a node found fault with a query")
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
