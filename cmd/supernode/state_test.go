package main

import (
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht"
	"supernode/dht/wire"
)

func TestDefaultStateDir(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		root bool
		want string
	}{
		{map[string]string{"STATE_DIRECTORY": "/srv/a:/srv/b", "HOME": "/root"}, true, "/srv/a"},
		{map[string]string{"HOME": "/root", "XDG_STATE_HOME": "/x"}, true, "/var/lib/supernode"},
		{map[string]string{"HOME": "/home/u", "XDG_STATE_HOME": "/x"}, false, "/x/supernode"},
		{map[string]string{"HOME": "/home/u", "XDG_STATE_HOME": "relative"}, false, "/home/u/.local/state/supernode"},
		{nil, false, ""},
	} {
		require.Equal(t, c.want, defaultStateDir(func(name string) string { return c.env[name] }, c.root))
	}
}

// startIn starts the command with its state in dir.
func startIn(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return start(t, append([]string{"--state-dir", dir, "--log-level", "debug"}, args...)...)
}

// names are the names of the files in dir but for the lock.
func names(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if e.Name() != stateLock {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestStateSurvives: a node that is started again is the same node, and knows its nodes and peers, also if it listens
// elsewhere: but then it is another.
func TestStateSurvives(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "for it")
	p := startIn(t, dir)
	good, asker := newPeer(t, "127.0.0.3").alive(), newPeer(t, "127.0.0.4")
	token, _ := good.ask(p.listen[0], wire.Message{Method: wire.GetPeers, InfoHash: infohash})
	good.ask(p.listen[0], wire.Message{Method: wire.AnnouncePeer, InfoHash: infohash, Token: token.Token, ImpliedPort: true})
	if good.queries == 0 {
		good.await(nil)
	}
	p.awaitMetrics(map[string]float64{`supernode_nodes{family="ipv4"}`: 1, "supernode_peers": 1})
	require.NotContains(t, p.metrics(), "supernode_state_bytes", "nothing was saved yet")
	p.stopped()
	require.Equal(t, []string{stateFile}, names(t, dir))
	for path, mode := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, stateFile): 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), path)
	}

	again := startIn(t, dir)
	require.Equal(t, p.id, again.id)
	require.EqualValues(t, 1, again.logged("state restored")["nodes"])
	require.EqualValues(t, 1, again.logged("state restored")["peers"])
	require.InDelta(t, float64(time.Now().Unix()), again.metrics()["supernode_state_saved_timestamp_seconds"], 300)
	reply, _ := asker.ask(again.listen[0], wire.Message{Method: wire.GetPeers, InfoHash: infohash})
	require.Equal(t, []netip.AddrPort{good.addr()}, slices.Collect(reply.Peers()))
	require.Equal(t, wire.AppendNode(nil, good.id, good.addr()), reply.Nodes)
	again.stopped()

	elsewhere := startIn(t, dir, "--listen", "127.0.0.2:0")
	require.NotEqual(t, p.id, elsewhere.id)
	require.EqualValues(t, 1, elsewhere.logged("state restored")["nodes"])
	elsewhere.stopped()
}

// TestStateSavedByTheWay: the state is saved while the node runs, and seen in the metrics.
func TestStateSavedByTheWay(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, stateTemp+"123"), []byte("left by a killed one"), 0o600))
	w := newStateWriter(time.Now(), stateVersion1)
	w.peers(50_000, 1800, loopbackPeer)
	require.NoError(t, os.WriteFile(filepath.Join(dir, stateFile), w.finish(), 0o600))
	p := startIn(t, dir, "--state-period", "100ms")
	await(t, "a save", func() bool { return p.logged("state saved") != nil })
	require.EqualValues(t, 50_000, p.logged("state saved")["peers"])
	m := p.metrics()
	require.Greater(t, m["supernode_state_bytes"], 50_000.*31)
	require.Positive(t, m["supernode_state_save_seconds"])
	p.stopped()
	require.Equal(t, []string{stateFile}, names(t, dir))
}

