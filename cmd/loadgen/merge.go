package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// generator is what a merged result says of each of those it was made of.
type generator struct {
	File         string    `json:"file"`
	MeasuredFrom time.Time `json:"measured_from"`
	IntervalNS   int64     `json:"interval_ns"`
	OfferedQPS   float64   `json:"offered_qps"`
	Sent         uint64    `json:"sent"`
	Answered     uint64    `json:"answered"`
	AnswerQPS    float64   `json:"answer_qps"`
	P50          float64   `json:"p50_us"`
	P99          float64   `json:"p99_us"`
	LimitedBy    []string  `json:"generator_limited_by"`
	Seed         uint64    `json:"seed"`
}

// same says whether g and o are one generator's result, whatever file it was read from. None in which anything was measured
// is by chance: the seed, the nanosecond it began, and all counts and percentiles are the same.
func (g *generator) same(o *generator) bool {
	return g.MeasuredFrom.Equal(o.MeasuredFrom) && g.Seed == o.Seed && g.IntervalNS == o.IntervalNS && g.Sent == o.Sent &&
		g.Answered == o.Answered && g.P50 == o.P50 && g.P99 == o.P99
}

// readResult reads what --json wrote, with its histograms. name is for errors, and what the generator is called.
func readResult(name string, text []byte) (*result, error) {
	r := &result{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read %s: %w: must be a result that loadgen --json wrote", name, err)
	}
	if r.Target == "" || r.LatencyHDR == "" {
		return nil, fmt.Errorf("read %s: must be a result that loadgen --json wrote", name)
	}
	if r.SlipHDR == "" || r.MeasuredFrom.IsZero() {
		return nil, fmt.Errorf("read %s: was written by an older loadgen, without all that merging takes: run it again with this one", name)
	}
	if r.Errors == nil || r.Mix == nil || r.Replies == nil || r.Answered > r.Sent ||
		slices.ContainsFunc(r.Segments, func(s segmentResult) bool { return s.Answered > s.Sent }) {
		return nil, fmt.Errorf("read %s: was changed after loadgen --json wrote it: take it as it was", name)
	}
	var err error // the first
	histogram := func(text string) *hdrhistogram.Histogram {
		h, e := decode(text)
		if err == nil && e != nil {
			err = fmt.Errorf("read %s: %w", name, e)
		}
		return h
	}
	r.latency, r.slip = histogram(r.LatencyHDR), histogram(r.SlipHDR)
	for i := range r.Segments {
		s := &r.Segments[i]
		s.latency, s.slip = histogram(s.LatencyHDR), histogram(s.SlipHDR)
	}
	if len(r.Generators) == 0 {
		r.Generators = []generator{{
			File: name, MeasuredFrom: r.MeasuredFrom, IntervalNS: r.IntervalNS, OfferedQPS: r.OfferedQPS, Sent: r.Sent,
			Answered: r.Answered, AnswerQPS: r.AnswerQPS, P50: r.LatencyUS.P50, P99: r.LatencyUS.P99, LimitedBy: r.LimitedBy, Seed: r.Seed,
		}}
	}
	return r, err
}

// decode is encode's inverse. The histogram has the buckets of newHistogram, as those that are written have.
func decode(text string) (*hdrhistogram.Histogram, error) {
	read, err := hdrhistogram.Decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("decode histogram: %w", err)
	}
	h := newHistogram()
	if dropped := h.Merge(read); dropped > 0 {
		return nil, fmt.Errorf("decode histogram: %d values are longer than a minute", dropped)
	}
	return h, nil
}

