// Package report turns the records of a run into what people and programs read: summary.json, report.html,
// report.md, bench.txt for benchstat, and a table for the terminal; and two runs into a comparison ([Runs]).
// It is pure but for [Write], needs no root, and makes the same report from the same records every time.
//
// The order of things: trials that cannot be trusted are left out by rules fixed beforehand, the
// baseline is compared with itself (the control), and only what is larger than the control's own noise
// is called a difference. Sentences are chosen by verdict, so that no wording can claim more than the
// figures do. A verdict of one metric needs the control of the same metric; the run as a whole stands
// or falls with the control of CPU time per query.
//
// CPU time per query is all that was spent for the server, its threads and the receive work of its
// interface, divided by the replies that reached the generator in the same interval.
package report

import (
	"io"
	"maps"
	"slices"
	"time"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// Summary is summary.json. Values are rounded to six significant digits.
type Summary struct {
	Verdict      string            `json:"verdict"` // Conclusive or Inconclusive
	Reasons      []string          `json:"reasons"` // why inconclusive
	Answers      []string          `json:"answers"` // sentences to quote, the most important first
	Machine      record.Machine    `json:"machine"`
	Control      Control           `json:"control"`  // of CPU time: what the verdict of the run rests on
	Controls     []Control         `json:"controls"` // of every metric
	Arms         []Arm             `json:"arms"`
	Comparisons  []Comparison      `json:"comparisons"`
	Curves       []record.Curve    `json:"curves"` // how the table filled, and what was lost then
	Trials       Trials            `json:"trials"`
	Notes        []string          `json:"notes"`
	Payload      string            `json:"payload,omitempty"`      // what the server was asked: bep15, dns:NAME or hex:BYTES; empty: the DHT's queries
	Unprivileged bool              `json:"unprivileged,omitempty"` // measured without root: the first of Notes says what that left out
	Rules        stat.Rules        `json:"rules"`
	Plan         plan.Spec         `json:"plan"`
	Started      time.Time         `json:"started"`
	Command      []string          `json:"command"`
	Versions     map[string]string `json:"versions"`
}

const (
	Conclusive   = "conclusive"
	Inconclusive = "inconclusive"
)

// Control is the baseline compared with itself in one metric, over all flow patterns together.
type Control struct {
	Metric  string  `json:"metric"`
	Ratio   float64 `json:"ratio"`
	Lo      float64 `json:"lo"`
	Hi      float64 `json:"hi"`
	N       int     `json:"n"`
	Problem string  `json:"problem,omitempty"` // why it forbids verdicts in this metric
}

// Arm is what was measured under one arm with one flow pattern. What was not measured is null.
type Arm struct {
	Arm           plan.Arm         `json:"arm"`
	Flows         plan.Pattern     `json:"flows"`
	FlowCount     int              `json:"flow_count"`
	Trials        int              `json:"trials"` // that count, all measures together
	CPU           *stat.Estimate   `json:"cpu_ns_per_query"`
	Server        *stat.Estimate   `json:"server_ns_per_query"` // the server's threads: mostly the send path
	NAPI          *stat.Estimate   `json:"napi_ns_per_query"`   // its interface: the receive path
	OfferedCPU    *stat.Estimate   `json:"offered_cpu_ns"`      // the same of each query that was sent: what a dropped one costs
	SendQPS       *stat.Estimate   `json:"send_qps"`            // rate reached by the fixed measure
	Latency       Latency          `json:"latency_us"`          // at the fixed rate
	LossRatio     *float64         `json:"loss_ratio"`          // at the fixed rate, over all queries of all trials
	LossExplained *float64         `json:"loss_explained"`      // dropped by a full table, as a share of the lost queries
	AnswersPerS   *stat.Estimate   `json:"answers_per_s"`       // closed loop
	ServerBusy    *stat.Estimate   `json:"server_busy"`         // share of its core, closed loop
	Limited       bool             `json:"generator_limited"`   // answers_per_s is the generator's limit, not the server's
	Conntrack     record.Conntrack `json:"conntrack"`           // entries: median at the end of a trial; the others: sums

	MaxQPS     *stat.Estimate `json:"max_qps_0_1pct"`            // highest rate offered of which at most 0.1 % was lost
	MaxQPS05   *stat.Estimate `json:"max_qps_0_5pct"`            // the same with 0.5 %
	MaxLimited bool           `json:"max_qps_generator_limited"` // both are lower bounds: the generator ended most searches
	Loads      []LoadLatency  `json:"latency_at_load"`           // the least load first; empty where no search was made
	Counters   *Counters      `json:"counters"`                  // at the fixed rate; null without hardware counters
}

// LoadLatency is the latency at a share of the highest rate that the baseline answers with at most 0.1 % lost, of the same
// flow pattern: all arms are offered the same.
type LoadLatency struct {
	Share      float64        `json:"share"` // 0.25, 0.5, 0.75
	OfferedQPS *stat.Estimate `json:"offered_qps"`
	Latency    Latency        `json:"latency_us"`
	LossRatio  *float64       `json:"loss_ratio"`        // over all queries of all trials
	Limited    bool           `json:"generator_limited"` // its own delay is part of the latency
}

// Counters are hardware events per answered query, of the server's threads and its interface's receive thread together.
type Counters struct {
	Cycles       *stat.Estimate `json:"cycles"`
	Instructions *stat.Estimate `json:"instructions"`
	CacheMisses  *stat.Estimate `json:"cache_misses"`
}

// Latency is the median over the trials of each trial's percentile, in microseconds. P999 and P9999 are those of the answers
// of all trials together instead, without an interval (n is 1), null where fewer than ten answers lie beyond.
type Latency struct {
	P50   *stat.Estimate `json:"p50"`
	P90   *stat.Estimate `json:"p90"`
	P99   *stat.Estimate `json:"p99"`
	P999  *stat.Estimate `json:"p99_9"`
	P9999 *stat.Estimate `json:"p99_99"`
	Max   *stat.Estimate `json:"max"`
	Mean  *stat.Estimate `json:"mean"`
}

// Comparison is an arm against its base, in pairs of trials of the same block. Delta is the median
// difference in the metric's unit, Ratio the median ratio; Lo and Hi belong to the ratio.
type Comparison struct {
	Arm     plan.Arm     `json:"arm"`
	Base    plan.Arm     `json:"base"`
	Flows   plan.Pattern `json:"flows"`
	Metric  string       `json:"metric"`
	Delta   float64      `json:"delta"`
	DeltaLo float64      `json:"delta_lo"`
	DeltaHi float64      `json:"delta_hi"`
	Ratio   float64      `json:"ratio"`
	Lo      float64      `json:"lo"`
	Hi      float64      `json:"hi"`
	P       float64      `json:"p"` // Mann-Whitney, two-sided
	N       int          `json:"n"`
	Verdict stat.Verdict `json:"verdict"`
	AtLeast bool         `json:"at_least,omitempty"` // the better side was held back by the generator
	Reason  string       `json:"reason,omitempty"`   // what qualifies the verdict
}

// Trials counts what became of the plan.
type Trials struct {
	Planned  int            `json:"planned"`
	Made     int            `json:"made"`     // of the planned ones, those that were made, however often
	Recorded int            `json:"recorded"` // repeats included
	Excluded int            `json:"excluded"`
	Lost     int            `json:"lost"` // slots of the plan of which no trial counts
	Why      map[string]int `json:"why,omitempty"`
}

// mostly is the commonest reason for leaving trials out.
func (t Trials) mostly() string {
	most := ""
	for _, why := range slices.Sorted(maps.Keys(t.Why)) {
		if most == "" || t.Why[why] > t.Why[most] {
			most = why
		}
	}
	return most
}

// WriteJSON writes summary.json.
func (s Summary) WriteJSON(w io.Writer) error { return JSON(w, s) }

// arm finds the figures of an arm; the zero Arm if there are none.
func (s Summary) arm(arm plan.Arm, flows plan.Pattern) Arm {
	for _, a := range s.Arms {
		if a.Arm == arm && a.Flows == flows {
			return a
		}
	}
	return Arm{}
}

// compare finds a comparison; ok is false when it was not measured.
func (s Summary) compare(arm, base plan.Arm, flows plan.Pattern, metric string) (c Comparison, ok bool) {
	for _, c := range s.Comparisons {
		if c.Arm == arm && c.Base == base && c.Flows == flows && c.Metric == metric {
			return c, true
		}
	}
	return Comparison{}, false
}

// mainFlows is the pattern the headline speaks of.
func (s Summary) mainFlows() plan.Pattern { return s.Plan.Main() }
