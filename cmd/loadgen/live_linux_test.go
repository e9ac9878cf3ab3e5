package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// On a real terminal there are colours, unless they are not wanted, and no line is wider than it is.
func TestTerminal(t *testing.T) {
	t.Parallel()
	r := startResponder(t, good)
	for _, tt := range []struct {
		env            string
		inPlace, paint bool
	}{{"TERM=xterm", true, true}, {"NO_COLOR=1", true, false}, {"TERM=dumb", false, false}} {
		master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
		require.NoError(t, err)
		defer master.Close()
		number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
		require.NoError(t, err)
		require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
		require.NoError(t, unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 70}))
		terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
		require.NoError(t, err)

		cmd := exec.CommandContext(t.Context(), program, "--rate", "2000", "--warmup", "0s", "--duration", "300ms", r.addr.String())
		cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=", tt.env)
		cmd.Stderr = terminal
		require.NoError(t, cmd.Run())
		require.NoError(t, terminal.Close())
		text, _ := io.ReadAll(master) // EIO says that the other side is closed
		require.Regexp(t, `answered [1-9][0-9,]+/s`, string(text))
		require.NotContains(t, string(text), "warming up", "there was no warm-up")
		require.Equal(t, tt.inPlace, bytes.Contains(text, []byte("\r\x1b[K")), "%q", text)
		require.Equal(t, tt.paint, bytes.Contains(text, []byte(green)) || bytes.Contains(text, []byte(yellow)), "%q", text)
	}
}