// TestStateOfLongAgo: nodes that may be gone are asked, not handed out.
func TestStateOfLongAgo(t *testing.T) {
	dir := t.TempDir()
	q := newPeer(t, "127.0.0.3").alive()
	w := newStateWriter(time.Now().Add(-48*time.Hour), stateVersion1)
	w.home(netip.MustParseAddrPort("127.0.0.1:0"), wire.ID{7})
	w.nodes(1, 60, func(int) (wire.ID, netip.AddrPort) { return q.id, q.addr() })
	w.peers(1, 1800, loopbackPeer)
	require.NoError(t, os.WriteFile(filepath.Join(dir, stateFile), w.finish(), 0o600))
	p := startIn(t, dir)
	require.Equal(t, hex.EncodeToString([]byte{7, 19: 0}), p.id)
	require.EqualValues(t, 0, p.logged("state restored")["nodes"])
	require.EqualValues(t, 0, p.logged("state restored")["peers"])
	query, _ := q.await(nil)
	require.Equal(t, wire.FindNode, query.Method)
	p.awaitMetrics(map[string]float64{`supernode_nodes{family="ipv4"}`: 1})
	p.stopped()
}

// TestStateLocked: two nodes never share a directory.
func TestStateLocked(t *testing.T) {
	dir := t.TempDir()
	first := startIn(t, dir)
	_, stderr, exit := command(t, "--state-dir", dir, "--listen", "127.0.0.1:0", "--http", none, "--bootstrap", none)
	require.Equal(t, exitUsage, exit)
	require.Contains(t, stderr, `--state-dir "`+dir+`"`)
	require.Contains(t, stderr, "another supernode uses it: choose another directory, or none")

	cmd := exec.Command(built, "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+dir)
	second := startCommand(t, cmd)
	require.NotNil(t, second.logged("running without saved state: give --state-dir a directory of its own, or none"))
	second.stopped()
	require.Empty(t, names(t, dir), "it is the first one's to write")
	first.stopped()
	require.Equal(t, []string{stateFile}, names(t, dir))
}

// TestStateRefused: a file that is no whole state of this version is put aside, a few of them are kept, and the node
// runs.
func TestStateRefused(t *testing.T) {
	dir := t.TempDir()
	whole := newStateWriter(time.Now(), stateVersion1)
	whole.peers(100, 1800, loopbackPeer)
	good := whole.finish()
	damaged := slices.Clone(good)
	damaged[200] ^= 4
	for _, c := range []struct {
		state []byte
		says  string
	}{
		{good[:1000], "cut short"},
		{damaged, "damaged"},
		{[]byte("a file of somebody else's, left here by mistake"), "not a state of supernode's"},
		{newStateWriter(time.Now(), 2).finish(), "of version 2"},
		{nil, "cut short"},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, stateFile), c.state, 0o600))
		p := startIn(t, dir)
		warning := p.logged("saved state cannot be used, starting without")
		require.NotNil(t, warning, p.messages())
		require.Equal(t, "WARN", warning["level"])
		require.Contains(t, warning["reason"], c.says)
		kept, err := os.ReadFile(warning["kept_as"].(string))
		require.NoError(t, err)
		require.Equal(t, string(c.state), string(kept))
		p.stopped()
	}
	left := names(t, dir)
	require.Len(t, left, 1+keepBad, left)
	require.Equal(t, stateFile, left[0])
}

// TestStateKilled kills the command at random moments of a save: a whole state is always found again.
func TestStateKilled(t *testing.T) {
	dir := t.TempDir()
	const peers, rounds = 200_000, 8
	w := newStateWriter(time.Now(), stateVersion1)
	w.peers(peers, 1800, loopbackPeer)
	require.NoError(t, os.WriteFile(filepath.Join(dir, stateFile), w.finish(), 0o600))
	interrupted := 0
	for round := range rounds {
		p := startIn(t, dir, "--state-period", "100ms", "--log-level", "info")
		require.EqualValues(t, peers, p.logged("state restored")["peers"])
		for deadline := time.Now().Add(patience); len(names(t, dir)) == 1; {
			require.True(t, time.Now().Before(deadline), "no save began")
		}
		time.Sleep(time.Duration(round) * rand.N(10*time.Millisecond)) // the random moment
		require.NoError(t, p.cmd.Process.Kill())
		<-p.exited
		if len(names(t, dir)) > 1 {
			interrupted++
		}
	}
	t.Logf("%d of %d were killed in the middle of a save", interrupted, rounds)
	require.Positive(t, interrupted, "the test proves nothing")
	p := startIn(t, dir)
	require.EqualValues(t, peers, p.logged("state restored")["peers"])
	p.stopped()
	require.Equal(t, []string{stateFile}, names(t, dir), "what the killed ones left is gone")
}

