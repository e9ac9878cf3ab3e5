package main

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"supernode/dht/wire"
)

// newHistogram takes ns, to 0.1 µs or three digits, whichever is coarser, up to a minute. 0.2 MB.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(100, maxLatency, 3) }

const maxLatency = 60_000_000_000

// record adds one value. Out of range is what lies beyond a minute, or before the schedule by rounding.
func record(h *hdrhistogram.Histogram, ns int64) {
	_ = h.RecordValue(min(max(ns, 0), maxLatency))
}

// tally is what is counted in a trial.
type tally struct {
	// Whole trial, warm-up included.
	totalSent, totalAnswered, totalLost uint64

	// The cohort, by method. Answers are responses and errors.
	sent, answered [wire.Methods]uint64
	errors         codes
	duplicate      uint64
	latency        *hdrhistogram.Histogram // from due to answered
	slip           *hdrhistogram.Histogram // from due to sent
	replies        []replyTally            // by method

	// From the beginning of the measured interval to the end of the grace period.
	late                                     uint64
	unparseable, unmatched, wrongFlow, stray uint64
	served                                   uint64

	// Within the measured interval, of whatever cohort.
	answersInInterval uint64
}

func newTally() *tally {
	return &tally{latency: newHistogram(), slip: newHistogram(), replies: make([]replyTally, wire.AnnouncePeer+1)}
}

// startMeasuring forgets what belongs to the warm-up alone.
func (t *tally) startMeasuring() {
	t.late, t.unparseable, t.unmatched, t.wrongFlow, t.stray, t.served = 0, 0, 0, 0, 0, 0
}

func sum(counts *[wire.Methods]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// codes counts errors by code. A target that invents codes cannot make it grow: what finds no room counts
// as code 0, which no node uses.
type codes struct {
	n     int
	code  [32]int64
	count [32]uint64
	other uint64
}

func (c *codes) add(code int64, times uint64) {
	for i := range c.code[:c.n] {
		if c.code[i] == code {
			c.count[i] += times
			return
		}
	}
	if c.n == len(c.code) {
		c.other += times
		return
	}
	c.code[c.n], c.count[c.n] = code, times
	c.n++
}

func (c *codes) merge(o *codes) {
	for i := range o.code[:o.n] {
		c.add(o.code[i], o.count[i])
	}
	c.other += o.other
}

// byCode returns the counts for showing.
func (c *codes) byCode() map[int64]uint64 {
	m := make(map[int64]uint64, c.n)
	for i := range c.code[:c.n] {
		m[c.code[i]] = c.count[i]
	}
	if c.other > 0 {
		m[0] += c.other
	}
	return m
}
