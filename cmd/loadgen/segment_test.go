package main

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

// Each part of a profile is judged for what was due in it: what was left over from the warm-up is nothing that it lacks, and
// what one part lacks another does not make up for.
func TestSegmentsAreJudgedAlone(t *testing.T) {
	for _, tt := range []struct {
		name         string
		warmup, sent int64        // queries
		segments     [2][2]uint64 // scheduled, sent
		limited      [2][]string
		total        []string
	}{
		{"all", 1000, 3000, [2][2]uint64{{1000, 1000}, {2000, 2000}}, [2][]string{{}, {}}, []string{}},
		{"some left over", 900, 3100, [2][2]uint64{{1000, 1100}, {2000, 2000}}, [2][]string{{}, {}}, []string{}},
		{"the end missing", 1000, 2975, [2][2]uint64{{1000, 1000}, {2000, 1975}}, [2][]string{{}, {"rate"}}, []string{"rate"}},
		{"late throughout", 900, 500, [2][2]uint64{{1000, 500}, {2000, 0}}, [2][]string{{"rate"}, {"rate"}}, []string{"rate"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newTestEngine(t, "--profile", "1000@1s,2000@1s", "--warmup", "1s")
			tr := e.trial
			skip := func(n int64) {
				for range n {
					s := &tr.segments[tr.segmentOf(tr.pace.due(tr.pace.next))]
					if tr.pace.next++; tr.phase == phaseMeasure {
						s.sent++
						tr.sent[wire.Ping]++
					}
				}
			}
			skip(tt.warmup)
			require.NoError(t, e.startMeasuring(tr.edge))
			skip(tt.sent)
			e.startGrace(tr.edge)
			r, err := newResult(e, tr)
			require.NoError(t, err)
			require.EqualValues(t, 3000, r.Scheduled)
			require.Equal(t, tt.total, r.LimitedBy)
			require.Len(t, r.Segments, 2)
			for i, s := range r.Segments {
				require.Equal(t, tt.segments[i], [2]uint64{s.Scheduled, s.Sent})
				require.Equal(t, tt.limited[i], s.LimitedBy)
			}
		})
	}
}

// Two slots share a cache line: the table of queries is most of the memory that the loop goes through.
func TestSlotSize(t *testing.T) {
	require.EqualValues(t, 32, unsafe.Sizeof(slot{}))
	require.Less(t, maxLegs, 1<<8, "slot.segment")
}
