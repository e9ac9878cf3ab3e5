package main

import (
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// segment is what is counted of one leg of a profile: of the queries that were due in it, and sent within the measured
// interval. A query that leaves late, in the next leg, is still of the one that it was due in.
type segment struct {
	sent, answered uint64
	scheduled      int64
	duration       int64                   // ns; less than the leg's if the trial was ended early
	latency        *hdrhistogram.Histogram // from due to answered
	slip           *hdrhistogram.Histogram // from due to sent
}

func newSegments(n int) []segment {
	if n == 0 {
		return nil
	}
	s := make([]segment, n)
	for i := range s {
		s[i].latency, s[i].slip = newHistogram(), newHistogram()
	}
	return s
}

// segmentOf is the leg that a query was due in. Those left over from the warm-up are of the first.
func (t *trial) segmentOf(due int64) uint8 {
	i, ended := slices.BinarySearch(t.ends, due)
	return uint8(min(i+b2i(ended), len(t.ends)-1))
}

// close counts what was to be sent in leg number i, when the measured interval ends at at. Queries leave in order, so that
// what was not sent is all at the end.
func (s *segment) close(t *trial, i int, at int64) {
	to := t.ends[i]
	from := to - int64(t.profile[i].duration)
	to = min(to, at)
	s.duration = max(0, to-from)
	s.scheduled = int64(s.sent)
	if i == 0 {
		s.scheduled -= min(s.scheduled, t.carried)
	}
	if next := max(t.pace.due(t.pace.next), from); next < to {
		s.scheduled += t.pace.drawn.number(next-t.pace.start, to-t.pace.start)
	}
}

// add adds what another thread did in the same leg.
func (s *segment) add(o *segment) {
	s.sent += o.sent
	s.answered += o.answered
	s.scheduled += o.scheduled
	s.duration = max(s.duration, o.duration)
	s.latency.Merge(o.latency)
	s.slip.Merge(o.slip)
}

// segmentResult is what the result says of a leg of the profile. Names are as in result.
type segmentResult struct {
	Rates      string    `json:"rates"` // as in the profile, RATE@DURATION or RATE..RATE@DURATION
	FromS      float64   `json:"from_s"`
	DurationS  float64   `json:"duration_s"`
	OfferedQPS float64   `json:"offered_qps"` // the mean
	Scheduled  uint64    `json:"scheduled"`
	Sent       uint64    `json:"sent"`
	Answered   uint64    `json:"answered"`
	Lost       uint64    `json:"lost"`
	SendQPS    float64   `json:"send_qps"`
	AnswerQPS  float64   `json:"answer_qps"` // of the queries due in the leg, whenever the answers came
	LossRatio  float64   `json:"loss_ratio"`
	LatencyUS  quantiles `json:"latency_us"`
	SlipUS     slip      `json:"schedule_slip_us"`
	Limited    bool      `json:"generator_limited"`
	LimitedBy  []string  `json:"generator_limited_by"`
	LatencyHDR string    `json:"latency_hdr"`
	SlipHDR    string    `json:"schedule_slip_hdr"`

	latency, slip *hdrhistogram.Histogram
}

// segmentResults tells of the legs that were begun.
func (t *trial) segmentResults() (results []segmentResult) {
	at := 0.0
	for i, s := range t.segments {
		l := t.profile[i]
		if s.duration <= 0 && s.sent == 0 {
			break
		}
		r := segmentResult{
			Rates: l.String(), FromS: at, DurationS: float64(s.duration) / 1e9, Scheduled: uint64(max(0, s.scheduled)),
			Sent: s.sent, Answered: s.answered, latency: s.latency, slip: s.slip,
		}
		r.OfferedQPS = (&profile{l}).mean()
		if s.duration < int64(l.duration) && s.duration > 0 {
			r.OfferedQPS = float64(s.scheduled) / r.DurationS
		}
		r.finish()
		at += l.duration.Seconds()
		results = append(results, r)
	}
	return results
}

// finish fills in what follows from the counts and the histograms.
func (r *segmentResult) finish() {
	r.Lost = r.Sent - r.Answered
	r.LossRatio = ratio(r.Lost, r.Sent)
	if r.DurationS > 0 {
		r.SendQPS, r.AnswerQPS = float64(r.Sent)/r.DurationS, float64(r.Answered)/r.DurationS
	}
	r.LatencyUS = micro(r.latency)
	r.SlipUS = slip{P99: micro(r.slip).P99, Max: micro(r.slip).Max}
	r.LimitedBy = lateOrShort(r.Scheduled, r.Sent, r.slip)
	r.Limited = len(r.LimitedBy) > 0
}
