package main

import (
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/internal/apart"
	"supernode/internal/conntrack"
)

const wakeTracking = `nft -f - <<END
table inet filter { chain input { type filter hook input priority 0; ct state invalid drop; }
}
END`

var exemptTables = regexp.MustCompile(`table inet supernode_notrack_\d+`)

// TestNotrackNode: a node that exempts its ports leaves nothing behind, whether it is asked to stop, killed, or cannot
// start, and takes over what somebody else has left.
func TestNotrackNode(t *testing.T) {
	apart.NeedProgram(t, "nft")
	notrack := func(t *testing.T, listen ...string) *process {
		args := []string{"--conntrack", conntrackNotrack, "--http", none}
		for _, l := range listen {
			args = append(args, "--listen", l)
		}
		return start(t, args...)
	}
	tables := func(t *testing.T) []string { return exemptTables.FindAllString(apart.Shell(t, "nft list ruleset"), -1) }
	apart.In(t, func() {
		apart.Shell(t, wakeTracking)
		before := apart.Shell(t, "nft list ruleset")
		_, _, exit := command(t, "doctor", "--port", "6881", "--fix", "notrack", "--interval", "100ms")
		require.Zero(t, exit)
		require.Equal(t, []string{"table inet supernode_notrack_6881"}, tables(t), "left by somebody else")

		p := notrack(t, "127.0.0.1:6881")
		require.NotNil(t, p.logged("exempt from connection tracking"))
		require.Equal(t, []string{"table inet supernode_notrack_6881"}, tables(t), "replaced, not doubled")
		out, _, exit := command(t, "doctor", "--port", "6881", "--fix", "notrack", "--interval", "100ms")
		require.Zero(t, exit)
		require.Contains(t, out, "it ends with the node")
		require.NotContains(t, out, "--undo")
		apart.Shell(t, "nft flush ruleset; "+wakeTracking)
		require.Len(t, tables(t), 1, "a reload of the firewall leaves the node's table alone")
		require.NoError(t, p.cmd.Process.Kill())
		<-p.exited
		require.Equal(t, before, apart.Shell(t, "nft list ruleset"), "the kernel removes the table of a killed node")

		p = notrack(t, "127.0.0.1:6881", "127.0.0.2:6881", "127.0.0.1:6882")
		require.Len(t, tables(t), 2, "one a port")
		_, stderr, exit := command(t, "--listen", "127.0.0.3:6881", "--conntrack", conntrackNotrack, "--state-dir", none, "--http", none)
		require.Equal(t, exitUsage, exit)
		require.Contains(t, stderr, "another process holds")
		p.stopped()
		require.Equal(t, before, apart.Shell(t, "nft list ruleset"))

		_, _, exit = command(t, "--listen", "127.0.0.1:6881", "--conntrack", conntrackNotrack, "--state-dir", none, "--http", "192.0.2.1:1")
		require.NotZero(t, exit, "the address of the status page is not ours")
		require.Equal(t, before, apart.Shell(t, "nft list ruleset"))
	})
}

// judged says whether the node has logged that verdict.
func (p *process) judged(v conntrack.Verdict) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.log, func(line map[string]any) bool {
		return line["msg"] == "connection tracking" && line["verdict"] == string(v)
	})
}

// TestWarnNode: a node says at once that it is not tracked, and says so when that changes.
func TestWarnNode(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.In(t, func() {
		p := start(t, "--listen", "127.0.0.1:6881", "--http", none)
		await(t, "the first verdict", func() bool { return p.judged(conntrack.Inactive) })
		apart.Shell(t, wakeTracking)
		conn, err := net.Dial("udp", "127.0.0.1:6881")
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte("d1:q"))
		require.NoError(t, err)
		await(t, "the change", func() bool { return p.judged(conntrack.Tracked) })
		p.stopped()
	})
}

// TestNotrackWithoutRights: one line, with the mend.
func TestNotrackWithoutRights(t *testing.T) {
	said := refused(t, "--listen", "0.0.0.0:6881", "--conntrack", conntrackNotrack, "--http", none, "--bootstrap", none,
		"--state-dir", none, "--log-level", "error")
	require.Contains(t, said, "--conntrack notrack")
	require.Contains(t, said, "CAP_NET_ADMIN")
	require.Contains(t, said, "--conntrack warn")
}

// TestDoctorFlush asks for consent, and deletes with it.
func TestDoctorFlush(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.In(t, func() {
		apart.Shell(t, wakeTracking)
		out, _, exit := command(t, "doctor", "--flush")
		require.Zero(t, exit)
		require.Contains(t, out, "Nothing to delete")

		p := start(t, "--listen", "127.0.0.1:6881", "--http", none, "--bootstrap", "127.0.0.1:6999")
		await(t, "an entry of the node's", func() bool {
			out, _, _ = command(t, "doctor", "--entries")
			return !strings.HasPrefix(out, "0 entries")
		})
		require.Contains(t, out, "127.0.0.0/24")
		out, stderr, exit := command(t, "doctor", "--flush")
		require.Equal(t, exitUsage, exit, "nobody to ask")
		require.Contains(t, out, "entries of UDP port 6881")
		require.Contains(t, stderr, "--yes")
		_, _, exit = command(t, "doctor", "--flush", "--dry-run")
		require.Zero(t, exit)
		p.stopped()

		out, _, _ = command(t, "doctor", "--flush", "--yes")
		require.Contains(t, out, "Deleted ")
		out, _, _ = command(t, "doctor", "--entries")
		require.True(t, strings.HasPrefix(out, "0 entries"), out)
	})
}

// TestDoctorWithoutRights names what is missing.
func TestDoctorWithoutRights(t *testing.T) {
	apart.NeedRoot(t)
	for _, args := range [][]string{{"--fix", "notrack"}, {"--entries"}, {"--undo"}} {
		cmd := exec.Command(built, append([]string{"doctor"}, args...)...)
		cmd.Env = os.Environ()
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNET,
			Credential: &syscall.Credential{Uid: 65534, Gid: 65534},
		}
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "CAP_NET_ADMIN", "%v", args)
		require.Equal(t, 1, strings.Count(string(out), "\n"), string(out))
	}
}
