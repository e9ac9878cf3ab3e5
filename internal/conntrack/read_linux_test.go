package conntrack

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	ct "github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

func TestReadSaysEverythingOrNamesIt(t *testing.T) {
	f, err := Read()
	require.NoError(t, err)
	if !f.Present {
		require.Empty(t, f.Sources)
		return
	}
	for _, fact := range factOrder {
		_, known := f.Sources[fact]
		unchecked := false
		for _, u := range f.Unchecked {
			unchecked = unchecked || len(u) > len(fact) && u[:len(fact)+1] == fact+":"
		}
		require.True(t, known || unchecked, "%s has neither a source nor a reason", fact)
	}
}

func TestReaderOfGoneFiles(t *testing.T) {
	saved := values
	savedStat := statPaths
	defer func() { values, statPaths = saved, savedStat }()
	dir := t.TempDir()

	point := func(i int, now, old string) {
		values[i].paths = [2]string{filepath.Join(dir, now), filepath.Join(dir, old)}
	}
	for i := range values {
		point(i, "none", "none either")
	}
	statPaths = [2]string{filepath.Join(dir, "none"), filepath.Join(dir, "none either")}

	f, err := Read()
	require.NoError(t, err)
	require.Equal(t, Facts{Sources: map[string]string{}}, f, "a kernel without connection tracking is no error and leaves nothing unchecked")

	// An old kernel: only the old paths, no netlink asked since the counters' file is there.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "old_limit"), []byte("65536\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "garbage"), []byte("many\n"), 0o600))
	table, err := os.ReadFile("testdata/linux-2.6.32.txt")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "old_stat"), table, 0o600))
	point(1, "none", "old_limit")
	point(2, "garbage", "none")
	statPaths[1] = filepath.Join(dir, "old_stat")

	f, err = Read()
	require.NoError(t, err)
	require.True(t, f.Present)
	require.EqualValues(t, 65536, f.Limit)
	require.Equal(t, filepath.Join(dir, "old_limit"), f.Sources[FactLimit])
	require.EqualValues(t, 0x84, f.Count, "the counters' table repeats the count")
	require.EqualValues(t, 0x24cc0+0x1cc23, f.Counters["new"])
	require.Len(t, f.Unchecked, 4, "%q", f.Unchecked) // count (by its own file), both timeouts, and the garbage
	require.Contains(t, f.Unchecked[len(f.Unchecked)-1], "buckets")
}

func TestReaderAfterClose(t *testing.T) {
	r, err := Open()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	_, err = r.Read()
	require.ErrorIs(t, err, fs.ErrClosed)
}

func TestSumStats(t *testing.T) {
	sum := sumStats([]ct.Stats{{Drop: 1<<32 - 1, EarlyDrop: 2}, {Drop: 2, Error: 3}})
	require.Equal(t, uint64(1<<32+1), sum[Drop])
	require.EqualValues(t, 2, sum[EarlyDrop])
	require.EqualValues(t, 3, sum["error"])
	require.NotContains(t, sum, ChainTooLong)
}

func TestSeconds(t *testing.T) {
	require.Equal(t, 30*time.Second, seconds(30))
	require.Positive(t, seconds(1<<63), "an absurd number must not become a negative time")
}

// TestNamespace enters a namespace of its own, makes entries over netlink, and checks that they are seen there, by a
// Reader from any thread, and by nobody outside; then that Flush removes them.
func TestNamespace(t *testing.T) {
	apart.In(t, func() {
		before, err := Read()
		require.NoError(t, err)
		if !before.Present {
			apart.Lacking(t, "connection tracking in the kernel")
		}
		require.Zero(t, before.Count)

		r, err := Open()
		require.NoError(t, err)
		defer r.Close()

		conn, err := ct.Dial(nil)
		require.NoError(t, err)
		defer conn.Close()
		const n = 3
		for port := uint16(1); port <= n; port++ {
			flow := ct.NewFlow(unix.IPPROTO_UDP, 0, netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.0.2"), port, 6881, 60, 0)
			require.NoError(t, conn.Create(flow))
		}
		after, err := Read()
		require.NoError(t, err)
		require.EqualValues(t, n, after.Count)
		require.Positive(t, after.Limit)
		require.Positive(t, after.Buckets)
		require.Positive(t, after.UDPTimeout)
		require.Positive(t, after.UDPStreamTimeout)
		require.Empty(t, after.Unchecked)
		require.EqualValues(t, n, after.Counters.Sub(before.Counters)[Insert])

		type result struct {
			f   Facts
			err error
		}
		elsewhere := make(chan result)
		go func() { // another thread, outside the namespace
			f, err := r.Read()
			elsewhere <- result{f, err}
		}()
		got := <-elsewhere
		require.NoError(t, got.err)
		require.Equal(t, after.Count, got.f.Count)
		require.Equal(t, after.Counters, got.f.Counters)

		viaNetlink, err := openStats()
		require.NoError(t, err)
		sum, err := viaNetlink.read()
		require.NoError(t, errors.Join(err, viaNetlink.close()))
		for name, v := range sum {
			require.Equal(t, after.Counters[name], v, "%s over netlink and in the file", name)
		}

		require.NoError(t, Flush())
		flushed, err := Read()
		require.NoError(t, err)
		require.Zero(t, flushed.Count)
		require.Equal(t, after.Counters[Insert], flushed.Counters[Insert], "a flush resets no counter")
	})
}

func BenchmarkReader(b *testing.B) {
	r, err := Open()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Read(); err != nil {
			b.Fatal(err)
		}
	}
}
