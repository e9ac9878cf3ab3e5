package record

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCurvesAreReadBack(t *testing.T) {
	dir := t.TempDir()
	curves, err := ReadCurves(dir)
	require.NoError(t, err)
	require.Empty(t, curves, "a run without any")

	want := []Curve{
		{Run: 0, Limit: 262_144, FullS: 4.5, LogLines: []string{"nf_conntrack: table full, dropping packet"}, Points: []Point{{S: 0.25, Entries: 15_000, NewSentPerS: 60_000}}},
		{Run: 1, Limit: 262_144, LogLines: []string{}, LogReason: "permission denied"},
	}
	for _, c := range want {
		require.NoError(t, AppendCurve(dir, c))
	}
	curves, err = ReadCurves(dir)
	require.NoError(t, err)
	require.Equal(t, want, curves)

	path := filepath.Join(dir, CurveFile)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, whole[:len(whole)-5], 0o644))
	curves, err = ReadCurves(dir)
	require.NoError(t, err)
	require.Equal(t, want[:1], curves, "what a killed run left half written")

	require.NoError(t, os.WriteFile(path, append([]byte("nonsense\n"), whole...), 0o644))
	_, err = ReadCurves(dir)
	require.ErrorContains(t, err, CurveFile+": line 1")
}
