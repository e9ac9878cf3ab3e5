package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

// TestStateDiskFull: a node whose disk is full keeps the state that it had, answers, and saves again when there is
// room. The disk is a small one in a mount namespace of the command's own.
func TestStateDiskFull(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	w := newStateWriter(time.Now(), stateVersion1)
	w.peers(20_000, 1800, loopbackPeer)
	state := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.WriteFile(state, w.finish(), 0o600))

	// 620 KB of state have room twice in 2 MB, but not beside the ballast.
	script := `mount -t tmpfs -o size=2m none "$1" && cp "$2" "$1/state" && head -c 1M /dev/zero >"$1/ballast" && shift 2 && exec "$@"`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir, state, built, "--state-dir", dir, "--state-period", "100ms", "--log-level", "debug")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	p := startCommand(t, cmd)
	require.EqualValues(t, 20_000, p.logged("state restored")["peers"])

	const warning = "state not saved, will be tried again"
	await(t, "the warning", func() bool { return p.logged(warning) != nil })
	require.Contains(t, fmt.Sprint(p.logged(warning)["error"]), "no space left on device")
	pong, _ := newPeer(t, "127.0.0.1").ask(p.listen[0], wire.Message{Method: wire.Ping})
	require.Equal(t, wire.Response, pong.Kind)
	inside := filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "root", dir)
	kept, err := os.Stat(filepath.Join(inside, stateFile))
	require.NoError(t, err)
	require.Equal(t, int64(len(w.state)), kept.Size(), "the old state is whole")

	require.NoError(t, os.Remove(filepath.Join(inside, "ballast")))
	await(t, "a save", func() bool { return p.logged("state saved at last") != nil })
	p.stopped()
}
