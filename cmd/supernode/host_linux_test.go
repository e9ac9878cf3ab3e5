package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/internal/apart"
)

// TestNotifiesSystemd speaks sd_notify(3) over both kinds of address.
func TestNotifiesSystemd(t *testing.T) {
	for name, address := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": "@supernode-test-" + strconv.Itoa(os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
			require.NoError(t, err)
			defer socket.Close()
			require.NoError(t, socket.SetReadDeadline(time.Now().Add(patience)))
			read := func() string {
				text := make([]byte, 256)
				n, err := socket.Read(text)
				require.NoError(t, err)
				return string(text[:n])
			}
			cmd := exec.Command(built)
			cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+address)
			p := startCommand(t, cmd)
			require.Equal(t, "READY=1", read())
			p.stopped()
			require.Equal(t, "STOPPING=1", read())
		})
	}
}

// TestWithoutSystemd: a notify socket that nobody listens on is worth a warning.
func TestWithoutSystemd(t *testing.T) {
	cmd := exec.Command(built)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(t.TempDir(), "nobody"))
	p := startCommand(t, cmd)
	await(t, "the warning", func() bool { return p.logged("systemd not notified") != nil })
	p.stopped()
}

// TestPrivilegedPort runs the command without the right to bind ports below 1024, in a network namespace of its own,
// as hosts and containers may have given that right to everyone (net.ipv4.ip_unprivileged_port_start).
func TestPrivilegedPort(t *testing.T) {
	for address, args := range map[string][]string{
		"0.0.0.0:881": {"--listen", "0.0.0.0:881", "--http", none},
		"0.0.0.0:880": {"--listen", "0.0.0.0:6881", "--http", "0.0.0.0:880"},
	} {
		said := refused(t, append(args, "--bootstrap", none, "--state-dir", none, "--log-level", "error")...)
		require.Contains(t, said, address)
		require.Contains(t, said, "CAP_NET_BIND_SERVICE")
	}
}

// refused runs the command as nobody, in a network namespace of its own, and returns the one line with which it refuses
// to start.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	apart.NeedRoot(t)
	cmd := exec.Command(built, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET,
		Credential: &syscall.Credential{Uid: 65534, Gid: 65534},
	}
	require.Error(t, cmd.Run())
	require.Equal(t, exitUsage, cmd.ProcessState.ExitCode(), stderr.String())
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
	return stderr.String()
}

// TestCPU: the command runs where it is told to.
func TestCPU(t *testing.T) {
	_, cpu := processors(t)
	p := start(t, "--cpu", strconv.Itoa(cpu))
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(t, err)
	require.Contains(t, string(status), fmt.Sprintf("Cpus_allowed_list:\t%d\n", cpu))
	p.stopped()
}
