package report

import (
	"encoding/json"

	"github.com/HdrHistogram/hdrhistogram-go"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// leastBeyond is how many answers have to lie beyond a percentile for it to be told: with fewer it is in effect the slowest
// answer, which is the larger the more were asked.
const leastBeyond = 10

// told reports whether so many answers tell a percentile, given as a share.
func told(answers, share float64) bool {
	return answers*(1-share) >= leastBeyond*(1-1e-9) // 1-share is not exact
}

// answersOf is how many of a trial's queries have a latency.
func answersOf(t record.Trial) float64 { return float64(t.Load.Sent - min(t.Load.Lost, t.Load.Sent)) }

// p999 is a trial's own 99.9th percentile, 0 where its answers do not tell it.
func p999(t record.Trial) float64 { return ifTold(t, 0.999, t.Load.Latency.P999) }

func p9999(t record.Trial) float64 { return ifTold(t, 0.9999, t.Load.Latency.P9999) }

func ifTold(t record.Trial, share, us float64) float64 {
	if !told(answersOf(t), share) {
		return 0
	}
	return us
}

// tails gives the percentiles that a single trial is too short for, of the answers of all of a cell's trials together. They
// have no interval: one value each. Where a trial's record has no histogram they are the medians of the trials' own.
func (d *data) tails(cell plan.Cell) (p99_9, p99_99 *stat.Estimate) {
	all, ok := d.pooled(cell)
	if !ok {
		return d.estimate(cell, p999), d.estimate(cell, p9999)
	}
	of := func(share float64) *stat.Estimate {
		if !told(float64(all.TotalCount()), share) {
			return nil
		}
		us := tidy(float64(all.ValueAtQuantile(100*share)) / 1000)
		return &stat.Estimate{Median: us, Lo: us, Hi: us, N: 1}
	}
	return of(0.999), of(0.9999)
}

// pooled adds up the latencies of a cell's trials, in ns. It is not ok where one of them has no histogram.
func (d *data) pooled(cell plan.Cell) (all *hdrhistogram.Histogram, ok bool) {
	for _, t := range d.cells[cell] {
		h, err := histogram(t.Load)
		if err != nil {
			return nil, false
		}
		if all == nil {
			all = h
		} else if all.Merge(h) > 0 { // dropped: of another range
			return nil, false
		}
	}
	return all, all != nil
}

// histogram is that of the generator's result, in ns (docs/loadgen.md).
func histogram(l record.Load) (*hdrhistogram.Histogram, error) {
	var raw struct {
		Text string `json:"latency_hdr"`
	}
	if err := json.Unmarshal(l.Raw, &raw); err != nil {
		return nil, err
	}
	return hdrhistogram.Decode([]byte(raw.Text))
}
