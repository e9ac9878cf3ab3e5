package record

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCurves(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, nil)
	run, err := ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, run.Curves, "a run without curves is a run")

	want := []Curve{
		{Limit: 262144, Buckets: 65536, NewPerS: 50_000, FullS: 5, StopS: 8, RecoveredS: 20, EntryBytes: 320,
			LogLines: []string{"nf_conntrack: table full, dropping packet"}, Points: []Point{{S: 0.25, Entries: 12_500}, {S: 0.5, Entries: 25_000, Drop: 3}}},
		{Run: 1, Limit: 262144, LogReason: "no permission", Points: []Point{{S: 0.25, KnownSent: 100, KnownAnswered: 99.5}}},
	}
	var lines []byte
	for _, c := range want {
		line, err := json.Marshal(c)
		require.NoError(t, err)
		lines = append(append(lines, line...), '\n')
	}
	path := filepath.Join(dir, CurveFile)
	store := func(text []byte) { require.NoError(t, os.WriteFile(path, text, 0o644)) }
	store(lines)
	run, err = ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, want, run.Curves)
	require.Empty(t, run.Warnings)

	store(lines[:len(lines)-20])
	run, err = ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, want[:1], run.Curves)
	require.Len(t, run.Warnings, 1)
	require.Contains(t, run.Warnings[0], "line 2 of curve.jsonl is cut short")

	store(lines[:20])
	run, err = ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, run.Curves, "killed while the first one was written")
	require.Len(t, run.Warnings, 1)

	for text, says := range map[string]string{
		"hello\n" + string(lines): "line 1: not a fill curve", `{"limit":1,"points":[]}` + "\n": "line 1: a fill curve without",
	} {
		store([]byte(text))
		_, err = ReadDir(dir)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, path)
	}
	store(nil)
	run, err = ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, run.Curves)
}
