package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

// TestReadme runs the commands that the README gives for loading a node, as they stand there but for their duration,
// where the port is free: in a network namespace with nothing but loopback.
func TestReadme(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	page, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)## Load a node\n\n```\n(.*?)```").FindSubmatch(page)
	require.NotNil(t, block)
	commands := strings.ReplaceAll(string(block[1]), "--duration 10s", "")
	commands, edits := strings.ReplaceAll(commands, "bin/loadgen", "bin/loadgen --duration 1s"), strings.Count(commands, "bin/loadgen")
	require.Equal(t, 2, edits)

	dir := t.TempDir()
	require.NoError(t, os.Symlink(home(t), filepath.Join(dir, "bin")))
	var told bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-e", "-c", commands+"\nkill $!\nwait $!")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &told, &told
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, startApart(cmd))
	t.Cleanup(func() { unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }) // also what it left behind
	require.NoError(t, cmd.Wait(), told.String())
	require.Contains(t, told.String(), "msg=stopped")
}

// startApart starts cmd in a network namespace that has loopback only and ends with cmd.
func startApart(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		if err := apart.Enter(); err != nil {
			started <- err
			return
		}
		started <- cmd.Start()
	}()
	return <-started
}
