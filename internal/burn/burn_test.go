package burn

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTurnsFollowTheTime(t *testing.T) {
	require.Zero(t, New(0).turns)
	require.Zero(t, New(-time.Second).turns)
	short, long := New(time.Microsecond), New(time.Millisecond)
	require.Positive(t, short.turns)
	require.Greater(t, long.turns, 50*short.turns, "a thousand times as long, however unlike two calibrations are")
}

func TestNothingIsFree(t *testing.T) {
	before := sink.Load()
	Burner{}.Burn(1 << 20)
	require.Equal(t, before|1, sink.Load(), "nothing was wasted")
	New(time.Microsecond).Burn(1)
	require.NotEqual(t, before|1, sink.Load())
}

func BenchmarkBurn(b *testing.B) {
	burner := New(100 * time.Nanosecond)
	for b.Loop() {
		burner.Burn(1)
	}
}
