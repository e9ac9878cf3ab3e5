package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

// The file names the very nodes that the flows then are.
func TestNodesFile(t *testing.T) {
	t.Parallel()
	r := startResponder(t, good)
	file := filepath.Join(t.TempDir(), "nodes")
	c := startControlled(t, "--flows", "50", "--warmup", "0s", "--nodes-file", file, r.addr.String())
	c.next("ready")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	named := map[netip.AddrPort]wire.ID{}
	for id, addr := range wire.NodeList(text, wire.CompactNode4) {
		named[addr] = id
	}
	require.Len(t, text, 50*wire.CompactNode4)

	c.trial(`{"rate": 500, "duration_s": 0.3}`)
	seen := map[netip.AddrPort]wire.ID{}
	for _, q := range r.all() {
		seen[q.from] = wire.ID(q.m.ID)
	}
	require.Equal(t, named, seen)
	c.end()
}

func TestNodesFileNeedsAddresses(t *testing.T) {
	t.Parallel()
	r := startResponder(t, good)
	file := filepath.Join(t.TempDir(), "nodes")
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--io", "net", "--nodes-file", file}, "--nodes-file: the flows have no addresses of their own, give some with --sources"},
		{[]string{"--nodes-file", filepath.Join(file, "nodes")}, "--nodes-file: open " + file},
	} {
		loadgen(t, append(c.args, r.addr.String())...).oneLine(t, 2, c.says)
	}
}

// The info_hashes and their popularity can change from trial to trial.
func TestControlPopularity(t *testing.T) {
	t.Parallel()
	r := startResponder(t, good)
	c := startControlled(t, "--flows", "5", "--warmup", "0s", "--mix", "get_peers=1", "--infohashes", "1000", r.addr.String())
	c.next("ready")
	distinct := func(line string) int {
		before := len(r.all())
		c.trial(line)
		hashes := map[string]bool{}
		for _, q := range r.all()[before:] {
			hashes[string(q.m.InfoHash)] = true
		}
		return len(hashes)
	}
	require.Greater(t, distinct(`{"rate": 500, "duration_s": 0.3}`), 50)
	require.Equal(t, 1, distinct(`{"rate": 500, "duration_s": 0.1, "infohashes": 1}`))
	for range 2 { // the second time from the table that was kept
		require.Less(t, distinct(`{"rate": 500, "duration_s": 0.3, "zipf": 3}`), 50)
	}
	require.Contains(t, c.askBadly(`{"infohashes": 0}`), "infohashes 0: must be 1 to")
	require.Contains(t, c.askBadly(`{"zipf": -1}`), "zipf -1: must be 0 to")
	c.end()
}
