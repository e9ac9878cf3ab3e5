package regress

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"

	"supernode/bench/stat"
)

// sample is a run with one of everything.
func sample() *Result {
	r := &Result{
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Seconds: 123, Command: []string{"bench", "regress"}, Machine: "Xeon, 2 processors",
		Base: Side{Name: "origin/main", Commit: strings.Repeat("ab", 20), Title: "old"},
		Head: Side{Name: "HEAD", Commit: strings.Repeat("cd", 20), Title: "dht: <b>less</b> | more"}, Rules: DefaultRules(),
		Gates: []Gate{
			Growth("dht.Handle/ping", "allocs/op", 0, 1, 0),
			Growth("size of supernode", "B", 10_000_000, 10_100_000, 0.02),
		},
		NotCompared: []string{"benchmark dht.Handle/scrape: one side only has it"},
	}
	for _, of := range []struct {
		name  string
		ratio float64
	}{{"slow", 1.2}, {"same", 1}, {"fast", 0.8}} {
		s := flat(20, of.ratio, 1)
		s.Metric = Metric{Name: of.name, Unit: "ns/op", Kind: KindInProcess}
		r.Series = append(r.Series, s)
	}
	wide := flat(20, 1, 1)
	wide.Metric, wide.Pairs = Metric{Name: "answers", Unit: "answers/s", Kind: KindEndToEnd, Better: stat.Higher}, spread(20, 0.07)
	wide.Null = []Pair{{Base: 100, Arm: 150}}
	r.Series = append(r.Series, wide)
	for _, s := range r.Series {
		r.Decisions = append(r.Decisions, Decide(s, r.Rules))
	}
	r.Judge()
	return r
}

func TestVerdictOfARun(t *testing.T) {
	broken, whole := []Gate{{Broken: true}}, []Gate{{}}
	of := func(vs ...Verdict) (ds []Decision) {
		for _, v := range vs {
			ds = append(ds, Decision{Verdict: v})
		}
		return ds
	}
	for _, c := range []struct {
		name          string
		r             Result
		want          Verdict
		exit, advised int
	}{
		{"nothing", Result{}, Inconclusive, 3, 0},
		{"gates only", Result{Gates: whole}, Inconclusive, 3, 0},
		{"something failed", Result{Gates: whole, Decisions: of(NoRegression), Incomplete: true}, Inconclusive, 3, 0},
		{"something failed beside a regression", Result{Decisions: of(Regression), Incomplete: true}, Regression, 1, 0},
		{"a broken gate", Result{Gates: broken, Decisions: of(NoRegression)}, Regression, 1, 1},
		{"good", Result{Gates: whole, Decisions: of(NoRegression, NoRegression)}, NoRegression, 0, 0},
		{"better", Result{Gates: whole, Decisions: of(NoRegression, Improvement)}, Improvement, 0, 0},
		{"unclear", Result{Gates: whole, Decisions: of(Improvement, Inconclusive)}, Inconclusive, 3, 0},
		{"worse", Result{Gates: whole, Decisions: of(Inconclusive, Regression, Improvement)}, Regression, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.r.Judge()
			require.Equal(t, c.want, c.r.Verdict)
			require.Equal(t, c.exit, c.r.ExitStatus())
			c.r.Advisory = true
			require.Equal(t, c.advised, c.r.ExitStatus())
		})
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, sample().Table(&out, false))
	text := out.String()
	require.NotContains(t, text, "\x1b")
	for _, want := range []string{
		"base origin/main (abababababab) old\n",
		"broken gate: dht.Handle/ping: 1 allocs/op, where base has 0 (no more than base)\n",
		"gates: 1 of 2 hold\n",
		"not compared: benchmark dht.Handle/scrape: one side only has it\n",
		"\nregression: 1 broken gate, 1 regression, 1 improvement, 1 of 4 timings inconclusive\n",
	} {
		require.Contains(t, text, want)
	}
	require.Regexp(t, `(?m)^slow +ns/op +100 +120 +\+20\.0 % \[\+20\.0, \+20\.0\] +\[\+0\.0, \+0\.0\] +regression$`, text)
	require.Regexp(t, `(?m)^answers +answers/s .* inconclusive: a slow-down of 5\.0 % is neither shown nor ruled out$`, text)

	out.Reset()
	require.NoError(t, sample().Table(&out, true))
	require.Contains(t, out.String(), "\x1b[31mregression\x1b[0m\n")
	require.Equal(t, text, regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(out.String(), ""), "colours take no room")
}

func TestMarkdown(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, sample().Markdown(&out))
	text := out.String()
	require.True(t, strings.HasPrefix(text, "# Performance: regression\n"))
	for _, want := range []string{
		"## Regression\n", "## Improvement\n", "## Inconclusive\n", "**Broken gate:** dht.Handle/ping: 1 allocs/op",
		"dht: &lt;b&gt;less&lt;/b&gt; \\| more", "<summary>All 2 gates</summary>", "<summary>All 4 timings</summary>",
		"- not compared: benchmark dht.Handle/scrape: one side only has it",
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "<b>")
	require.Contains(t, text, "<summary>Beside a server that only answers</summary>")
	require.Contains(t, text, "| answers | answers/s | 150 | 0.67 | 0.67 |")
	open, folded, _ := strings.Cut(text, "<details>")
	require.NotContains(t, open, "| same |", "what needs no attention is folded away")
	require.Contains(t, folded, "| same |")
	require.Equal(t, strings.Count(text, "<details>"), strings.Count(text, "</details>"))
}

