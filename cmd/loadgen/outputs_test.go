package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"
)

// All forms of a result tell the same, of a profile for each of its parts.
func TestOutputsAgree(t *testing.T) {
	t.Parallel()
	r := startResponder(t, func(r *responder, n int, q seen) {
		if n%10 != 3 {
			good(r, n, q)
		}
	})
	dir := t.TempDir()
	table, bench := filepath.Join(dir, "r.csv"), filepath.Join(dir, "r.txt")
	o := loadgen(t, "--quiet", "--json", "-", "--csv", table, "--benchfmt", bench, "--timeout", "1s", "--warmup", "100ms",
		"--profile", "500@200ms,500..2000@1s", r.addr.String())
	require.Equal(t, 0, o.status, o.stderr)
	var got result
	require.NoError(t, json.Unmarshal([]byte(o.stdout), &got))
	require.EqualValues(t, 1350, got.Scheduled)
	require.Len(t, got.Segments, 2)
	require.EqualValues(t, 100, got.Segments[0].Scheduled)
	require.EqualValues(t, 1250, got.Segments[1].Scheduled)
	require.Equal(t, 1250.0, got.Segments[1].OfferedQPS)
	require.Equal(t, got.Sent, got.Segments[0].Sent+got.Segments[1].Sent)
	require.Equal(t, got.Answered, got.Segments[0].Answered+got.Segments[1].Answered)
	require.Equal(t, got.Lost, got.Segments[0].Lost+got.Segments[1].Lost)
	require.InDelta(t, 0.1, got.Segments[1].LossRatio, 0.03)

	rows := readTable(t, table)
	sum := map[string]map[string]uint64{}
	for _, row := range rows {
		kind := sum[row["kind"]]
		if kind == nil {
			kind = map[string]uint64{}
			sum[row["kind"]] = kind
		}
		for _, column := range []string{"sent", "answered", "lost"} {
			n, err := strconv.ParseUint(row[column], 10, 64)
			require.NoError(t, err)
			kind[column] += n
		}
	}
	whole := map[string]uint64{"sent": got.Sent, "answered": got.Answered, "lost": got.Lost}
	require.Equal(t, whole, sum["total"])
	require.Equal(t, whole, sum["segment"])
	require.Equal(t, got.Sent, sum["second"]["sent"])
	for _, column := range []string{"answered", "lost"} {
		require.GreaterOrEqual(t, sum["warmup"][column]+sum["second"][column]+sum["grace"][column], whole[column])
	}
	last := rows[len(rows)-1]
	require.Equal(t, decimals(got.LatencyUS.P99), last["p99_us"])
	require.Equal(t, "-0.1", rows[0]["from_s"])
	require.Equal(t, "", rows[0]["p50_us"])

	lines := readBenchmarks(t, bench)
	require.Len(t, lines, 3)
	total := lines[2]
	require.Equal(t, "Loadgen/payload=dht/arrivals=constant/profile=500@200ms,500..2000@1s/flows=256/threads=1", string(total.Name))
	require.Equal(t, string(total.Name)+"/segment=2", string(lines[1].Name))
	require.EqualValues(t, got.Answered, total.Iters)
	loss, ok := total.Value("loss-ratio")
	require.True(t, ok)
	require.Equal(t, tidy(got.LossRatio), loss)
	p99, ok := total.Value("sec/op")
	require.False(t, ok, "%v", p99)
}

func readTable(t *testing.T, name string) (rows []map[string]string) {
	file, err := os.Open(name)
	require.NoError(t, err)
	defer file.Close()
	all, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	require.Equal(t, csvHeader, all[0])
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, cell := range cells {
			row[csvHeader[i]] = cell
		}
		rows = append(rows, row)
	}
	return rows
}

func readBenchmarks(t *testing.T, name string) (lines []*benchfmt.Result) {
	file, err := os.Open(name)
	require.NoError(t, err)
	defer file.Close()
	for r := benchfmt.NewReader(file, name); r.Scan(); {
		switch line := r.Result().(type) {
		case *benchfmt.Result:
			lines = append(lines, line.Clone())
		case *benchfmt.SyntaxError:
			require.NoError(t, line)
		}
	}
	return lines
}

func TestDecimals(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 1: "1", 0.1234: "0.123", -0.5: "-0.5", 1e6: "1000000", 2.9996: "3"} {
		require.Equal(t, want, decimals(x))
	}
}

// Without a summary, what the generator could not do is told beside the result.
func TestLimitIsTold(t *testing.T) {
	var b strings.Builder
	tellLimits(&b, &result{LimitedBy: []string{"slip", "drops"}})
	require.Equal(t, 2, strings.Count(b.String(), "generator limited: "))
	require.Contains(t, b.String(), "--threads")
}
