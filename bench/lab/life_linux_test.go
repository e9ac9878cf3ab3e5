package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

func TestStart(t *testing.T) {
	l := up(t)
	idle := self(roleIdle)
	require.NoError(t, l.Start(Client, 1, idle))
	pid := idle.Process.Pid

	link := func(path string) string {
		s, err := os.Readlink(path)
		require.NoError(t, err)
		return s
	}
	var inside string
	require.NoError(t, l.Do(Client, func() error { inside = link("/proc/thread-self/ns/net"); return nil }))
	require.Equal(t, inside, link(fmt.Sprintf("/proc/%d/ns/net", pid)))
	require.NotEqual(t, inside, link("/proc/self/ns/net"), "this process has not moved")

	var set unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(pid, &set))
	require.Equal(t, 1, set.Count())
	require.True(t, set.IsSet(1))

	group, err := unix.Getpgid(pid)
	require.NoError(t, err)
	require.Equal(t, pid, group)

	require.NoError(t, l.Close())
	require.ErrorContains(t, idle.Wait(), "killed")

	require.ErrorIs(t, l.Start(Server, 0, self(roleIdle)), fs.ErrClosed)
	require.ErrorIs(t, l.Do(Server, func() error { return nil }), fs.ErrClosed)
	require.NoError(t, l.Close(), "again")
}

func TestStartErrors(t *testing.T) {
	l := up(t)
	missing := self(roleIdle)
	missing.Path = "/nonexistent"
	require.ErrorIs(t, l.Start(Server, 0, missing), fs.ErrNotExist)
	require.ErrorContains(t, l.Start(Server, 1000, self(roleIdle)), "no such core")

	// A process that ends by itself leaves the lab's books.
	short := self(roleShort)
	require.NoError(t, l.Start(Server, -1, short))
	require.NoError(t, short.Wait())
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.procs) == 0
	}, patience, time.Millisecond)
}

// requireNothing checks that nothing of a lab is left.
func requireNothing(t *testing.T, id string, devices ...string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(netnsDir, id+".*"))
	require.NoError(t, err)
	require.Empty(t, names, "names of namespaces")
	for _, dev := range devices {
		tids, err := findNAPI("/proc", dev)
		require.NoError(t, err)
		require.Empty(t, tids, "kernel threads of %s", dev)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	l := up(t)
	require.NoError(t, l.SetRules(RulesStateful, ServerPort))
	stranger := self(roleIdle) // not by the lab's Start
	require.NoError(t, l.Do(Server, stranger.Start))
	var st [2]unix.Stat_t
	for _, side := range sides {
		require.NoError(t, unix.Fstat(l.ends[side].ns, &st[side]))
	}
	require.NoError(t, l.Close())
	require.ErrorContains(t, stranger.Wait(), "killed")
	requireNothing(t, l.id.String(), l.ends[Server].dev, l.ends[Client].dev)

	procs, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, p := range procs {
		var in unix.Stat_t
		if unix.Stat(filepath.Join(p, "ns/net"), &in) != nil {
			continue
		}
		for _, side := range sides {
			require.False(t, in.Dev == st[side].Dev && in.Ino == st[side].Ino, "%s is still in the %s namespace", p, side)
		}
	}
}

// dying is a context that ends when it has been asked a number of times.
type dying struct {
	context.Context
	left int
	done chan struct{}
}

func (d *dying) Done() <-chan struct{} { return d.done }

func (d *dying) Err() error {
	if d.left == 0 {
		return context.Canceled
	}
	if d.left--; d.left == 0 {
		close(d.done)
		return context.Canceled
	}
	return nil
}

// TestCancelledUpLeavesNothing interrupts Up before each of its steps.
func TestCancelledUpLeavesNothing(t *testing.T) {
	apart.NeedRoot(t)
	start, err := ownStart()
	require.NoError(t, err)
	for n := 1; ; n++ {
		ctx := &dying{context.Background(), n, make(chan struct{})}
		spec := Default()
		spec.Name = fmt.Sprintf("dying-%d", n)
		l, err := Up(ctx, spec)
		if err == nil {
			require.NoError(t, l.Close())
			require.Greater(t, n, 10, "Up looks at its context between steps")
			break
		}
		require.ErrorIs(t, err, context.Canceled)
		requireNothing(t, identity{pid: os.Getpid(), start: start, name: spec.Name}.String())
	}
	names, err := os.ReadDir(netnsDir)
	require.NoError(t, err)
	require.Empty(t, names)
}

