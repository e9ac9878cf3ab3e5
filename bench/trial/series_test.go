package trial

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/bench/measure"
	"supernode/bench/record"
	"supernode/internal/burn"
)

func TestAddStep(t *testing.T) {
	step := func(n int64, warnings ...string) record.Trial {
		return record.Trial{
			Start: time.Unix(n, 0), Duration: n, Server: 2 * n, ServerNAPI: 3 * n, Client: 4 * n, ClientNAPI: 5 * n, Answered: uint64(6 * n),
			Load:      record.Load{Sent: uint64(n)},
			Conntrack: record.Conntrack{Entries: uint64(n), Drop: uint64(n), EarlyDrop: 1, InsertFailed: 2}, ReceiveErrors: uint64(n),
			CPU:      []record.CPU{{ID: 3, User: n, System: n, SoftIRQ: n, IRQ: n, Idle: n, Steal: n}, {ID: 4}},
			Throttle: record.Throttle{Periods: 1, Thermal: uint64(n)}, Warnings: warnings,
		}
	}
	var sum record.Trial
	addStep(&sum, step(10, "a"))
	addStep(&sum, step(1, "a", "b"))
	require.Equal(t, record.Trial{
		Start: time.Unix(10, 0), Duration: 11, Server: 22, ServerNAPI: 33, Client: 44, ClientNAPI: 55, Answered: 66,
		Load:      record.Load{Sent: 1},
		Conntrack: record.Conntrack{Entries: 1, Drop: 11, EarlyDrop: 2, InsertFailed: 4}, ReceiveErrors: 11,
		CPU:      []record.CPU{{ID: 3, User: 11, System: 11, SoftIRQ: 11, IRQ: 11, Idle: 11, Steal: 11}, {ID: 4}},
		Throttle: record.Throttle{Periods: 2, Thermal: 11}, Warnings: []string{"a", "b"},
	}, sum)
}

// What a machine does not tell is a note, and no event in any trial.
func TestWatchWithoutCounters(t *testing.T) {
	w := &watch{throttle: measure.OpenThrottling(0, 0)}
	require.NoError(t, w.prepare())
	require.NoError(t, w.begin())
	require.NoError(t, w.end())
	var trial record.Trial
	require.NoError(t, w.tell(&trial))
	require.Nil(t, trial.Counters)
	require.NoError(t, w.close())
}

// A processor's events of the interval are those between its ends, of the server and of its receive thread. Here two
// events of the kernel, which any machine counts, stand for the processor's.
func TestWatchCounts(t *testing.T) {
	software := []measure.Event{
		{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_TASK_CLOCK},
		{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_PAGE_FAULTS},
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	idle := scripted("hang")
	require.NoError(t, idle.Start())
	defer func() { idle.Process.Kill(); idle.Wait() }()
	w := &watch{throttle: measure.OpenThrottling(0, 0)}
	var err error
	w.server, err = measure.OpenCounters([]int{unix.Gettid()}, software)
	require.NoError(t, err)
	w.napi, err = measure.OpenCounters([]int{idle.Process.Pid}, software)
	require.NoError(t, err)
	burner := burn.New(100 * time.Microsecond)
	burner.Burn(100) // before the interval
	require.NoError(t, w.begin())
	burner.Burn(100)
	require.NoError(t, w.end())
	burner.Burn(100)
	var trial record.Trial
	require.NoError(t, w.tell(&trial))
	require.Positive(t, trial.Counters.Server.Cycles)
	require.Less(t, trial.Counters.Server.Cycles, w.counters.Server.Cycles, "what was before does not count")
	require.Zero(t, trial.Counters.Server.CacheMisses, "there is no third event")
	require.NoError(t, w.close())
	require.NoError(t, w.close())
}

func TestPassed(t *testing.T) {
	require.Equal(t, record.Events{Cycles: 5, Instructions: 0, CacheMisses: 1},
		passed(record.Events{Cycles: 7, Instructions: 3, CacheMisses: 1}, record.Events{Cycles: 2, Instructions: 4}))
}
