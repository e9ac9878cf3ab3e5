package internal_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/internal/apart"
)

// TestScriptsAreShell: each parses, and says on its second line how it is used.
func TestScriptsAreShell(t *testing.T) {
	scripts, err := filepath.Glob("../scripts/*.sh")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, s := range scripts {
		out, err := exec.Command("sh", "-n", s).CombinedOutput()
		require.NoError(t, err, "%s", out)
		text, err := os.ReadFile(s)
		require.NoError(t, err)
		require.Regexp(t, `^#!/bin/sh\n# [A-Z]`, string(text), s)
	}
}

// script runs one of scripts/ below a root of the test's making.
func script(t *testing.T, root, name string, args ...string) (out string, exit int) {
	t.Helper()
	cmd := exec.Command("../scripts/"+name, args...)
	cmd.Env = append(os.Environ(), "ROOT="+root)
	text, err := cmd.CombinedOutput()
	if err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError), "%s", text)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// put writes a file below a root.
func put(t *testing.T, root, path, text string) {
	t.Helper()
	path = filepath.Join(root, path)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestConntrackDisable(t *testing.T) {
	release, err := exec.Command("uname", "-r").Output()
	require.NoError(t, err)
	builtin := "lib/modules/" + strings.TrimSpace(string(release)) + "/modules.builtin"
	root := t.TempDir()
	file := filepath.Join(root, "etc/modprobe.d/supernode-conntrack.conf")
	out, exit := script(t, root, "conntrack-disable.sh")
	require.Equal(t, 1, exit)
	require.Contains(t, out, "no modules")
	put(t, root, builtin, "kernel/net/netfilter/nf_conntrack.ko\n")
	out, exit = script(t, root, "conntrack-disable.sh")
	require.Equal(t, 1, exit)
	require.Contains(t, out, "built in")
	require.NoFileExists(t, file)

	put(t, root, builtin, "kernel/net/netfilter/nf_conntrack_ftp.ko\n")
	_, exit = script(t, root, "conntrack-disable.sh")
	require.Zero(t, exit)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "install nf_conntrack /bin/false\n")
	_, exit = script(t, root, "conntrack-disable.sh", "--undo")
	require.Zero(t, exit)
	require.NoFileExists(t, file)
	out, exit = script(t, root, "conntrack-disable.sh", "now")
	require.Equal(t, 2, exit)
	require.Contains(t, out, "usage:")
}

func TestConntrackVerify(t *testing.T) {
	const count = "proc/sys/net/netfilter/nf_conntrack_count"
	root := t.TempDir()
	out, exit := script(t, root, "conntrack-verify.sh")
	require.Zero(t, exit)
	require.Contains(t, out, "not loaded")
	put(t, root, count, "0\n")
	out, exit = script(t, root, "conntrack-verify.sh")
	require.Zero(t, exit)
	require.Contains(t, out, "no flow here has an entry")
	put(t, root, count, "7\n")
	put(t, root, "sys/module/nf_conntrack/holders/nf_nat", "")
	out, exit = script(t, root, "conntrack-verify.sh")
	require.Equal(t, 1, exit)
	require.Contains(t, out, "7 entries")
	require.Contains(t, out, "nf_nat")
}

// TestConntrackVerifyOfAKernel asks a real one, in a namespace before and after a rule wakes tracking and a datagram
// goes through.
func TestConntrackVerifyOfAKernel(t *testing.T) {
	apart.NeedRoot(t)
	apart.NeedProgram(t, "nft")
	var asleep, awake string
	var exits [2]int
	apart.In(t, func() {
		asleep, exits[0] = script(t, "", "conntrack-verify.sh")
		wake := exec.Command("nft", "-f", "-")
		wake.Stdin = strings.NewReader("table inet filter { chain input { type filter hook input priority 0; ct state invalid drop; udp dport 10 reject with icmp port-unreachable; }\n}\n")
		require.NoError(t, wake.Run())
		// Nobody listens there, which does not matter.
		_, err := exec.Command("bash", "-c", "echo >/dev/udp/127.0.0.1/9").Output()
		require.NoError(t, err)
		awake, exits[1] = script(t, "", "conntrack-verify.sh")
	})
	require.Equal(t, [2]int{0, 1}, exits, "%s\n%s", asleep, awake)
	require.Contains(t, awake, "ct state invalid drop")
	require.NotContains(t, awake, "reject with", "which asks for nothing")
}
