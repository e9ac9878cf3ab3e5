package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/bench/peers"
	"supernode/bench/report"
	"supernode/internal/apart"
)

// summaryOf reads the summary that a run has left.
func summaryOf(t *testing.T, out string) (s peers.Summary) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(out, report.SummaryFile))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &s))
	return s
}

// The node with its tables full, which it says they are, and another DHT server.
func TestPeersFull(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(t.TempDir(), "out")
	r := begin(t, home(t), nil, briefly(out, "supernode,anacrolix", "--methods", "get_peers,get_peers_miss,mix")...)
	require.Zero(t, r.end(), r.told.String())
	r.requireNothingLeft()
	s := summaryOf(t, out)
	require.Contains(t, s.Versions["supernode"], "supernode ")
	full := s.Servers[0].Filled
	require.GreaterOrEqual(t, *full.Nodes, uint64(1900), "each flow is a node that it knows")
	require.GreaterOrEqual(t, *full.Infohashes, uint64(1900), "each info_hash has been announced")
	require.Positive(t, full.Capacity)
	for _, table := range s.Methods {
		subject := table.Rows[0]
		if subject.AnswersPerS.N == 0 {
			continue // a busy machine
		}
		require.Equal(t, 8.0, *subject.Nodes)
		require.Zero(t, subject.Wrong)
		switch table.Method {
		case peers.GetPeers:
			require.GreaterOrEqual(t, *subject.Peers, 1.0)
		case peers.GetPeersMiss:
			require.Zero(t, *subject.Peers)
		}
	}
}

// A server that dies on the way is lost, and the other goes on.
func TestPeersServerDies(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	dir, out := home(t), filepath.Join(t.TempDir(), "out")
	mortal := filepath.Join(dir, "mortal")
	require.NoError(t, os.Link(filepath.Join(dir, "null-server"), mortal))
	r := begin(t, dir, nil, briefly(out, "null,mortal", "--methods", "ping,find_node,get_peers,announce_peer,mix",
		"--server-cmd", "mortal="+mortal+" {addr}", "--blocks", "2")...)
	r.await("block 1")
	pid, ok := processes(t, dir)["mortal"]
	require.True(t, ok, r.told.String())
	require.NoError(t, unix.Kill(pid, syscall.SIGKILL))
	require.Zero(t, r.end(), r.told.String())
	r.requireNothingLeft()
	require.Contains(t, r.told.String(), "bench: mortal is measured no more: server "+mortal+" has ended (signal: killed)\n")
	run, err := peers.ReadDir(out)
	require.NoError(t, err)
	trials := map[string]int{}
	for _, trial := range run.Trials {
		trials[trial.Server]++
	}
	require.GreaterOrEqual(t, trials["null"], 2*8)
	require.Less(t, trials["mortal"], trials["null"])
}
