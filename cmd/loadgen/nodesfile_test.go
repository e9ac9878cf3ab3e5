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
