package measure

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestWakeups: whoever sleeps is counted, each time.
func TestWakeups(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := Wakeups(os.Getpid())
	require.NoError(t, err)
	const naps = 20
	for range naps {
		nap := unix.NsecToTimespec(1e6)
		_ = unix.Nanosleep(&nap, nil) // a signal that ends it early has woken us too
	}
	after, err := Wakeups(os.Getpid())
	require.NoError(t, err)
	require.GreaterOrEqual(t, after, before+naps)

	_, err = Wakeups(0)
	require.ErrorContains(t, err, "process 0 has no threads")
	_, err = parseWakeups([]byte("Name:\tx\nnonvoluntary_ctxt_switches:\t3\n"))
	require.ErrorContains(t, err, "no line voluntary_ctxt_switches")
	n, err := parseWakeups([]byte("Name:\tx\nvoluntary_ctxt_switches:\t17\nnonvoluntary_ctxt_switches:\t3\n"))
	require.NoError(t, err)
	require.EqualValues(t, 17, n)
}
