package trial

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/measure"
	"supernode/bench/record"
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

func TestPassed(t *testing.T) {
	require.Equal(t, record.Events{Cycles: 5, Instructions: 0, CacheMisses: 1},
		passed(record.Events{Cycles: 7, Instructions: 3, CacheMisses: 1}, record.Events{Cycles: 2, Instructions: 4}))
}
