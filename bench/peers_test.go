package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"supernode/bench/peers"
	"supernode/bench/report"
	"supernode/bench/trial"
	"supernode/internal/apart"
)

// briefly is a run of "bench peers" as short as they get.
func briefly(out, servers string, more ...string) []string {
	return append([]string{"peers", "--quick", "--blocks", "1", "--nodes", "2000", "--infohashes", "2000", "--flows", "1000",
		"--window", "32", "--servers", servers, "--out", out}, more...)
}

// Two servers without tables at everything there is, beside one that does not start.
func TestPeers(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(t.TempDir(), "out")
	args := briefly(out, "null,null-unbatched,broken", "--methods", "ping,find_node,get_peers,announce_peer,mix", "--server-cmd", "broken=/bin/false {addr}")
	r := begin(t, home(t), nil, args...)
	require.Zero(t, r.end(), r.told.String())
	r.requireNothingLeft()
	require.Contains(t, r.told.String(), "bench: broken is left out: server /bin/false has ended (exit status 1)\n")
	require.Contains(t, r.stdout.String(), "note: broken: server /bin/false has ended (exit status 1)\n")
	require.Contains(t, r.stdout.String(), "report: "+filepath.Join(out, report.ReportFile))

	run, err := peers.ReadDir(out)
	require.NoError(t, err)
	require.Contains(t, run.Header.Versions["loadgen"], "loadgen ")
	require.Equal(t, append([]string{filepath.Join(r.home, "bench")}, args...), run.Header.Command)
	seen := map[string]map[peers.Measure]bool{}
	for _, trial := range run.Trials {
		require.Zero(t, trial.Conntrack.Entries)
		require.Empty(t, trial.Problem)
		if seen[trial.Server] == nil {
			seen[trial.Server] = map[peers.Measure]bool{}
		}
		seen[trial.Server][trial.Measure] = true
		if trial.Answered > 0 { // not on a machine that is busy elsewhere
			require.Positive(t, trial.Trial.Server)
		}
	}
	everything := map[peers.Measure]bool{peers.Ping: true, peers.FindNode: true, peers.GetPeers: true, peers.Announce: true, peers.Mix: true,
		peers.Latency: true, peers.Overload: true, peers.Recovery: true}
	require.Equal(t, map[string]map[peers.Measure]bool{"null": everything, "null-unbatched": everything}, seen)
	for _, state := range run.States {
		require.True(t, state.RSS > 0 || state.Problem != "", "%+v", state)
	}

	status, _, stderr := ended(t, r.home, nil, args...)
	require.Equal(t, 2, status)
	require.Contains(t, stderr, "--out "+out)
	requirePeersReportAgain(t, r.home, out)
}

// requirePeersReportAgain has an unprivileged user make the report from a copy of nothing but the records.
func requirePeersReportAgain(t *testing.T, dir, out string) {
	t.Helper()
	again, err := os.MkdirTemp(built, "again-")
	require.NoError(t, err)
	defer os.RemoveAll(again)
	records, err := os.ReadFile(filepath.Join(out, peers.FileName))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(again, peers.FileName), records, 0o644))
	require.NoError(t, os.Chown(again, nobody, nobody))
	status, _, stderr := ended(t, dir, asNobody, "report", again)
	require.Zero(t, status, stderr)
	for _, name := range []string{report.SummaryFile, report.ReportFile} {
		want, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(again, name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
}

func TestPeersInterrupted(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	for when, recorded := range map[string]bool{"starting null-unbatched": false, "block 2 of 9": true} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			r := begin(t, home(t), nil, briefly(out, "null,null-unbatched", "--methods", "ping", "--blocks", "9")...)
			r.await(when)
			r.signal(syscall.SIGINT)
			require.Equal(t, 130, r.end(), r.told.String())
			r.requireNothingLeft()
			if !recorded {
				require.NoDirExists(t, out)
				return
			}
			require.Contains(t, r.told.String(), "bench report "+out+"\n")
			status, stdout, stderr := ended(t, r.home, nil, "report", out)
			require.Zero(t, status, stderr)
			require.Contains(t, stdout, " of 18 trials count; ")
		})
	}
}

