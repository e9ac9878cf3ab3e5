package gates

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/internal/apart"
)

var supernode, loadgen string // the programs, built once

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "gates-test-")
		if err == nil {
			defer os.RemoveAll(dir)
			supernode, loadgen = filepath.Join(dir, "supernode"), filepath.Join(dir, "loadgen")
			build := exec.Command("go", "build", "-o", dir, "supernode/cmd/supernode", "supernode/cmd/loadgen")
			build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
			err = build.Run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "build the programs:", err)
			return 1
		}
		return m.Run()
	}())
}

// requireNoneLeft checks that no program of ours runs any more.
func requireNoneLeft(t *testing.T) {
	t.Helper()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, command := range commands {
		if text, err := os.ReadFile(command); err == nil { // else it has ended meanwhile
			require.False(t, strings.HasPrefix(string(text), filepath.Dir(supernode)+"/"), "%q", text)
		}
	}
}

// A server that has lost its batching, as it is with --batch 1, is worse by far more than the tolerance. Flags that a program
// does not know are not given to it.
func TestMeasureSeesBatching(t *testing.T) {
	if runtime.NumCPU() < 2 {
		apart.Lacking(t, "a processor each for server and generator")
	}
	single := filepath.Join(t.TempDir(), "single")
	script := "#!/bin/sh\ntest \"$2\" = --help && exec " + supernode + " \"$@\"\nexec " + supernode + " \"$@\" --batch 1\n"
	require.NoError(t, os.WriteFile(single, []byte(script), 0o755))
	load := Load{Loadgen: loadgen, Window: 256, Duration: 300 * time.Millisecond, ClientCPU: 1}
	whole, err := Measure(t.Context(), supernode, load)
	require.NoError(t, err)
	lost, err := Measure(t.Context(), single, load)
	require.NoError(t, err)
	t.Logf("calls a datagram %.3f and %.3f, datagrams a batch %.1f and %.1f", whole.CallsPerDatagram, lost.CallsPerDatagram, whole.BatchFill, lost.BatchFill)
	require.GreaterOrEqual(t, whole.BatchFill, LeastFill)
	require.Greater(t, lost.CallsPerDatagram, (1+Tolerance)*whole.CallsPerDatagram)
	require.Greater(t, 1/lost.BatchFill, (1+Tolerance)/whole.BatchFill)
}

func TestAccepted(t *testing.T) {
	accepted, unknown := Accepted(t.Context(), supernode, "--listen=127.0.0.1:1", "--allow-private", "--from-the-future=yes")
	require.Equal(t, []string{"--listen=127.0.0.1:1", "--allow-private"}, accepted)
	require.Equal(t, []string{"--from-the-future"}, unknown)
	accepted, unknown = Accepted(t.Context(), "/bin/false", "--any")
	require.Equal(t, []string{"--any"}, accepted, "one that cannot be asked refuses them itself")
	require.Empty(t, unknown)
}

// What a server does by its own account adds up, and nothing of it is left running.
func TestMeasure(t *testing.T) {
	load := Load{Loadgen: loadgen, Window: 256, Duration: 500 * time.Millisecond}
	live, err := Measure(t.Context(), supernode, load)
	require.NoError(t, err)
	require.Positive(t, live.Received)
	require.Positive(t, live.CallsPerDatagram)
	require.GreaterOrEqual(t, live.BatchFill, 1.0, "a batch that is counted has something in it")
	requireNoneLeft(t)

	_, err = Measure(t.Context(), loadgen, load)
	require.ErrorContains(t, err, "loadgen has ended (exit status 2): loadgen: ", "one that is no server says why")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Measure(ctx, supernode, load)
	require.ErrorIs(t, err, context.Canceled)
	requireNoneLeft(t)
}

// Each flow leaves an entry where tracking is on, and none elsewhere.
func TestEntries(t *testing.T) {
	apart.NeedRoot(t)
	got, err := Entries(t.Context(), supernode, loadgen)
	requireNoneLeft(t)
	if err != nil {
		require.ErrorIs(t, err, ErrTooBusy, "the one error that is no fault of the programs")
		return
	}
	require.InDelta(t, 1, got[plan.On], EntriesSlack)
	require.Zero(t, got[plan.Off])
	require.Zero(t, got[plan.Notrack])
}
