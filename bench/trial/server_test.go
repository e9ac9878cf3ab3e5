package trial

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/bench/measure"
)

func TestCommandLine(t *testing.T) {
	four, six := netip.MustParseAddrPort("10.18.0.1:6881"), netip.MustParseAddrPort("[fd00:18::1]:53")
	for _, c := range []struct {
		command string
		addr    netip.AddrPort
		want    []string
	}{
		{"", four, []string{}},
		{" dht  --listen {addr} ", four, []string{"dht", "--listen", "10.18.0.1:6881"}},
		{"dns --on={host} -p {port} {addr}", six, []string{"dns", "--on=fd00:18::1", "-p", "53", "[fd00:18::1]:53"}},
		{"dns -c '{port}' {else}", four, []string{"dns", "-c", "'6881'", "{else}"}},
	} {
		require.Equal(t, c.want, commandLine(c.command, c.addr), c.command)
	}
}

// wrapped starts a script as a server, and returns a rig that reads its clocks.
func wrapped(t *testing.T, steps ...string) (*Rig, *server) {
	t.Helper()
	s := &server{}
	cmd := scripted(steps...)
	require.NoError(t, s.start("server", cmd, (*exec.Cmd).Start))
	t.Cleanup(func() {
		_ = s.process.Stop()
		s.family.end(0)
	})
	clocks, err := measure.Open(measure.Target{ServerPID: s.PID()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, clocks.Close()) })
	return &Rig{server: s, clocks: clocks}, s
}

// awaitChildren waits until a script has said the ids of n children, and returns them.
func awaitChildren(t *testing.T, p *process, n int) (pids []int) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Count(p.said.String()+"\n", "\n") >= n && p.said.String() != "" }, patience, time.Millisecond)
	for word := range strings.FieldsSeq(p.said.String()) {
		pid, err := strconv.Atoi(word)
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	return pids
}

func TestServerAlone(t *testing.T) {
	t.Parallel()
	r, s := wrapped(t, "err up", "hang")
	s.awaitSaid(t)
	require.NoError(t, r.meet())
	require.Empty(t, s.family.pids())
	require.NoError(t, s.checkFamily())
	require.NoError(t, s.Stop())
	require.ErrorContains(t, s.checkFamily(), "has ended")
}

// A server that lets itself run elsewhere is found out, whichever of its threads it is.
func TestServerLeaves(t *testing.T) {
	t.Parallel()
	_, s := wrapped(t, "err up", "hang")
	s.awaitSaid(t)
	var here unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &here))
	core := 0
	for !here.IsSet(core) {
		core++
	}
	var only unix.CPUSet
	only.Set(core)
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.PID()))
	require.NoError(t, err)
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		require.NoError(t, err)
		leaves, err := s.leaves(core)
		require.NoError(t, err)
		require.Equal(t, here.Count() > 1, leaves)
		require.NoError(t, unix.SchedSetaffinity(tid, &only))
	}
	leaves, err := s.leaves(core)
	require.NoError(t, err)
	require.False(t, leaves)
	require.NoError(t, s.Stop())
	leaves, err = s.leaves(core)
	require.NoError(t, err)
	require.False(t, leaves, "it is not there any more")
}

// The processes that a server has started are part of it: their time is counted, and they end with it.
func TestFamily(t *testing.T) {
	t.Parallel()
	r, s := wrapped(t, "child", "child", "hang")
	children := awaitChildren(t, &s.process, 2)
	require.NoError(t, r.meet())
	require.Equal(t, children, s.family.pids())
	require.NoError(t, s.checkFamily())

	one := func(pid int) (uint64, error) { return uint64(pid), nil }
	sum, err := s.sum(one)
	require.NoError(t, err)
	require.EqualValues(t, s.PID()+children[0]+children[1], sum)

	snapshot, err := r.clocks.Snapshot()
	require.NoError(t, err)
	before, err := measure.Process(s.PID())
	require.NoError(t, err)
	for _, pid := range children {
		ns, err := measure.Process(pid)
		require.NoError(t, err)
		before += ns
	}
	require.Positive(t, snapshot.ServerNS)
	require.LessOrEqual(t, snapshot.ServerNS, before)
	r.clocks.ServedBy(nil)
	alone, err := r.clocks.Snapshot()
	require.NoError(t, err)
	require.Less(t, alone.ServerNS, before, "the children have used time, to start")

	var fds []int
	for _, pid := range children {
		fd, err := unix.PidfdOpen(pid, 0)
		require.NoError(t, err)
		defer unix.Close(fd)
		fds = append(fds, fd)
	}
	require.NoError(t, s.Stop())
	for i, fd := range fds {
		require.True(t, ended(fd, patience), "process %d", children[i])
	}
}

// What comes or goes between two trials is no matter. Within one it is.
func TestFamilyThatGrows(t *testing.T) {
	t.Parallel()
	out, in, err := os.Pipe()
	require.NoError(t, err)
	defer in.Close()
	s := &server{}
	cmd := scripted("child", "read", "child", "hang")
	cmd.Stdin = out
	require.NoError(t, s.start("server", cmd, (*exec.Cmd).Start))
	require.NoError(t, out.Close())
	defer s.Stop()
	clocks, err := measure.Open(measure.Target{ServerPID: s.PID()})
	require.NoError(t, err)
	defer clocks.Close()
	r := &Rig{server: s, clocks: clocks}

	first := awaitChildren(t, &s.process, 1)
	require.NoError(t, r.meet())
	require.Equal(t, first, s.family.pids())
	_, err = in.WriteString("\n")
	require.NoError(t, err)
	awaited := func() bool { now, err := measure.Descendants(s.PID()); return err == nil && len(now) == 2 }
	require.Eventually(t, awaited, patience, time.Millisecond)
	require.ErrorContains(t, s.checkFamily(), "so that some CPU time is not counted")
	require.NoError(t, r.meet())
	require.Len(t, s.family, 2)
	require.NoError(t, s.checkFamily())
}
