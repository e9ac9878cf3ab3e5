package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/dht/wire"
	"supernode/internal/apart"
)

// TestStateDiskFull: a node whose disk is full keeps the state that it had, answers, and saves again when there is
// room. The disk is a small one in a mount namespace of the command's own.
func TestStateDiskFull(t *testing.T) {
	apart.NeedRoot(t)
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

// TestStateInterrupted: who is told to end while it restores its state ends, and leaves the state as it is.
func TestStateInterrupted(t *testing.T) {
	dir := t.TempDir()
	s := newStateWriter(time.Now(), stateVersion1)
	s.peers(100_000, 1000, loopbackPeer)
	state := s.finish()
	require.NoError(t, os.WriteFile(filepath.Join(dir, stateFile), state, 0o600))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	log := new(bytes.Buffer)
	err := run(ctx, []string{"--listen", "127.0.0.1:0", "--bootstrap", "none", "--http", "none", "--state-dir", dir}, io.Discard, log)
	require.NoError(t, err)
	require.Contains(t, log.String(), "stopped before it was ready")
	require.NotContains(t, log.String(), "state restored")
	after, err := os.ReadFile(filepath.Join(dir, stateFile))
	require.NoError(t, err)
	require.True(t, bytes.Equal(state, after))
	require.Empty(t, newNames(t, dir, stateFile, stateLock))
}

// newNames are the names in a directory beside those that are known.
func newNames(t *testing.T, dir string, known ...string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestStateNoFile: something else under the state's name is an error that says so, and not waited for.
func TestStateNoFile(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"pipe":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, make(filepath.Join(dir, stateFile)))
			err := run(t.Context(), []string{"--listen", "127.0.0.1:0", "--bootstrap", "none", "--http", "none", "--state-dir", dir}, io.Discard, io.Discard)
			require.ErrorContains(t, err, "not a regular file: move it away")
			require.Equal(t, exitUsage, report(err, io.Discard))
		})
	}
}
