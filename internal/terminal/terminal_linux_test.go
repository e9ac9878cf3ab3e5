package terminal

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

// columns opens a terminal of so many.
func columns(t *testing.T, n uint16) *os.File {
	t.Helper()
	_, tty := apart.Terminal(t)
	require.NoError(t, unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: n}))
	return tty
}

func TestTerminal(t *testing.T) {
	tty := columns(t, 72)
	for _, c := range []struct {
		term, noColor string
		live, colour  bool
	}{
		{"xterm", "", true, true},
		{"xterm", "1", true, false}, // https://no-color.org is about colours alone
		{"dumb", "", false, false},
	} {
		t.Setenv("TERM", c.term)
		t.Setenv("NO_COLOR", c.noColor)
		require.True(t, Is(tty))
		require.Equal(t, c.live, Live(tty), "%+v", c)
		require.Equal(t, c.colour, Colour(tty), "%+v", c)
	}
	require.Equal(t, 72, Width(tty, 80))
	require.Equal(t, 80, Width(columns(t, 0), 80), "a terminal that does not know")
}

func TestNoTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	for _, stream := range []any{null, new(bytes.Buffer), nil} {
		require.False(t, Is(stream))
		require.False(t, Live(stream))
		require.False(t, Colour(stream))
		require.Equal(t, 80, Width(stream, 80))
	}
}