// TestStateDirGone: what keeps the state from being saved is warned of once, and passes.
func TestStateDirGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	p := startIn(t, dir, "--state-period", "100ms")
	await(t, "a save", func() bool { return p.logged("state saved") != nil })
	require.NoError(t, os.Rename(dir, dir+".away"))
	const warning = "state not saved, will be tried again"
	count := func() (all, warnings int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, entry := range p.log {
			if entry["msg"] == warning {
				all++
				if entry["level"] == "WARN" {
					warnings++
				}
			}
		}
		return all, warnings
	}
	await(t, "three failures", func() bool { all, _ := count(); return all >= 3 })
	_, warnings := count()
	require.Equal(t, 1, warnings)
	require.NoError(t, os.Rename(dir+".away", dir))
	await(t, "a save", func() bool { return p.logged("state saved at last") != nil })
	p.stopped()
}

// TestStateWaits: a worker whose buffers nobody empties goes on without, and completes the state once they are.
func TestStateWaits(t *testing.T) {
	w := newTestWorker(t, openers[backends[0]])
	const nodes = 50_000
	fillNodes(t, w, nodes)
	s := newSaving()
	w.saves.Store(s)
	for w.save(0) {
	}
	require.Len(t, s.filled, savingBuffers, "all are full")
	require.False(t, w.save(0))
	total, snapshot := 0, s.snapshot
	for buf := range s.filled {
		total += len(buf)
		s.empty <- buf[:0]
		for w.save(0) {
		}
	}
	require.Greater(t, total, 28*nodes)
	require.Equal(t, w.counts().Nodes4, snapshot.Nodes())
	require.Nil(t, w.saving)

	given := newSaving()
	w.saves.Store(given)
	require.True(t, w.save(0))
	given.givenUp.Store(true)
	require.False(t, w.save(0))
	require.Nil(t, w.saving)
}

// TestStateSlowDisk: a disk that does not let go of the last save does not keep the command from ending.
func TestStateSlowDisk(t *testing.T) {
	dir, err := openStateDir(t.TempDir())
	require.NoError(t, err)
	defer dir.close()
	var said strings.Builder
	k := &keeper{dir: dir, limit: time.Millisecond, log: slog.New(slog.NewTextHandler(&said, nil)), ended: make(chan struct{})}
	k.finish(newTestWorker(t, openers[backends[0]]))
	require.Contains(t, said.String(), "state not saved in time, that of an earlier time stays")
	require.Empty(t, names(t, dir.path))
}

// fillNodes makes w's node know so many others, who answered just now.
func fillNodes(t testing.TB, w *worker, n int) {
	t.Helper()
	dir, err := openStateDir(t.TempDir())
	require.NoError(t, err)
	defer dir.close()
	listen := netip.MustParseAddrPort("127.0.0.1:0")
	s := newStateWriter(time.Now(), stateVersion1)
	s.home(listen, wire.ID{1})
	s.nodes(n, 0, func(i int) (wire.ID, netip.AddrPort) {
		return scattered(i), netip.AddrPortFrom(netip.AddrFrom4([4]byte{20 + byte(i>>16), byte(i >> 8), byte(i), 1}), 6881)
	})
	require.NoError(t, os.WriteFile(dir.file(), s.finish(), 0o600))
	k := &keeper{dir: dir, log: quiet}
	require.NoError(t, k.read(t.Context()))
	w.homes = []dht.Home{{Node: w.at[0].node, Listen: listen}}
	old, err := k.restore(w.clock.now(), w.homes)
	require.NoError(t, err)
	require.Empty(t, old)
	require.Greater(t, w.counts().Nodes4, n*9/10)
}
