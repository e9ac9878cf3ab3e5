package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/bench/lab"
	"supernode/bench/peers"
	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/internal/apart"
)

// owned is a directory that is nobody's.
func owned(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(built, "owned-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chown(dir, nobody, nobody))
	return dir
}

// mayUse says whether this machine lets nobody have a user namespace. Where it does not, the bench must have said why.
func mayUse(t *testing.T, status int, stderr string) bool {
	t.Helper()
	setting := lab.Forbidden()
	if setting == "" {
		return true
	}
	t.Logf("%s", setting)
	require.NotZero(t, status)
	require.Contains(t, stderr, setting)
	return false
}

// An ordinary user gets the same experiment, in a user namespace, and a result that says so.
func TestWithoutRoot(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t) // to become nobody
	args := func(out string) []string { return short(out, "--rate", "1000") }
	r, out, status := insist(t, home(t), owned(t), asNobody, args)
	if !mayUse(t, status, r.told.String()) {
		return
	}
	require.Zero(t, status, r.told.String())
	r.requireNothingLeft()
	require.Contains(t, r.stdout.String(), "\nnote: measured without root: the receive threads run on any core")

	run, err := record.ReadDir(out)
	require.NoError(t, err)
	require.True(t, run.Header.Unprivileged)
	require.False(t, run.Header.Machine.NAPIPinned)
	for _, lacks := range []string{"receive threads", "net.core.rmem_max", "server runs as user 65534", "ip netns"} {
		require.Contains(t, run.Header.Notes[0], lacks)
	}
	require.Equal(t, append([]string{filepath.Join(r.home, "bench")}, args(out)...), run.Header.Command)
	require.Len(t, armsOf(run), len(run.Header.Plan.Arms))
	for _, trial := range run.Trials {
		requireProven(t, trial, run.Header.Machine.ConntrackLimit)
	}
	var summary report.Summary
	text, err := os.ReadFile(filepath.Join(out, report.SummaryFile))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &summary))
	require.True(t, summary.Unprivileged)
	require.NoError(t, filepath.WalkDir(out, func(path string, _ fs.DirEntry, err error) error {
		var st unix.Stat_t
		require.NoError(t, unix.Stat(path, &st))
		require.EqualValues(t, nobody, st.Uid, path)
		return err
	}))
}

func armsOf(run record.Run) map[string]bool {
	arms := map[string]bool{}
	for _, trial := range run.Trials {
		arms[string(trial.Arm)] = true
	}
	return arms
}

// Servers that give up root's rights, as name servers do, are started as the user himself, who has none to give up.
func TestForeignServerWithoutRoot(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	apart.NeedProgram(t, "/usr/sbin/dnsmasq")
	r, out, status := insist(t, home(t), owned(t), func(cmd *exec.Cmd) {
		asNobody(cmd)
		cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin")
	}, func(out string) []string {
		return shorter(out, "--rate", "1000", "--server-cmd", dnsmasq, "--server-port", "53", "--payload", "dns:example.org")
	})
	if !mayUse(t, status, r.told.String()) {
		return
	}
	require.Zero(t, status, r.told.String())
	r.requireNothingLeft()
	run, err := record.ReadDir(out)
	require.NoError(t, err)
	for _, trial := range run.Trials {
		requireProven(t, trial, run.Header.Machine.ConntrackLimit)
		requireReplies(t, trial, "dns", 45)
	}
}

func TestPeersWithoutRoot(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(owned(t), "out")
	r := begin(t, home(t), asNobody, briefly(out, "null,null-unbatched", "--methods", "ping")...)
	status := r.end()
	if !mayUse(t, status, r.told.String()) {
		return
	}
	require.Zero(t, status, r.told.String())
	r.requireNothingLeft()
	run, err := peers.ReadDir(out)
	require.NoError(t, err)
	require.Contains(t, run.Header.Notes[0], "measured without root: ")
}

// What ends the bench that an ordinary user sees ends all of it, in order if that can be.
func TestInterruptedWithoutRoot(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	for _, c := range []struct {
		what   syscall.Signal
		status int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 130}, {syscall.SIGKILL, -1}} {
		t.Run(c.what.String(), func(t *testing.T) {
			t.Parallel()
			r := begin(t, home(t), asNobody, shorter(filepath.Join(owned(t), "out"), "--blocks", "9")...)
			if lab.Forbidden() != "" {
				status := r.end()
				mayUse(t, status, r.told.String())
				return
			}
			r.await("block 1 of 9")
			r.signal(c.what)
			require.Equal(t, c.status, r.end(), r.told.String()) // which reads until the last of them has closed standard error
			if c.status >= 0 {
				require.Equal(t, 1, strings.Count(r.told.String(), "bench: interrupted: "), r.told.String())
			}
			require.Eventually(t, func() bool { return len(processes(t, r.home)) == 0 }, patience, 10*time.Millisecond)
		})
	}
}

// Where user namespaces are forbidden, the error says by what.
func TestForbiddenUserNamespaces(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	dir := home(t)
	// The limit is one of the user namespace that this shell is made in, and of no other.
	r := begin(t, dir, func(cmd *exec.Cmd) {
		bench := strings.Join(cmd.Args, " ")
		cmd.Path = "/bin/sh"
		cmd.Args = []string{"sh", "-c", "echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --reuid 65534 --regid 65534 --clear-groups " + bench}
		every := []syscall.SysProcIDMap{{Size: nobody + 1}}
		cmd.SysProcAttr.Cloneflags, cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = syscall.CLONE_NEWUSER, every, every
		cmd.SysProcAttr.GidMappingsEnableSetgroups = true
	}, "conntrack", "--quick")
	require.Equal(t, 2, r.end(), r.told.String())
	require.Regexp(t, `^bench: needs root, or a user namespace of its own, which is forbidden here \(.*no space left on device\): `+
		`user.max_user_namespaces is 0: sudo sysctl -w user.max_user_namespaces=10000 permits user namespaces, or run it with sudo\n$`, r.told.String())
}
