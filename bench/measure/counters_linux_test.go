package measure

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

// software are events that every kernel counts, in virtual machines as well: they prove the reader.
var software = []Event{
	{unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_TASK_CLOCK},
	{unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_CONTEXT_SWITCHES},
}

// What is counted of a thread is what its own clock and its own records say of it. The task clock of perf has in it what
// the host stole, which the thread's clock has not, so that only all the time there was is above it.
func TestCountersOfAThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	clock := func() uint64 {
		var ts unix.Timespec
		require.NoError(t, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts))
		return uint64(ts.Nano())
	}
	switches := func() uint64 {
		var u unix.Rusage
		require.NoError(t, unix.Getrusage(unix.RUSAGE_THREAD, &u))
		return uint64(u.Nvcsw + u.Nivcsw)
	}
	begin, outerSwitches := time.Now(), switches()
	c, err := OpenCounters([]int{unix.Gettid()}, software)
	require.NoError(t, err)
	defer c.Close()
	var first, last [2]uint64
	require.NoError(t, c.Read(first[:]))
	innerClock := clock()
	for range 20 {
		for start := clock(); clock()-start < 5e5; {
		}
		ts := unix.NsecToTimespec(1000)
		require.NoError(t, unix.Nanosleep(&ts, nil))
	}
	innerClock = clock() - innerClock
	require.NoError(t, c.Read(last[:]))
	elapsed := uint64(time.Since(begin))
	outerSwitches = switches() - outerSwitches

	ran, switched := last[0]-first[0], last[1]-first[1]
	require.GreaterOrEqual(t, ran, innerClock/2, "ns of task clock")
	require.LessOrEqual(t, ran, elapsed)
	require.GreaterOrEqual(t, switched, uint64(15), "it slept twenty times") // a switch while the group is read can escape it
	require.LessOrEqual(t, switched, outerSwitches+5)
}

// The receive thread of an interface is a kernel thread.
func TestCountersOfAKernelThread(t *testing.T) {
	apart.NeedRoot(t)
	files, err := filepath.Glob("/proc/[0-9]*/comm")
	require.NoError(t, err)
	i := slices.IndexFunc(files, func(f string) bool { return strings.HasPrefix(string(slurp(f)), "ksoftirqd/") })
	require.GreaterOrEqual(t, i, 0, "kernel threads are hidden here; the lab needs to see them")
	id, err := strconv.Atoi(filepath.Base(filepath.Dir(files[i])))
	require.NoError(t, err)
	c, err := OpenCounters([]int{id}, software)
	require.NoError(t, err)
	defer c.Close()
	var counts [2]uint64
	require.NoError(t, c.Read(counts[:]))
}

func TestCountersOfSeveralThreads(t *testing.T) {
	ids, err := TaskIDs(os.Getpid())
	require.NoError(t, err)
	require.Contains(t, ids, os.Getpid())
	_, err = TaskIDs(endedPID(t))
	require.Error(t, err)

	gone := endedPID(t)
	c, err := OpenCounters(append(ids, gone), software)
	require.NoError(t, err, "a thread may end at any time")
	counts := []uint64{7, 7}
	require.NoError(t, c.Read(counts))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if c.Read(counts) != nil {
			t.Fatal("read")
		}
	}))
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	_, err = OpenCounters([]int{gone}, software)
	require.ErrorContains(t, err, "all have ended")
	_, err = OpenCounters(ids, []Event{{unix.PERF_TYPE_SOFTWARE, 1 << 40}})
	require.ErrorContains(t, err, "count events of thread")
}

func TestGroupIsScaled(t *testing.T) {
	group := func(words ...uint64) (b []byte) {
		for _, w := range words {
			b = binary.NativeEndian.AppendUint64(b, w)
		}
		return b
	}
	counts := []uint64{1, 2}
	require.NoError(t, addGroup(group(2, 100, 100, 10, 20), counts))
	require.Equal(t, []uint64{11, 22}, counts)
	require.NoError(t, addGroup(group(2, 100, 25, 10, 20), counts), "it counted for a quarter of the time")
	require.Equal(t, []uint64{51, 102}, counts)
	require.NoError(t, addGroup(group(2, 100, 0, 0, 0), counts), "and not at all")
	require.Equal(t, []uint64{51, 102}, counts)
	require.ErrorContains(t, addGroup(group(3, 1, 1, 1, 1), counts), "40 bytes for 2 events")
	require.Error(t, addGroup(group(2, 1, 1, 1), counts))
}