func TestUpErrors(t *testing.T) {
	apart.NeedRoot(t)
	_, err := Up(context.Background(), Spec{})
	require.ErrorContains(t, err, "is not an IPv4 prefix")

	spec := Default()
	spec.ServerCPU = 1000
	spec.Name = "far"
	_, err = Up(context.Background(), spec)
	require.ErrorContains(t, err, "no such core")
	names, err := filepath.Glob(filepath.Join(netnsDir, "*.far.*"))
	require.NoError(t, err)
	require.Empty(t, names)

	spec = Default()
	spec.Name = "twice"
	l, err := Up(context.Background(), spec)
	require.NoError(t, err)
	_, err = Up(context.Background(), spec)
	require.ErrorIs(t, err, fs.ErrExist)
	require.NoError(t, echoOnce(l), "the failure has not hurt the first")
	require.NoError(t, l.Close())
}

func TestKilledOwner(t *testing.T) {
	apart.NeedRoot(t)
	for _, c := range []struct {
		name  string
		clean func(t *testing.T, s said)
	}{
		{"Clean", func(t *testing.T, s said) {
			removed, err := Clean()
			require.NoError(t, err)
			require.Equal(t, []string{s.ID}, removed)
		}},
		{"the next Up", func(t *testing.T, s said) {
			l, err := Up(context.Background(), Default())
			require.NoError(t, err)
			require.NoError(t, l.Close())
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			owner := self(roleOwner)
			s := hear(t, owner)
			child, err := unix.PidfdOpen(s.Started, 0)
			require.NoError(t, err)
			defer unix.Close(child)
			pidfd, err := unix.PidfdOpen(owner.Process.Pid, 0)
			require.NoError(t, err)
			defer unix.Close(pidfd)

			removed, err := Clean()
			require.NoError(t, err)
			require.Empty(t, removed, "a living owner's lab is left alone")
			require.FileExists(t, filepath.Join(netnsDir, s.ID+".server"))

			require.NoError(t, owner.Process.Kill())
			exited, err := waitExit(child, patience)
			require.NoError(t, err)
			require.True(t, exited, "what the owner started dies with it")
			// The owner stays a zombie until Wait below, and must be taken for dead nevertheless.
			exited, err = waitExit(pidfd, patience)
			require.NoError(t, err)
			require.True(t, exited)

			c.clean(t, s)
			requireNothing(t, s.ID, s.Devices[:]...)
			require.ErrorContains(t, owner.Wait(), "killed")
		})
	}
}

func TestKeptLab(t *testing.T) {
	apart.NeedRoot(t)
	keeper := self(roleKeeper)
	s := hear(t, keeper)
	require.NoError(t, keeper.Wait())
	require.True(t, strings.HasPrefix(s.ID, prefixKept))

	l, err := Up(context.Background(), Default())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.FileExists(t, filepath.Join(netnsDir, s.ID+".server"), "Up leaves a kept lab alone")

	// It is whole, and somebody works in it.
	fd, err := openNetns(s.ID + ".server")
	require.NoError(t, err)
	defer unix.Close(fd)
	idle := self(roleIdle)
	require.NoError(t, inside(fd, idle.Start))

	removed, err := Clean()
	require.NoError(t, err)
	require.Equal(t, []string{s.ID}, removed)
	require.ErrorContains(t, idle.Wait(), "killed")
	requireNothing(t, s.ID, s.Devices[:]...)
}

func TestCleanTakesOnlyLabs(t *testing.T) {
	apart.NeedRoot(t)
	foreign := filepath.Join(netnsDir, "blue")
	require.NoError(t, os.WriteFile(foreign, nil, 0o600))
	defer os.Remove(foreign)
	// A maker that died between making the name and mounting the namespace on it.
	half := identity{pid: 1<<22 + 1, name: "half"}
	require.NoError(t, os.WriteFile(filepath.Join(netnsDir, half.namespace(Server)), nil, 0o600))

	removed, err := Clean()
	require.NoError(t, err)
	require.Equal(t, []string{half.String()}, removed)
	require.FileExists(t, foreign)
}

// TestUnprivileged makes a lab as a user who is nobody on the host.
func TestUnprivileged(t *testing.T) {
	apart.NeedRoot(t)
	cmd := self(roleUser)
	Unprivileged(cmd)
	const nobody = 65534
	cmd.SysProcAttr.UidMappings[0].HostID = nobody
	cmd.SysProcAttr.GidMappings[0].HostID = nobody
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true}
	s := hear(t, cmd)
	require.NoError(t, cmd.Wait())
	require.Equal(t, []string{"the receive threads run on any core: pinning a kernel thread needs root outside a user namespace"}, s.Warnings)
}

// TestThreadsAreThrownAway: a namespace entered by Do does not stick to any thread of this process.
func TestThreadsAreThrownAway(t *testing.T) {
	l := up(t)
	for range 20 {
		require.NoError(t, l.Do(Server, func() error { return nil }))
		require.ErrorContains(t, l.Do(Client, func() error { return errors.New("so") }), "so")
	}
	outside, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	require.Eventually(t, func() bool { // ended threads take a moment to go
		tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
		require.NoError(t, err)
		for _, task := range tasks {
			if ns, err := os.Readlink(task); err == nil && ns != outside {
				return false
			}
		}
		return true
	}, patience, time.Millisecond)
}
