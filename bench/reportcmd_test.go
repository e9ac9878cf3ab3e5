package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/record"
	"supernode/bench/report"
)

// recorded copies the records of the report's example, with a word in them changed, to a directory of their own.
func recorded(t *testing.T, old, new string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("report", "testdata", "full", record.FileName))
	require.NoError(t, err)
	require.Contains(t, string(text), old)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, record.FileName), []byte(strings.ReplaceAll(string(text), old, new)), 0o644))
	return dir
}

func reported(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = run(t.Context(), append([]string{"report"}, args...), &out, &errs)
	require.Empty(t, errs.String())
	return out.String(), err
}

func TestReport(t *testing.T) {
	dir := recorded(t, "6.18.0", "6.18.0")
	stdout, err := reported(t, dir)
	require.NoError(t, err)
	require.Contains(t, stdout, "report: "+filepath.Join(dir, report.ReportFile)+"\nin a browser: "+filepath.Join(dir, report.HTMLFile)+"\n")
	require.FileExists(t, filepath.Join(dir, report.HTMLFile))

	stdout, err = reported(t, dir, "--json")
	require.NoError(t, err)
	kept, err := os.ReadFile(filepath.Join(dir, report.SummaryFile))
	require.NoError(t, err)
	require.Equal(t, string(kept), stdout)
}

func TestReportOfTwo(t *testing.T) {
	a, b := recorded(t, "6.18.0", "6.18.0"), recorded(t, "6.18.0", "6.1.0")
	stdout, err := reported(t, a, b)
	require.NoError(t, err)
	require.Contains(t, stdout, "differs: kernel: 6.18.0 | 6.1.0\n")
	require.Contains(t, stdout, "CPU time per query  on ")
	require.NotContains(t, stdout, "\x1b")
	for _, dir := range []string{a, b} {
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, files, 1, "it writes to neither")
	}

	for _, name := range []string{"compared.md", "compared.html"} {
		path := filepath.Join(t.TempDir(), name)
		stdout, err = reported(t, a, b, "--json", "--out", path)
		require.NoError(t, err)
		var doc report.Runs
		require.NoError(t, json.Unmarshal([]byte(stdout), &doc))
		require.Equal(t, b, doc.B.Name)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(text), "Two runs compared")
	}
	_, err = reported(t, a, b, "--out", filepath.Join(t.TempDir(), "x.pdf"))
	require.ErrorAs(t, err, new(usageError))
	require.ErrorContains(t, err, "must end in .md or .html")

	_, err = reported(t, a, b, "--out", "/nonexistent/x.md")
	require.ErrorContains(t, err, "create /nonexistent/x.md")
}
