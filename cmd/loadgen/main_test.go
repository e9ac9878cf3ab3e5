package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program is the compiled program; the end-to-end tests run nothing else.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "loadgen-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "loadgen")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build loadgen: %v\n%s", err, out)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// How long an event is awaited, and how often it is looked for.
const (
	waitLimit = 10 * time.Second
	waitStep  = 5 * time.Millisecond
)

// outcome is how a run of the program ended.
type outcome struct {
	status         int
	stdout, stderr string
}

// loadgen runs the program. It may take a minute, which is more than any machine needs.
func loadgen(t *testing.T, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "loadgen hangs\n%s", stderr.String())
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// measure runs the program for a result. Arguments are added to a short and quiet run whose time-out no
// busy machine reaches.
func measure(t *testing.T, args ...string) (r result) {
	t.Helper()
	common := []string{"--quiet", "--json", "-", "--warmup", "0s", "--duration", "400ms", "--rate", "1000", "--timeout", "1s"}
	o := loadgen(t, append(common, args...)...)
	require.Equal(t, 0, o.status, o.stderr)
	require.Empty(t, o.stderr)
	require.NoError(t, json.Unmarshal([]byte(o.stdout), &r), o.stdout)
	return r
}

// unexplained is what was malformed, but for strays: a port may have been another test's a moment ago, and that one's target
// still answers it.
func (r result) unexplained() uint64 { return r.Malformed - r.MalformedBy.Stray }

// oneLine checks that a run was refused, and how.
func (o outcome) oneLine(t *testing.T, status int, contains ...string) {
	t.Helper()
	require.Equal(t, status, o.status, o.stderr)
	require.Equal(t, 1, strings.Count(o.stderr, "\n"), o.stderr)
	require.True(t, strings.HasPrefix(o.stderr, "loadgen: "), o.stderr)
	for _, text := range contains {
		require.Contains(t, o.stderr, text)
	}
}
