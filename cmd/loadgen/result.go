package main

import (
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"

	"supernode/dht/wire"
)

// A result is generator_limited when it may say more about the generator than about the target: for one of
// these reasons, by the name that generator_limited_by gives it.
const (
	limitRate  = 0.99      // "rate": in an open loop, no more than this part of what was offered was sent
	limitSlip  = 1_000_000 // "slip": in an open loop, 1 % of the queries were sent later than this, in ns
	limitBusy  = 0.95      // "busy": in a closed loop, the thread ran, or waited for a processor, this part of the time
	limitDrops = 1e-4      // "drops": of queries or answers, this part was lost within the generator's own machine
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
	Loop              string         `json:"loop"`             // open or closed
	Window            int            `json:"window,omitempty"` // closed loop
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
	GeneratorCPUNS    int64          `json:"generator_cpu_ns,omitempty"` // of the loop's thread, within the interval
	GeneratorBusy     *float64       `json:"generator_busy,omitempty"`   // see limitBusy
	LatencyHDR        string         `json:"latency_hdr"`                // HdrHistogram V2, compressed, base64; in ns

	Payload string  `json:"payload"`
	Miss    bool    `json:"miss,omitempty"`
	Walked  *walked `json:"walked,omitempty"`

	totalSent, totalAnswered uint64
	latency                  *hdrhistogram.Histogram
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
		Seed:              t.seed,
		Interrupted:       t.halted,
		IntervalNS:        t.measureTo - t.measureFrom,
		AnswersInInterval: t.answersInInterval,
		Served:            t.served,
		MalformedBy:       malformedCount{t.unparseable, t.unmatched, t.wrongFlow, t.stray, t.final.Truncated - t.before.stats.Truncated},
		LatencyUS:         micro(t.latency),
		SlipUS:            slip{P99: micro(t.slip).P99, Max: micro(t.slip).Max},
		totalSent:         t.totalSent,
		totalAnswered:     t.totalAnswered,
		latency:           t.latency,
	}
	by := r.MalformedBy
	r.Malformed = by.Unparseable + by.Unmatched + by.WrongFlow + by.Stray + by.TooLong
	r.Lost = r.Sent - r.Answered
	r.LossRatio = ratio(r.Lost, r.Sent)
	interval := float64(r.IntervalNS) / 1e9
	if interval > 0 {
		r.SendQPS = float64(r.Sent) / interval
		r.AnswerQPS = float64(r.AnswersInInterval) / interval
	}
	if t.halted {
		r.DurationS = interval
	}
	if !t.open() {
		r.Loop, r.Window, r.OfferedQPS = "closed", t.window, r.SendQPS
	}
	r.methods(e, t)
	r.own(t)
	r.judge(t)
	hdr, err := t.latency.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encode latency histogram: %w", err)
	}
	r.LatencyHDR = string(hdr)
	return r, nil
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
		r.Walked = &walked{Flows: e.round.walk.taken, Infohashes: e.round.next}
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
	if t.before.timed && t.after.timed && r.IntervalNS > 0 {
		r.GeneratorCPUNS = t.after.ran - t.before.ran
		busy := float64(r.GeneratorCPUNS+t.after.waited-t.before.waited) / float64(r.IntervalNS)
		r.GeneratorBusy = &busy
	}
}

// judge says whether the generator was the limit.
func (r *result) judge(t *trial) {
	limited := func(by string, yes bool) {
		if yes {
			r.LimitedBy = append(r.LimitedBy, by)
			r.Limited = true
		}
	}
	offered := float64(t.rate) * r.DurationS
	s := r.SendErrors
	refused := s.Permission + s.NoBuffer + s.Unreachable + s.Other
	limited("rate", t.open() && float64(r.Sent) <= limitRate*offered-1)
	limited("slip", t.open() && t.slip.ValueAtQuantile(99) > limitSlip)
	limited("busy", !t.open() && r.GeneratorBusy != nil && *r.GeneratorBusy >= limitBusy)
	limited("drops", ratio(refused+r.ReceiveDrops, r.Sent) > limitDrops)
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
