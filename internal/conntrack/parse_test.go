package conntrack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseStatsOfKernels(t *testing.T) {
	for _, c := range []struct {
		file    string
		entries uint64
		want    map[string]uint64
		absent  []string
	}{
		{"linux-2.6.32.txt", 0x84, map[string]uint64{
			"searched": 0x3e17 + 0xc51, "new": 0x24cc0 + 0x1cc23, Insert: 0x1e3f0 + 0x1cc22, Drop: 0, "error": 0, "expect_create": 0x10,
		}, []string{"search_restart", ClashResolve, ChainTooLong, "icmp_error", "entries"}},
		{"linux-4.19.txt", 0x3e, map[string]uint64{
			Invalid: 0xd86 + 0x209e, InsertFailed: 3, Drop: 0x30, EarlyDrop: 12, "error": 0x27b + 0x166, "search_restart": 7,
		}, []string{ClashResolve, ChainTooLong}},
		{"linux-5.10.txt", 0x3f2a1, map[string]uint64{
			ClashResolve: 21, Drop: 0xffffffff + 0x10, EarlyDrop: 2, InsertFailed: 3, "delete_list": 0,
		}, []string{ChainTooLong, "searched", "clashres"}},
		{"linux-6.18.txt", 40000, map[string]uint64{
			ClashResolve: 3, ChainTooLong: 11, Drop: 120001, EarlyDrop: 3, InsertFailed: 2,
		}, []string{"chainlength", "delete_list", "searched"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			f, err := os.Open(filepath.Join("testdata", c.file))
			require.NoError(t, err)
			defer f.Close()
			sum, entries, ok, err := parseStats(f)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, c.entries, entries)
			for name, v := range c.want {
				require.Contains(t, sum, name)
				require.Equal(t, v, sum[name], name)
			}
			for _, name := range c.absent {
				require.NotContains(t, sum, name)
			}
		})
	}
}

func TestParseStatsTakesColumnsByName(t *testing.T) {
	sum, _, hasEntries, err := parseStats(strings.NewReader("early_drop drop something_new\na b ff\n1 1 1\n"))
	require.NoError(t, err)
	require.False(t, hasEntries)
	require.Equal(t, Counters{EarlyDrop: 11, Drop: 12, "something_new": 256}, sum)
}

func TestParseStatsRefuses(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", "unexpected EOF"},
		{"blank header", "\n1\n", "first line is empty"},
		{"no header", "00000001 00000002\n", "is a number"},
		{"header only", "entries drop\n", "no processor's line"},
		{"short line", "entries drop\n1\n", "1 numbers under 2"},
		{"long line", "entries drop\n1 2 3\n", "3 numbers under 2"},
		{"not hexadecimal", "entries drop\n1 xyz\n", `column "drop"`},
		{"double name", "drop drop\n1 2\n", "comes twice"},
		{"double name by renaming", "clashres clash_resolve\n1 2\n", "comes twice"},
		{"endless line", "drop\n" + strings.Repeat("0", 2*maxStatLine), "token too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, _, err := parseStats(strings.NewReader(c.in))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestParseValue(t *testing.T) {
	for _, c := range []struct {
		in   string
		want uint64
		ok   bool
	}{
		{"262144\n", 262144, true},
		{"0", 0, true},
		{" 30 \n", 30, true},
		{"", 0, false},
		{"-1\n", 0, false},
		{"30 120\n", 0, false},
		{"18446744073709551616\n", 0, false},
	} {
		v, err := parseValue([]byte(c.in))
		require.Equal(t, c.ok, err == nil, "%q: %v", c.in, err)
		require.Equal(t, c.want, v, "%q", c.in)
	}
}

func TestCountersSub(t *testing.T) {
	earlier := Counters{Drop: 5, EarlyDrop: 1<<32 - 1, "searched": 7}
	now := Counters{Drop: 8, EarlyDrop: 1, ChainTooLong: 3}
	require.Equal(t, Counters{Drop: 3, EarlyDrop: 2}, now.Sub(earlier), "a wrap counts on, names of one side only are left out")
}

func TestFill(t *testing.T) {
	require.InDelta(t, 0.5, Facts{Count: 131072, Limit: 262144}.Fill(), 0)
	require.Zero(t, Facts{Count: 5}.Fill(), "an unknown limit is not an empty table, but there is no number for it")
}

func FuzzParseStats(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add("drop\n1\n")
	f.Fuzz(func(t *testing.T, in string) {
		sum, entries, hasEntries, err := parseStats(strings.NewReader(in))
		if err != nil {
			return
		}
		// Whatever is accepted: the same numbers under the same names in the reverse order mean the same.
		lines := strings.Split(strings.TrimRight(in, "\n"), "\n")
		for i, l := range lines {
			cells := strings.Fields(l)
			for a, b := 0, len(cells)-1; a < b; a, b = a+1, b-1 {
				cells[a], cells[b] = cells[b], cells[a]
			}
			lines[i] = strings.Join(cells, " ")
		}
		sum2, entries2, hasEntries2, err := parseStats(strings.NewReader(strings.Join(lines, "\n")))
		require.NoError(t, err)
		require.Equal(t, sum, sum2)
		require.Equal(t, entries, entries2)
		require.Equal(t, hasEntries, hasEntries2)
		require.NotContains(t, sum, "entries")
	})
}

func FuzzParseValue(f *testing.F) {
	f.Add([]byte("262144\n"))
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if v, err := parseValue(in); err != nil {
			require.Zero(t, v)
		}
	})
}
