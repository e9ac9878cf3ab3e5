package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

// Results of several generators, written and read again, are in all that can be merged the result of one that did it all.
// So are the trials of several threads.
func TestMergeIsTheWhole(t *testing.T) {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 0))
		n := 1 + random.IntN(4)
		p := params{flows: 2 * n, timeout: time.Second, seed: 1}
		p.follow(profile{{from: 100, to: 100, duration: time.Second}, {from: 10, to: 30, duration: time.Second}})
		require.NoError(t, p.mix.Set("ping=1,get_peers=1"))
		one, parts := newTestTrial(t, p), make([]*trial, n)
		for i := range parts {
			parts[i] = newTestTrial(t, p)
		}
		for range random.IntN(300) {
			m := []wire.Method{wire.Ping, wire.GetPeers}[random.IntN(2)]
			leg, slip, latency, code := random.IntN(2), random.Int64N(1e8), random.Int64N(1e10), 200+random.Int64N(4)
			one.count(m, leg, slip, latency, code)
			parts[random.IntN(n)].count(m, leg, slip, latency, code)
		}
		whole := testResult(t, one, 0)
		var all []*result
		for i, tr := range parts {
			text, err := json.Marshal(testResult(t, tr, uint64(i)))
			require.NoError(t, err)
			read, err := readResult(fmt.Sprint(i), text)
			require.NoError(t, err)
			all = append(all, read)
		}
		merged, _, err := mergeResults(all, false)
		require.NoError(t, err)
		require.Equal(t, measurement(t, whole), measurement(t, merged), "seed %d", seed)
		for _, other := range parts[1:] {
			parts[0].absorb(other)
		}
		require.Equal(t, measurement(t, whole), measurement(t, testResult(t, parts[0], 0)), "threads, seed %d", seed)
	}
}

func newTestTrial(t *testing.T, p params) *trial {
	l, err := planFlows(p.flows, wireLoopback, prefix{}.Prefix, true, part{})
	require.NoError(t, err)
	tr := newTrial(p, l)
	tr.measureTo = int64(p.duration)
	for i := range tr.segments {
		tr.segments[i].duration = int64(p.profile[i].duration)
	}
	return tr
}

// count is a query that was answered: with an error, if code says so.
func (t *trial) count(m wire.Method, leg int, slip, latency, code int64) {
	t.totalSent++
	t.scheduled++
	t.sent[m]++
	t.segments[leg].sent++
	t.segments[leg].scheduled++
	record(t.slip, slip)
	record(t.segments[leg].slip, slip)
	if latency > 9e9 {
		return // lost
	}
	t.totalAnswered++
	t.answered[m]++
	t.segments[leg].answered++
	record(t.latency, latency)
	record(t.segments[leg].latency, latency)
	t.answersInInterval++
	if code < 202 {
		t.errors.add(code, 1)
	}
	t.replies[m].add(100, 8, 0, code < 202)
}

func testResult(t *testing.T, tr *trial, seed uint64) *result {
	r, err := newResult(&engine{epoch: time.Unix(1e9, 0), timeout: time.Second}, tr)
	require.NoError(t, err)
	r.Target, r.Seed = "127.0.0.1:1", seed
	return r
}

// measurement is a result as JSON, without what is the sum of the generators' own: how many they are, and what they offered.
func measurement(t *testing.T, r *result) string {
	same := *r
	same.Generators, same.Seed, same.OfferedQPS, same.Flows, same.Threads = nil, 0, 0, 0, 0
	same.SendQPS, same.AnswerQPS = math.Round(same.SendQPS), math.Round(same.AnswerQPS) // summed in another order
	same.Segments = slices.Clone(same.Segments)
	// What limits one of them limits the whole of them, too, but not a whole that there was from the beginning.
	same.Limited, same.LimitedBy = false, nil
	for i := range same.Segments {
		same.Segments[i].OfferedQPS = 0
		same.Segments[i].Limited, same.Segments[i].LimitedBy = false, nil
	}
	text, err := json.MarshalIndent(same, "", " ")
	require.NoError(t, err)
	return string(text)
}

