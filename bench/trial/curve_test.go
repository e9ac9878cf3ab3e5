package trial

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"supernode/bench/record"
)

func TestShapeCurve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Uint64Range(1, 4_000_000).Draw(t, "limit")
		spec := CurveSpec{Rate: float64(rapid.IntRange(1, 500_000).Draw(t, "rate"))}
		s := shapeCurve(limit, spec)
		require.EqualValues(t, limit, uint64(s.crowd)+s.others, "together they fill the table")
		require.Positive(t, s.crowd)
		require.GreaterOrEqual(t, s.filling.Seconds(), 3*float64(s.crowd)/spec.Rate-curveTick.Seconds(), "each flow asks three times")
		require.GreaterOrEqual(t, s.filling, 3*time.Second, "a flow must be active for more than two seconds to be assured")
		require.GreaterOrEqual(t, s.life.Seconds(), float64(s.crowd)/spec.Rate+s.flood.Seconds(), "the first entry outlives the flood")
		require.GreaterOrEqual(t, float64(s.singles), spec.Rate*s.flood.Seconds(), "none comes twice")
		require.LessOrEqual(t, establishing+s.filling+s.flood+s.life+s.watch, 58*time.Second)
	})
	require.Equal(t, 2000, shapeCurve(262_144, CurveSpec{Rate: 1000, Room: 2000}).crowd)
	require.Equal(t, time.Second, shapeCurve(262_144, CurveSpec{Rate: 1000, Flood: time.Second}).flood)
}

// The parts of a curve follow each other by time, its recovery and its end by what is measured.
func TestAdvance(t *testing.T) {
	w := curveWatch{curve: &record.Curve{Limit: 1000}, asked: 3049, shape: curveShape{crowd: 1000, filling: 4 * time.Second, flood: time.Second, life: 3 * time.Second, watch: 20 * time.Second}}
	point := func(s float64, entries uint64, sent, answered float64) bool {
		return w.advance(record.Point{S: s, Entries: entries, NewSentPerS: sent, NewAnswered: answered})
	}
	require.False(t, point(4.1, 1000, 10, 10))
	require.Zero(t, w.curve.FilledS, "not all have asked three times")
	w.asked++
	require.False(t, point(2.9, 1000, 10, 10))
	require.Zero(t, w.curve.FilledS, "not long enough ago")
	require.False(t, point(3.1, 1000, 10, 10))
	require.Equal(t, 3.1, w.curve.FilledS)
	require.False(t, point(4, 1000, 10, 0))
	require.Zero(t, w.curve.StopS, "from the end of the filling")
	require.False(t, point(4.2, 1000, 10, 0))
	require.Equal(t, 4.2, w.curve.StopS)
	require.False(t, point(5, 1000, 10, 4))
	require.Zero(t, w.curve.RecoveredS)
	require.False(t, point(6, 900, 10, 5))
	require.False(t, point(7, 900, 10, 10))
	require.Equal(t, 6., w.curve.RecoveredS, "the first time")
	require.True(t, point(8, 20, 10, 10))
	require.True(t, point(29.3, 900, 10, 10), "what never empties")
}

func TestUnreclaimable(t *testing.T) {
	got, err := parseUnreclaimable([]byte("MemTotal:  1 kB\nSReclaimable:  3 kB\nSUnreclaim:     6592 kB\n"))
	require.NoError(t, err)
	require.EqualValues(t, 6592<<10, got)
	for _, bad := range []string{"", "SUnreclaim: 5\n", "SUnreclaim: x kB\n", "SUnreclaim: 99999999999999999999 kB\n"} {
		_, err := parseUnreclaimable([]byte(bad))
		require.Error(t, err, bad)
	}
	got, err = slabMemory()
	require.NoError(t, err)
	require.Positive(t, got)
}
