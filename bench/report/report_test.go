package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"

	"supernode/bench/record"
	"supernode/bench/stat"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file in testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "make it with: go test ./bench/report -update")
	require.Equal(t, string(want), string(got), "%s; if the change is meant: go test ./bench/report -update", path)
}

func rendered(t *testing.T, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b))
	return b.Bytes()
}

func fixture(t *testing.T) record.Run {
	t.Helper()
	run, err := record.ReadDir(filepath.Join("testdata", "full"))
	require.NoError(t, err)
	return run
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	raw, err := os.ReadFile(filepath.Join("testdata", "full", record.FileName))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, record.FileName), raw, 0o644))

	for range 2 { // a second report replaces the first, and is the same
		s, err := Write(dir)
		require.NoError(t, err)
		for _, name := range []string{SummaryFile, ReportFile, HTMLFile, BenchFile} {
			got, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			golden(t, filepath.Join("full", name), got)
		}
		golden(t, "full/table.txt", rendered(t, func(w io.Writer) error { return s.Table(w, false) }))
		left, err := filepath.Glob(filepath.Join(dir, "*.*.*"))
		require.NoError(t, err)
		require.Empty(t, left, "no temporary file may stay")
	}
}

func TestWriteErrors(t *testing.T) {
	_, err := Write(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)

	run := fixture(t)
	run.Trials = nil
	_, err = Summarize(run)
	require.ErrorContains(t, err, "no trial was recorded")
	require.ErrorContains(t, Bench(io.Discard, run), "no trial was recorded")

	run = fixture(t)
	run.Trials = append(run.Trials, run.Trials[3])
	_, err = Summarize(run)
	require.ErrorContains(t, err, "twice")

	failing := func(w io.Writer) error { return io.ErrShortWrite }
	path := filepath.Join(t.TempDir(), "x.json")
	require.ErrorIs(t, Replace(path, failing), io.ErrShortWrite)
	require.NoFileExists(t, path)
}

// The names in summary.json are a contract with scripts.
func TestSummaryContract(t *testing.T) {
	s, err := Summarize(fixture(t))
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal(rendered(t, s.WriteJSON), &doc))
	for _, key := range []string{"machine", "control", "arms", "comparisons", "verdict", "notes"} {
		require.Contains(t, doc, key)
	}
	require.Subset(t, keys(doc["control"]), []string{"metric", "ratio", "lo", "hi"})
	arm := doc["arms"].([]any)[0]
	require.Subset(t, keys(arm), []string{"arm", "flows", "cpu_ns_per_query", "max_qps_0_1pct", "latency_us", "loss_ratio", "conntrack"})
	require.Nil(t, arm.(map[string]any)["max_qps_0_1pct"], "no measure searches for it, so it must not look measured")
	require.Subset(t, keys(arm.(map[string]any)["cpu_ns_per_query"]), []string{"median", "lo", "hi"})
	require.Subset(t, keys(arm.(map[string]any)["latency_us"]), []string{"p50", "p90", "p99", "p99_9", "p99_99"})
	require.Subset(t, keys(arm.(map[string]any)["conntrack"]), []string{"entries", "drop", "early_drop", "insert_failed"})
	require.Subset(t, keys(doc["comparisons"].([]any)[0]),
		[]string{"arm", "base", "flows", "metric", "delta", "ratio", "lo", "hi", "p", "verdict"})
	require.IsType(t, []any{}, doc["notes"], "lists are never null")
}

func keys(v any) []string {
	var out []string
	for k := range v.(map[string]any) {
		out = append(out, k)
	}
	return out
}

