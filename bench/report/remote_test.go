package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// TestRemoteCounts: receive work that was too little for a tick is no failure where ticks are all there is.
func TestRemoteCounts(t *testing.T) {
	trial := record.Trial{Slot: plan.Slot{Cell: plan.Cell{Arm: plan.Off}}, Duration: 1, Answered: 1}
	require.Contains(t, Excluded(trial), "the receive thread")
	trial.ReceiveByTicks = true
	require.Empty(t, Excluded(trial))
}

// TestRemoteSteal: each of the two hosts is judged by itself.
func TestRemoteSteal(t *testing.T) {
	quiet := func(id int) record.CPU { return record.CPU{ID: id, Idle: 64e9} }
	robbed := func(id int) record.CPU {
		return record.CPU{ID: id, Idle: 2e9, Steal: int64(2e9 * 2 * stat.DefaultRules().Steal)}
	}
	for _, c := range []struct {
		cpus []record.CPU
		want bool
	}{
		{[]record.CPU{quiet(record.AllOfServer), quiet(record.AllOfClient)}, false},
		{[]record.CPU{robbed(record.AllOfServer), quiet(record.AllOfClient)}, true},
		{[]record.CPU{quiet(record.AllOfServer), robbed(record.AllOfClient)}, true},
	} {
		require.Equal(t, c.want, Stolen(record.Trial{CPU: c.cpus}), c.cpus)
	}
}

// TestRemotePins: where the receive threads are not the harness's, nothing is said of pinning them.
func TestRemotePins(t *testing.T) {
	const note = "could not be pinned"
	for _, over := range []*record.Machine{nil, {CPUs: 4}} {
		_, page := reported(t, func(h *record.Header) { h.Machine.NAPIPinned, h.Client = false, over })
		require.Equal(t, over == nil, strings.Contains(page, note))
	}
}
