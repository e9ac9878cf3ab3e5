package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"supernode/dht/wire"
)

// result is the outcome of a trial. Names are a contract with whoever reads the JSON.
type result struct {
	Target     string                 `json:"target"`
	DurationS  float64                `json:"duration_s"`
	OfferedQPS float64                `json:"offered_qps"` // of a closed loop, what came about
	Sent       uint64                 `json:"sent"`
	Answered   uint64                 `json:"answered"`
	Lost       uint64                 `json:"lost"`
	Late       uint64                 `json:"late"`
	Duplicate  uint64                 `json:"duplicate"`
	Malformed  uint64                 `json:"malformed"`
	Errors     map[int64]uint64       `json:"errors"`
	SendQPS    float64                `json:"send_qps"`
	AnswerQPS  float64                `json:"answer_qps"`
	LossRatio  float64                `json:"loss_ratio"`
	LatencyUS  quantiles              `json:"latency_us"`
	Flows      int                    `json:"flows"`
	Mix        map[string]methodCount `json:"mix"`
	SlipUS     slip                   `json:"schedule_slip_us"`
	Limited    bool                   `json:"generator_limited"`
	Replies    map[string]replyCount  `json:"replies"` // of the cohort, by method

	LimitedBy         []string       `json:"generator_limited_by"`
	Loop              string         `json:"loop"`               // open or closed
	Window            int            `json:"window,omitempty"`   // closed loop
	Arrivals          arrivals       `json:"arrivals,omitempty"` // open loop: constant or poisson
	Profile           string         `json:"profile,omitempty"`  // as --profile has it
	Threads           int            `json:"threads"`
	Scheduled         uint64         `json:"scheduled"`     // open loop: queries that were due in the interval
	MeasuredFrom      time.Time      `json:"measured_from"` // when the measured interval began
	WarmupS           float64        `json:"warmup_s"`
	TimeoutS          float64        `json:"timeout_s"`
	Seed              uint64         `json:"seed"`
	Interrupted       bool           `json:"interrupted"`
	IntervalNS        int64          `json:"interval_ns"` // the measured interval as it really was
	AnswersInInterval uint64         `json:"answers_in_interval"`
	Served            uint64         `json:"served"` // queries of the target that were answered
	MalformedBy       malformedCount `json:"malformed_by"`
	SendErrors        sendErrors     `json:"send_errors"`
	ReceiveDrops      uint64         `json:"receive_drops"`              // dropped at the generator's own sockets
	GeneratorCPUNS    int64          `json:"generator_cpu_ns,omitempty"` // of all threads, within the interval
	GeneratorBusy     *float64       `json:"generator_busy,omitempty"`   // of the busiest thread, see limitBusy
	LatencyHDR        string         `json:"latency_hdr"`                // HdrHistogram V2, compressed, base64; in ns
	SlipHDR           string         `json:"schedule_slip_hdr"`          // likewise

	Segments   []segmentResult `json:"segments,omitempty"`   // of a profile
	Generators []generator     `json:"generators,omitempty"` // what was merged
	Version    string          `json:"version"`

	Payload string  `json:"payload"`
	Miss    bool    `json:"miss,omitempty"`
	Walked  *walked `json:"walked,omitempty"`

	totalSent, totalAnswered uint64
	latency, slip            *hdrhistogram.Histogram
}

type quantiles struct {
	P50    float64 `json:"p50"`
	P90    float64 `json:"p90"`
	P99    float64 `json:"p99"`
	P99_9  float64 `json:"p99_9"`
	P99_99 float64 `json:"p99_99"`
	Max    float64 `json:"max"`
	Mean   float64 `json:"mean"`
}