// What benchstat would read must be what was recorded.
func TestBenchIsReadable(t *testing.T) {
	run := fixture(t)
	var b bytes.Buffer
	require.NoError(t, Bench(&b, run))
	r := benchfmt.NewReader(&b, BenchFile)
	seen, better := map[string]int{}, map[string]string{}
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.Result:
			seen[string(rec.Name.Full())]++
			require.Equal(t, "Example 9000", rec.GetConfig("cpu"))
			require.Equal(t, "6.18.0", rec.GetConfig("kernel"))
			if strings.Contains(string(rec.Name.Full()), "measure=fixed") {
				cpu, ok := rec.Value("cpu-sec/query")
				require.True(t, ok)
				server, _ := rec.Value("server-sec/query")
				receive, _ := rec.Value("receive-sec/query")
				require.InEpsilon(t, cpu, server+receive, 1e-5)
				require.Equal(t, 80000, rec.Iters)
			} else {
				_, ok := rec.Value("answers/s")
				require.True(t, ok)
			}
		case *benchfmt.UnitMetadata:
			better[rec.Unit] = rec.Value
		case *benchfmt.SyntaxError:
			t.Errorf("%v", rec)
		}
	}
	require.NoError(t, r.Err())
	require.Len(t, seen, 8)
	require.Equal(t, 6, seen["Conntrack/measure=fixed/flows=many/arm=on"])
	require.Equal(t, 5, seen["Conntrack/measure=max/flows=many/arm=notrack"], "the excluded trial must not appear")
	require.Equal(t, "higher", better["answers/s"])
	require.Equal(t, "lower", better["cpu-sec/query"])
}

func TestColourIsOnlyColour(t *testing.T) {
	s, err := Summarize(fixture(t))
	require.NoError(t, err)
	without := string(rendered(t, func(w io.Writer) error { return s.Table(w, false) }))
	with := string(rendered(t, func(w io.Writer) error { return s.Table(w, true) }))
	require.NotContains(t, without, "\x1b")
	require.Contains(t, with, red+"slower"+plain)
	for _, escape := range []string{plain, bold, red, green, yellow} {
		with = strings.ReplaceAll(with, escape, "")
	}
	require.Equal(t, without, with)
}

func TestFormat(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Group(0), "0"}, {Group(999), "999"}, {Group(1000), "1,000"}, {Group(1234567.5), "1,234,568"}, {Group(-1234), "-1,234"},
		{Group(-0.2), "0"}, {signed(1050), "+1,050"}, {signed(-3), "-3"}, {signed(0.3), "0"},
		{micros(41.25), "41.2"}, {micros(1234.6), "1,235"}, {signedMicros(3), "+3.0"}, {signedMicros(-3), "-3.0"},
		{percent(1.27), "27.0 %"}, {percent(0.9), "10.0 %"},
		{change(1.0123), "+1.2 %"}, {change(0.95), "-5.0 %"}, {change(0.9999), "0.0 %"}, {span(0.99, 1.02), "-1.0 % to +2.0 %"},
		{level(0.95), "95 %"}, {pValue(0.00049), "<0.001"}, {pValue(0.0216), "0.022"},
		{part(0), "0"}, {part(0.00001), "<0.01 %"}, {part(0.01), "1.00 %"},
		{Plural(1, "trial"), "1 trial"}, {Plural(1200, "trial"), "1,200 trials"},
		{size(256), "256 B"}, {size(4 << 30), "4,096 MiB"}, {size(0), ""}, {count(0), ""},
		{sentenceCase(""), ""}, {sentenceCase("so it is"), "So it is"},
	} {
		require.Equal(t, c.want, c.got)
	}
	few, enough := &stat.Estimate{Median: 2, Lo: 1, Hi: 3, N: 4}, &stat.Estimate{Median: 2, Lo: 1, Hi: 3, N: 5}
	require.Equal(t, []string{"–", "2", "2 [1, 3]"}, []string{withSpan(nil, Group), withSpan(few, Group), withSpan(enough, Group)})
	require.False(t, inPercent(1.1, 1.0, 1.2, 4).Bounded())
	require.True(t, inPercent(1.1, 1.0, 1.2, 5).Bounded())
	require.Equal(t, 1.23457, tidy(1.2345678))
	require.True(t, math.IsInf(tidy(math.Inf(1)), 1))
}
