package burn

import (
	"strconv"
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

func TestValue(t *testing.T) {
	var b Burner
	require.Equal(t, "0x", b.String())
	require.NoError(t, b.Set("800x"))
	require.Equal(t, Turns(800), b)
	require.NoError(t, b.Set(b.String()))
	require.Equal(t, Turns(800), b)
	require.NoError(t, b.Set("1us"))
	require.Positive(t, b.turns)
	require.NoError(t, b.Set("0"))
	require.Zero(t, b)
	for _, text := range []string{"", "x", "-1x", "1.5x", "5", "-1ns", "2s", "much"} {
		require.ErrorContains(t, b.Set(text), strconv.Quote(text))
	}
}
