package main

import (
	"encoding/csv"
	"io"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// csvTable is the table of --csv: a row for each second of a trial, as it passes, and in the end one for each part of a
// profile and one for the whole. A second's row counts what was sent, answered and given up in it; the others, what
// became of the queries sent in their time, as the result does.
type csvTable struct {
	out    *csv.Writer
	warmup time.Duration
	opened bool
}

var csvHeader = []string{
	"kind", "from_s", "to_s", "offered_qps", "sent", "answered", "lost", "p50_us", "p90_us", "p99_us", "p99_9_us", "max_us",
}

// newCSV writes to out. Times are told from the end of the warm-up, so that those in it are negative.
func newCSV(out io.Writer, warmup time.Duration) *csvTable {
	return &csvTable{out: csv.NewWriter(out), warmup: warmup}
}

// interval writes a second's row.
func (t *csvTable) interval(i *interval) {
	kind := "second"
	switch {
	case i.phase == phaseWarmup:
		kind = "warmup"
	case i.phase >= phaseGrace:
		kind = "grace"
	}
	offered := i.offered
	if took := i.to - i.from; i.closed && took > 0 {
		offered = float64(i.sent) / (float64(took) / 1e9)
	}
	from, to := float64(i.from-int64(t.warmup))/1e9, float64(i.to-int64(t.warmup))/1e9
	t.row(kind, from, to, offered, [3]uint64{i.sent, i.answered, i.lost}, i.latency)
}

func (t *csvTable) end() {}

// finish writes the rows of the result, and returns the first error that there was.
func (t *csvTable) finish(r *result) error {
	for _, s := range r.Segments {
		t.row("segment", s.FromS, s.FromS+s.DurationS, s.OfferedQPS, [3]uint64{s.Sent, s.Answered, s.Lost}, s.latency)
	}
	t.row("total", 0, float64(r.IntervalNS)/1e9, r.OfferedQPS, [3]uint64{r.Sent, r.Answered, r.Lost}, r.latency)
	return t.out.Error()
}

// row writes one row, at once, so that the file can be followed. The cells of latencies that there are not are empty.
func (t *csvTable) row(kind string, from, to, offered float64, counts [3]uint64, latency *hdrhistogram.Histogram) {
	if !t.opened {
		t.opened = true
		_ = t.out.Write(csvHeader) // errors are kept
	}
	cells := []string{kind, decimals(from), decimals(to), decimals(offered)}
	for _, n := range counts {
		cells = append(cells, strconv.FormatUint(n, 10))
	}
	q := micro(latency)
	for _, us := range []float64{q.P50, q.P90, q.P99, q.P99_9, q.Max} {
		if latency.TotalCount() == 0 {
			cells = append(cells, "")
			continue
		}
		cells = append(cells, decimals(us))
	}
	_ = t.out.Write(cells)
	t.out.Flush()
}

// decimals writes x with as many of three decimals as say something.
func decimals(x float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'f', 3, 64), 64)
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}