// compatible says why a and b, of these names, cannot be one result.
func compatible(a, b *result, anyTarget bool) error {
	name := func(r *result) string { return r.Generators[0].File }
	differ := func(what string, x, y any) error {
		return fmt.Errorf("%s and %s: have different %s, %v and %v: merge only results of one run", name(a), name(b), what, x, y)
	}
	switch {
	case a.Target != b.Target && !anyTarget:
		return fmt.Errorf("%s and %s: have different targets, %s and %s: if these are one server, say --any-target",
			name(a), name(b), a.Target, b.Target)
	case a.Loop != b.Loop:
		return differ("loops", a.Loop, b.Loop)
	case a.Payload != b.Payload:
		return differ("payloads", a.Payload, b.Payload)
	case a.TimeoutS != b.TimeoutS:
		return differ("time-outs", a.TimeoutS, b.TimeoutS)
	case a.Miss != b.Miss:
		return differ("kinds of info_hashes (--miss)", a.Miss, b.Miss)
	}
	// One that was merged already is in the sum, too.
	for i := range a.Generators {
		for k := range b.Generators {
			if x, y := &a.Generators[i], &b.Generators[k]; x.same(y) {
				return fmt.Errorf("%s and %s: are the same result, or hold it: give each once", x.File, y.File)
			}
		}
	}
	return nil
}

// doubts are what may be wrong with merging results, though it can be done.
func doubts(all []*result) (warnings []string) {
	first := all[0]
	from, to := first.MeasuredFrom, first.ended()
	longest, same := first.IntervalNS, false
	for i, r := range all[1:] {
		if r.MeasuredFrom.After(from) {
			from = r.MeasuredFrom
		}
		if r.ended().Before(to) {
			to = r.ended()
		}
		longest = max(longest, r.IntervalNS)
		same = same || slices.ContainsFunc(all[:i+1], func(o *result) bool { return o.Seed == r.Seed })
	}
	if together := to.Sub(from); float64(together) < 0.9*float64(longest) {
		warnings = append(warnings, fmt.Sprintf("the measured intervals have only %v of %v in common, the sum of their rates may "+
			"never have been reached: start the generators together, and set their clocks",
			max(0, together.Round(time.Millisecond)), time.Duration(longest).Round(time.Millisecond)))
	}
	if same {
		warnings = append(warnings, "some have the same seed, and so the same node ids: give each generator a --seed of its own")
	}
	if slices.ContainsFunc(all[1:], func(r *result) bool { return !first.sameProfile(r) }) {
		warnings = append(warnings, "they have different profiles, and so no common segments: only the whole is merged")
	}
	return warnings
}

func (r *result) sameProfile(o *result) bool {
	return r.Profile == o.Profile && len(r.Segments) == len(o.Segments)
}

func (r *result) ended() time.Time { return r.MeasuredFrom.Add(time.Duration(r.IntervalNS)) }

// mergeResults makes one result of several, of generators that ran at the same time against the same target. Counts and
// rates are summed, histograms merged bucket by bucket; what cannot be had from several is left at zero.
func mergeResults(all []*result, anyTarget bool) (*result, []string, error) {
	for i, r := range all {
		for _, before := range all[:i] {
			if err := compatible(before, r, anyTarget); err != nil {
				return nil, nil, err
			}
		}
	}
	warnings := doubts(all)
	whole := all[0]
	for _, r := range all[1:] {
		whole.add(r)
	}
	limits := whole.LimitedBy
	whole.judge()
	for _, by := range limits {
		if !slices.Contains(whole.LimitedBy, by) {
			whole.Limited, whole.LimitedBy = true, append(whole.LimitedBy, by)
		}
	}
	return whole, warnings, whole.conclude()
}

// readAll reads the results of the files; "-" is standard input.
func readAll(names []string, read func(name string) ([]byte, error)) (all []*result, err error) {
	if len(names) == 0 {
		return nil, errors.New("merge: want the results of generators, as in loadgen merge a.json b.json")
	}
	for _, name := range names {
		text, err := read(name)
		if err != nil {
			return nil, fmt.Errorf("merge: %w", err)
		}
		r, err := readResult(name, bytes.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// warn writes warnings for people.
func warn(w io.Writer, warnings []string) {
	for _, text := range warnings {
		fmt.Fprintf(w, "loadgen: warning: %s\n", strings.TrimSpace(text))
	}
}