type slip struct {
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

type methodCount struct {
	Sent     uint64 `json:"sent"`
	Answered uint64 `json:"answered"`
}

// malformedCount tells malformed datagrams apart.
type malformedCount struct {
	Unparseable uint64 `json:"unparseable"` // no KRPC message
	Unmatched   uint64 `json:"unmatched"`   // answers nothing that was asked
	WrongFlow   uint64 `json:"wrong_flow"`  // answers what another flow asked
	Stray       uint64 `json:"stray"`       // not from the target, or not to a flow
	TooLong     uint64 `json:"too_long"`    // beyond maxReplyBytes, and never read
}

// sendErrors are queries that never left, as the kernel refused them. They are among the lost.
type sendErrors struct {
	Permission  uint64 `json:"permission"`
	NoBuffer    uint64 `json:"no_buffer"`
	Unreachable uint64 `json:"unreachable"`
	Other       uint64 `json:"other"`
}

func newResult(e *engine, t *trial) (*result, error) {
	r := &result{
		Target:            e.target.String(),
		DurationS:         t.duration.Seconds(),
		OfferedQPS:        float64(t.rate),
		Sent:              sum(&t.sent),
		Answered:          sum(&t.answered),
		Late:              t.late,
		Duplicate:         t.duplicate,
		Errors:            t.errors.byCode(),
		Flows:             t.flows,
		Mix:               map[string]methodCount{},
		Replies:           map[string]replyCount{},
		Payload:           e.payload.String(),
		Miss:              t.miss,
		LimitedBy:         []string{},
		Loop:              "open",
		WarmupS:           t.warmup.Seconds(),
		TimeoutS:          e.timeout.Seconds(),
		Threads:           t.part.threads(),
		Profile:           t.profile.String(),
		Scheduled:         uint64(max(0, t.scheduled)),
		MeasuredFrom:      e.epoch.Add(time.Duration(t.measureFrom)).UTC(),
		Version:           versionText(),
		Seed:              t.seed,
		Interrupted:       t.halted,
		IntervalNS:        t.measureTo - t.measureFrom,
		AnswersInInterval: t.answersInInterval,
		Served:            t.served,
		MalformedBy:       malformedCount{t.unparseable, t.unmatched, t.wrongFlow, t.stray, t.final.Truncated - t.before.stats.Truncated},
		Segments:          t.segmentResults(),
		totalSent:         t.totalSent,
		totalAnswered:     t.totalAnswered,
		latency:           t.latency,
		slip:              t.slip,
	}
	by := r.MalformedBy
	r.Malformed = by.Unparseable + by.Unmatched + by.WrongFlow + by.Stray + by.TooLong
	interval := float64(r.IntervalNS) / 1e9
	if interval > 0 {
		r.SendQPS = float64(r.Sent) / interval
		r.AnswerQPS = float64(r.AnswersInInterval) / interval
	}
	if t.halted {
		r.DurationS = interval
		if t.profile != nil && interval > 0 {
			r.OfferedQPS = float64(r.Scheduled) / interval
		}
	}
	if r.Arrivals = cmp.Or(t.arrivals, arriveConstant); !t.open() {
		r.Loop, r.Window, r.OfferedQPS, r.Arrivals = "closed", t.window, r.SendQPS, ""
	}
	r.methods(e, t)
	r.own(t)
	r.judge()
	return r, r.conclude()
}

// conclude fills in what follows from the counts and the histograms.
func (r *result) conclude() (err error) {
	r.Lost = r.Sent - r.Answered
	r.LossRatio = ratio(r.Lost, r.Sent)
	r.LatencyUS = micro(r.latency)
	r.SlipUS = slip{P99: micro(r.slip).P99, Max: micro(r.slip).Max}
	if r.LatencyHDR, err = encode(r.latency); err != nil {
		return err
	}
	if r.SlipHDR, err = encode(r.slip); err != nil {
		return err
	}
	for i := range r.Segments {
		s := &r.Segments[i]
		if s.LatencyHDR, err = encode(s.latency); err != nil {
			return err
		}
		if s.SlipHDR, err = encode(s.slip); err != nil {
			return err
		}
	}
	return nil
}

func encode(h *hdrhistogram.Histogram) (string, error) {
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return "", fmt.Errorf("encode histogram: %w", err)
	}
	return string(text), nil
}

// methods fills in what is told of each method.
func (r *result) methods(e *engine, t *trial) {
	tell := func(name string, m wire.Method) {
		r.Mix[name] = methodCount{Sent: t.sent[m], Answered: t.answered[m]}
		if t.answered[m] > 0 {
			r.Replies[name] = t.replies[m].count()
		}
	}
	if e.payload.foreign() {
		tell(e.payload.name, wire.Unknown)
		return
	}
	for _, m := range mixMethods {
		if t.mix.weight[m] > 0 || t.sent[m] > 0 {
			tell(m.String(), m)
		}
	}
	if t.inOrder {
		r.Walked = &walked{Flows: t.progress.flows.taken, Infohashes: t.progress.infohashes.taken}
	}
}

// own fills in what the generator's own side did.
func (r *result) own(t *trial) {
	from, to := t.before.stats.SendErrors, t.after.stats.SendErrors
	r.SendErrors = sendErrors{
		Permission:  to.Permission - from.Permission,
		NoBuffer:    to.NoBuffer - from.NoBuffer,
		Unreachable: to.Unreachable - from.Unreachable,
		Other:       to.Other - from.Other,
	}
	r.ReceiveDrops = t.final.BufferDrops - t.before.stats.BufferDrops
	if t.before.timed && t.after.timed {
		r.GeneratorCPUNS = t.after.ran - t.before.ran
	}
	if r.GeneratorBusy = t.busiest; r.GeneratorBusy == nil {
		r.GeneratorBusy = t.busy()
	}
}

// busy is the part of the measured interval in which the trial's thread ran, or could have; nil if the kernel does not say.
func (t *trial) busy() *float64 {
	interval := t.measureTo - t.measureFrom
	if !t.before.timed || !t.after.timed || interval <= 0 {
		return nil
	}
	busy := float64(t.after.ran-t.before.ran+t.after.waited-t.before.waited) / float64(interval)
	return &busy
}

// ratio is a/b, and 0 if there is nothing.
func ratio(a, b uint64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func micro(h *hdrhistogram.Histogram) quantiles {
	if h.TotalCount() == 0 {
		return quantiles{} // Max would be the width of the first bucket
	}
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e3 }
	return quantiles{
		P50: at(50), P90: at(90), P99: at(99), P99_9: at(99.9), P99_99: at(99.99),
		Max: float64(h.Max()) / 1e3, Mean: h.Mean() / 1e3,
	}
}