func TestPeersUsage(t *testing.T) {
	t.Parallel()
	dir := home(t)
	require.NoError(t, os.Remove(filepath.Join(dir, "null-server")))
	for _, c := range []struct {
		args string
		says string
	}{
		{"--blocks 0", "--blocks 0: must be 1 to 1000"},
		{"--nodes 1000001", "--nodes 1000001: must be 1 to 1000000"},
		{"--infohashes 0", "--infohashes 0: must be 1 to 1000000"},
		{"--flows -1", "--flows -1: must be 1 to 1000000"},
		{"--window 0", "--window 0: must be 1 to 131072"},
		{"--zipf -1", "--zipf -1: must be 0 to 20"},
		{"--methods scrape", `--methods: unknown method "scrape": give some of [ping find_node`},
		{"--servers nobody", `--servers: unknown server "nobody": give some of supernode, null, `},
		{"--servers null,supernode", "--servers: not installed: null: make install-peers and make bench-peers have them"},
		{"--server-cmd /bin/dht", `--server-cmd: read server "/bin/dht": give NAME=COMMAND`},
		{"--servers supernode", "supernode alone is no comparison: make builds more servers, make install-peers"},
		{"--server-cmd x=/nonexistent/{addr}", "--server-cmd x: "},
		{"more", "unknown command or argument"},
	} {
		status, _, stderr := ended(t, dir, nil, append([]string{"peers"}, strings.Fields(c.args)...)...)
		require.Equal(t, 2, status, c.args)
		require.Contains(t, stderr, c.says)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}
}

func TestPeersSpec(t *testing.T) {
	parsed := func(args ...string) peers.Spec {
		cmd := &cobra.Command{}
		var o peersOptions
		o.register(cmd.Flags())
		require.NoError(t, cmd.ParseFlags(args))
		spec, err := o.spec(cmd.Flags().Changed)
		require.NoError(t, err)
		return spec
	}
	want := peers.Full()
	want.Seed = 7
	require.Equal(t, want, parsed("--seed", "7"))

	want = peers.Quick()
	want.Blocks, want.Nodes, want.Infohashes, want.Flows, want.Window = 1, 2, 3, 4, 5
	want.Mix, want.Zipf, want.Methods = "ping=1", 0, []peers.Measure{peers.Ping, peers.Mix}
	require.Equal(t, want, parsed("--quick", "--seed", "0", "--blocks", "1", "--nodes", "2", "--infohashes", "3", "--flows", "4",
		"--window", "5", "--mix", "ping=1", "--zipf", "0", "--methods", "mix,ping"))
	require.NotZero(t, parsed().Seed, "from the clock")
}

// What is asked of the generator differs between the servers of a block only in what the servers are, and hold.
func TestPeersLoad(t *testing.T) {
	spec := peers.Full()
	spec.Seed = 10
	c := &comparison{spec: spec}
	s := &station{capacity: 1000, stored: 500}
	miss, ok := c.load(s, 2, peers.GetPeersMiss)
	require.True(t, ok)
	require.Equal(t, trial.Load{Window: spec.Window, DurationS: 1, WarmupS: 0.3, Flows: spec.Flows, Mix: "get_peers=1", Infohashes: 500, Miss: true, Seed: 12}, miss)
	mix, _ := c.load(s, 2, peers.Mix)
	require.Equal(t, spec.Mix, mix.Mix)
	require.Equal(t, spec.Zipf, mix.Zipf)
	over, ok := c.load(s, 2, peers.Overload)
	require.True(t, ok)
	require.Equal(t, 2000.0, over.Rate)
	require.Zero(t, *over.GraceS, "the load falls at once")
	after, _ := c.load(s, 2, peers.Recovery)
	require.Equal(t, 500.0, after.Rate)
	require.Zero(t, after.WarmupS)
	require.Positive(t, *after.GraceS)

	tracker, ok := c.load(&station{Server: peers.Server{Payload: peers.BEP15}}, 2, peers.Ping)
	require.True(t, ok)
	require.Equal(t, trial.Load{Window: spec.Window, DurationS: 1, WarmupS: 0.3, Flows: spec.Flows, Seed: 12}, tracker)
	_, ok = c.load(&station{}, 2, peers.Latency)
	require.False(t, ok, "half of an unknown")
}