// From the JSON alone the decisions can be made again.
func TestJSON(t *testing.T) {
	want := sample()
	var out bytes.Buffer
	require.NoError(t, want.WriteJSON(&out))
	var got Result
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.Equal(t, want, &got)
	for i, s := range got.Series {
		require.Equal(t, want.Decisions[i], Decide(s, got.Rules))
	}
	require.Contains(t, out.String(), `"better": "higher"`)
}

func TestWriteBench(t *testing.T) {
	const printed = "goos: linux\nBenchmarkHandle/ping \t 10\t 5 ns/op\nPASS\n"
	for _, head := range []bool{false, true} {
		var out bytes.Buffer
		require.NoError(t, WriteBench(&out, printed, sample().Series, head))
		in := benchfmt.NewReader(&out, "base.txt")
		values := map[string][]float64{}
		for in.Scan() {
			r, ok := in.Result().(*benchfmt.Result)
			if ok {
				values[r.Name.String()] = append(values[r.Name.String()], r.Values[0].Value)
			}
		}
		require.NoError(t, in.Err())
		require.Len(t, values["Handle/ping"], 1)
		require.Len(t, values["EndToEnd/answers"], 20)
		require.Len(t, values, 2)
		if !head {
			require.Equal(t, 100.0, values["EndToEnd/answers"][0])
		} else {
			require.NotEqual(t, 100.0, values["EndToEnd/answers"][0])
		}
	}
}

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	r := sample()
	require.NoError(t, r.AppendHistory(path))
	require.NoError(t, r.AppendHistory(path))
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	entries, err := ReadHistory(file, path)
	require.NoError(t, err)
	require.Equal(t, []Entry{r.Entry(), r.Entry()}, entries)
	require.Equal(t, []string{"dht.Handle/ping allocs/op"}, entries[0].Broken)

	entries, err = ReadHistory(strings.NewReader(`{"verdict":"regression"}`), "unended")
	require.NoError(t, err)
	require.Len(t, entries, 1)
	_, err = ReadHistory(strings.NewReader("{}\nnonsense\n"), "h")
	require.ErrorContains(t, err, "h:2: not a line that bench regress --history writes")
	require.Error(t, r.AppendHistory(t.TempDir()))
}

func TestTrend(t *testing.T) {
	old, recent := sample().Entry(), sample().Entry()
	recent.Time = recent.Time.Add(24 * time.Hour)
	recent.Metrics = recent.Metrics[:1] // a benchmark may come and go
	var page bytes.Buffer
	require.NoError(t, Trend(&page, []Entry{recent, old}))
	text := page.String()
	require.Equal(t, 4, strings.Count(text, "<svg"))
	require.Equal(t, 5, strings.Count(text, "<circle"))
	require.Contains(t, text, "dht: &lt;b&gt;less&lt;/b&gt; | more")
	require.NotContains(t, text, "<b>less")
	require.NotRegexp(t, `https?://|<script|NaN|Inf`, text, "self-contained, and drawn with figures")
	require.Less(t, strings.Index(text, "2026-01-02 03:04"), strings.Index(text, "2026-01-03 03:04"), "oldest first")
	for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(text, -1) {
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			_, err := d.Token()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
		}
	}

	page.Reset()
	require.NoError(t, Trend(&page, []Entry{{Metrics: []Point{{Name: "unmeasured"}}}}), "a point without pairs")
	require.NotRegexp(t, `NaN|Inf|<circle`, page.String())
}

// Up is worse, within the drawing, however large the change.
func TestChart(t *testing.T) {
	c := chart{points: []chartPoint{
		{run: 0, point: Point{Ratio: stat.Estimate{Median: 1, Lo: 1, Hi: 1, N: 9}}},
		{run: 1, point: Point{Ratio: stat.Estimate{Median: 4, Lo: 3, Hi: 5, N: 9}}},
		{run: 2, point: Point{Ratio: stat.Estimate{Median: 0.9, Lo: 0.8, Hi: 0.95, N: 9}}},
	}}
	c.draw(3)
	require.Equal(t, "+400 %", c.Top)
	require.Equal(t, "-80 %", c.Bottom)
	require.Equal(t, c.Zero, c.Marks[0].Y)
	require.Equal(t, "10.0", c.Marks[1].Hi, "the margin")
	require.Equal(t, []string{"66.0", "382.0", "698.0"}, []string{c.Marks[0].X, c.Marks[1].X, c.Marks[2].X})
	require.Equal(t, 3, strings.Count(c.Line, ","))
}
