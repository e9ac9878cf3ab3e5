package conntrack

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

// The log is read from where it ended when it was opened, and what programs write to it is not the kernel's.
func TestLogFromNowOn(t *testing.T) {
	apart.NeedRoot(t)
	log, err := OpenLog()
	require.NoError(t, err)
	defer log.Close()
	require.NoError(t, os.WriteFile(LogPath, []byte("<12>nf_conntrack: table full of 4711, dropping packet"), 0))
	lines, err := log.TableFull()
	require.NoError(t, err)
	for _, line := range lines { // of another test's namespace, meanwhile
		require.NotContains(t, line, "4711")
	}
}

func TestReadRecords(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	fd := int(r.Fd())
	require.NoError(t, unix.SetNonblock(fd, true))
	var got []string
	visit := func(record []byte) { got = append(got, string(record)) }
	require.NoError(t, readRecords(fd, "pipe", visit), "nothing there yet")
	require.Empty(t, got)
	_, err = w.WriteString("4,1,2,-;one")
	require.NoError(t, err)
	require.NoError(t, readRecords(fd, "pipe", visit))
	require.Equal(t, []string{"4,1,2,-;one"}, got)
	require.ErrorContains(t, readRecords(-1, "nowhere", visit), "nowhere (kernel.dmesg_restrict")
}
