package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/gates"
	"supernode/bench/plan"
	"supernode/internal/apart"
)

// What a server does by its own account adds up, and nothing of it is left running.
func TestLiveGates(t *testing.T) {
	t.Parallel()
	dir := home(t)
	load := gates.Load{Loadgen: filepath.Join(dir, "loadgen"), Rate: 2000, Duration: 500 * time.Millisecond}
	live, err := gates.Measure(t.Context(), filepath.Join(dir, "supernode"), load)
	require.NoError(t, err)
	require.Positive(t, live.Received)
	require.Positive(t, live.CallsPerDatagram)
	require.GreaterOrEqual(t, live.BatchFill, 1.0, "a batch that is counted has something in it")
	require.Empty(t, processes(t, dir))

	_, err = gates.Measure(t.Context(), filepath.Join(dir, "loadgen"), load)
	require.ErrorContains(t, err, "loadgen has ended (exit status 2): loadgen: ", "one that is no server says why")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = gates.Measure(ctx, filepath.Join(dir, "supernode"), load)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, processes(t, dir))
}

// Each flow leaves an entry where tracking is on, and none elsewhere.
func TestEntriesGates(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	dir := home(t)
	got, err := gates.Entries(t.Context(), filepath.Join(dir, "supernode"), filepath.Join(dir, "loadgen"))
	if err != nil {
		require.ErrorIs(t, err, gates.ErrTooBusy, "the one error that is no fault of the program's")
		return
	}
	require.InDelta(t, 1, got[plan.On], gates.EntriesSlack)
	require.Zero(t, got[plan.Off])
	require.Zero(t, got[plan.Notrack])
}
