package pin

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestThread pins a thread and no other.
func TestThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, others unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &before))
	last := 0
	for cpu := range maxCPU {
		if before.IsSet(cpu) {
			last = cpu
		}
	}
	pinned := make(chan unix.CPUSet)
	go func() {
		runtime.LockOSThread() // until the end
		var now unix.CPUSet
		if err := errors.Join(Thread(last), unix.SchedGetaffinity(0, &now)); err != nil {
			t.Error(err)
		}
		if Thread(maxCPU) == nil {
			t.Error("pinned to a processor that is not there")
		}
		pinned <- now
	}()
	now := <-pinned
	require.Equal(t, 1, now.Count())
	require.True(t, now.IsSet(last))
	require.NoError(t, unix.SchedGetaffinity(0, &others))
	require.Equal(t, before, others)
}

func TestProcess(t *testing.T) {
	var before unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &before))
	var all List
	for cpu := range maxCPU {
		if before.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	t.Cleanup(func() { require.NoError(t, Process(all)) })

	require.NoError(t, Process(nil))
	require.NoError(t, Process(all[:1]))
	var now unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(unix.Getpid(), &now))
	require.Equal(t, 1, now.Count())
	require.True(t, now.IsSet(all[0]))

	require.ErrorContains(t, Process(List{maxCPU}), "may use none of the processors 1023")
}

// TestOnline: what this process may not use is counted all the same.
func TestOnline(t *testing.T) {
	online, err := Online()
	require.NoError(t, err)
	require.NotEmpty(t, online)
	pinned := make(chan List)
	go func() {
		runtime.LockOSThread() // and ends so
		require.NoError(t, Thread(online[0]))
		list, _ := Online()
		pinned <- list
	}()
	require.Equal(t, online, <-pinned)
}
