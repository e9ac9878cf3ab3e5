package trial

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestServedStops: with a server on this host end its workers, those too whose parent has ended before.
func TestServedStops(t *testing.T) {
	for name, last := range map[string]string{"a server that runs": "exec sleep 1000", "a server that has ended": "exit 3"} {
		t.Run(name, func(t *testing.T) {
			script := filepath.Join(t.TempDir(), "server")
			require.NoError(t, os.WriteFile(script, []byte("sleep 1000 2>/dev/null &\necho $! >&2\n"+last+"\n"), 0o700))
			s, err := ServeHere("sh "+script, netip.MustParseAddrPort("127.0.0.1:9"))
			require.NoError(t, err)
			worker, err := strconv.Atoi(strings.TrimSpace(s.awaitSaid(t)))
			require.NoError(t, err)
			fd, err := unix.PidfdOpen(worker, 0)
			require.NoError(t, err)
			defer unix.Close(fd)
			if last == "exit 3" {
				<-s.Done()
				require.ErrorContains(t, s.Check(), "exit status 3")
			} else {
				require.ErrorContains(t, s.Check(), "whose CPU time would not be counted")
			}
			require.NoError(t, s.Stop())
			require.True(t, ended(fd, patience))
		})
	}
}

// TestCharged: answers that cost the server nothing are another process's.
func TestCharged(t *testing.T) {
	require.ErrorIs(t, charged(0, result{AnswersInInterval: early + 1}), ErrUncharged)
	require.NoError(t, charged(1, result{AnswersInInterval: early + 1}))
	require.NoError(t, charged(0, result{AnswersInInterval: early}))
}