// The command sums what generators that ran together have written, and says what it doubts.
func TestMerge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := startResponder(t, good)
	file := func(name string) string { return filepath.Join(dir, name) }
	var results []result
	done := make(chan outcome)
	for i, name := range []string{"a.json", "b.json"} {
		go func() {
			done <- loadgen(t, "--quiet", "--duration", "1s", "--warmup", "0s", "--timeout", "1s", "--seed", fmt.Sprint(i), "--json", file(name), r.addr.String())
		}()
	}
	for range 2 {
		require.Equal(t, 0, (<-done).status)
	}
	for _, name := range []string{"a.json", "b.json"} {
		results = append(results, readJSON(t, file(name)))
	}
	o := loadgen(t, "merge", "--json", "-", "--csv", file("c.csv"), "--benchfmt", file("c.txt"), "--hdr", file("c.hgrm"), file("a.json"), file("b.json"))
	require.Equal(t, 0, o.status, o.stderr)
	var got result
	require.NoError(t, json.Unmarshal([]byte(o.stdout), &got))
	require.Equal(t, results[0].Sent+results[1].Sent, got.Sent)
	require.EqualValues(t, len(r.all()), got.Sent)
	require.Equal(t, 2000.0, got.OfferedQPS)
	require.Equal(t, max(results[0].LatencyUS.Max, results[1].LatencyUS.Max), got.LatencyUS.Max)
	require.Equal(t, results[0].Limited || results[1].Limited, got.Limited)
	require.Len(t, got.Generators, 2)
	require.Equal(t, file("b.json"), got.Generators[1].File)
	require.Equal(t, results[1].LatencyUS.P99, got.Generators[1].P99)
	require.Len(t, readTable(t, file("c.csv")), 1)
	require.Len(t, readBenchmarks(t, file("c.txt")), 1)
	require.FileExists(t, file("c.hgrm"))

	// What was merged can be merged, and shown to people.
	require.NoError(t, os.WriteFile(file("c.json"), []byte(o.stdout), 0o600))
	again := loadgen(t, "merge", file("c.json"))
	require.Equal(t, 0, again.status, again.stderr)
	require.Contains(t, again.stdout, "of 2 threads of 2 generators")
	require.Contains(t, again.stdout, file("a.json")+" ")
	for _, twice := range [][]string{{"c.json", "a.json"}, {"b.json", "c.json"}, {"c.json", "c.json"}} {
		loadgen(t, "merge", file(twice[0]), file(twice[1])).oneLine(t, 2, "are the same result, or hold it")
	}

	apart := results[0]
	apart.MeasuredFrom, apart.Seed = apart.MeasuredFrom.Add(time.Hour), results[1].Seed
	writeTestJSON(t, file("d.json"), apart)
	o = loadgen(t, "merge", file("b.json"), file("d.json"))
	require.Equal(t, 0, o.status, o.stderr)
	require.Contains(t, o.stderr, "loadgen: warning: the measured intervals have only 0s of 1")
	require.Contains(t, o.stderr, "loadgen: warning: some have the same seed")

	elsewhere := results[1]
	elsewhere.Target = "127.0.0.1:9"
	writeTestJSON(t, file("e.json"), elsewhere)
	silent := results[1]
	silent.Answered, silent.TimeoutS = 0, 7
	writeTestJSON(t, file("f.json"), silent)
	require.NoError(t, os.WriteFile(file("g.json"), []byte(`{"target":"x","latency_hdr":"HISTFAAA"}`), 0o600))
	require.NoError(t, os.WriteFile(file("h.json"), []byte(`[1]`), 0o600))
	for _, tt := range []struct {
		args     []string
		status   int
		contains []string
	}{
		{nil, 2, []string{"loadgen merge a.json b.json"}},
		{[]string{file("a.json"), file("a.json")}, 2, []string{"are the same result"}},
		{[]string{file("a.json"), file("e.json")}, 2, []string{"different targets", "--any-target"}},
		{[]string{file("a.json"), file("f.json")}, 2, []string{"different time-outs, 1 and 7"}},
		{[]string{file("g.json")}, 2, []string{"g.json", "older loadgen"}},
		{[]string{file("h.json")}, 2, []string{"h.json", "must be a result"}},
		{[]string{file("none.json")}, 2, []string{"none.json"}},
		{[]string{"--json", "-", "--csv", "-", file("a.json")}, 2, []string{"--csv -: --json goes to standard output already"}},
		{[]string{"--hdr", file("x.hlog"), file("a.json")}, 2, []string{"must be called .hgrm"}},
		{[]string{file("f.json")}, 1, []string{"never answered"}},
	} {
		loadgen(t, append([]string{"merge"}, tt.args...)...).oneLine(t, tt.status, tt.contains...)
	}
	require.Equal(t, 0, loadgen(t, "merge", "--any-target", file("a.json"), file("e.json")).status)
}

func readJSON(t *testing.T, name string) (r result) {
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &r))
	return r
}

func writeTestJSON(t *testing.T, name string, r result) {
	text, err := json.Marshal(r)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, text, 0o600))
}

// FuzzReadResult: a file is a result, or refused; nothing that it says makes reading, merging or writing it fail otherwise.
func FuzzReadResult(f *testing.F) {
	h := newHistogram()
	record(h, 1000)
	text, err := encode(h)
	require.NoError(f, err)
	whole := fmt.Sprintf(`{"target":"a:1","measured_from":"2026-01-02T03:04:05Z","latency_hdr":%q,"schedule_slip_hdr":%q}`, text, text)
	f.Add([]byte(whole)) // lacks what there always is
	whole = strings.Replace(whole, `{`, `{"errors":{"203":1},"mix":{"ping":{"sent":1}},"replies":{"ping":{"wrong":1}},`, 1)
	rich := strings.Replace(whole, `{`, `{"walked":{},"seed":9,`, 1)
	f.Add([]byte(whole))
	f.Add([]byte(strings.Replace(whole, `{`, `{"segments":[{}],"generators":[],"walked":{"flows":1},`, 1)))
	f.Add([]byte(strings.Replace(whole, `a:1`, `a:1","loop":"open","errors":{"203":-1},"sent":7,"x":"`, 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := readResult("a", text)
		if err != nil {
			return
		}
		other, err := readResult("b", []byte(rich))
		require.NoError(t, err)
		merged, _, err := mergeResults([]*result{r, other}, true)
		if err != nil {
			return
		}
		require.Equal(t, merged.Sent-merged.Answered, merged.Lost)
		require.NoError(t, merged.summary(io.Discard))
		require.NoError(t, writeBenchmark(io.Discard, merged))
	})
}
