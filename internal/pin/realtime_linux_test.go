package pin

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

// TestRealtime: the thread is ahead of others until it is restored, and what it starts is not.
func TestRealtime(t *testing.T) {
	apart.NeedRoot(t)
	policy := func() uint32 {
		attr, err := unix.SchedGetAttr(0, 0)
		require.NoError(t, err)
		return attr.Policy
	}
	runtime.LockOSThread() // and not unlocked: the thread ends with the test
	before := policy()
	restore, err := Realtime()
	require.NoError(t, err)
	require.EqualValues(t, unix.SCHED_RR, policy())
	child, err := exec.Command("cat", "/proc/self/stat").Output()
	require.NoError(t, err)
	const at = 40 // policy is field 41 of proc_pid_stat(5), counted from 1
	require.Equal(t, "0", strings.Fields(string(child))[at], "a child is scheduled normally")
	restore()
	require.Equal(t, before, policy())
}
