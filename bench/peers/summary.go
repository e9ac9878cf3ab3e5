package peers

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/bench/stat"
)

// Summary is what a run says.
type Summary struct {
	Started  time.Time         `json:"started"`
	Command  []string          `json:"command"`
	Versions map[string]string `json:"versions"`
	Machine  record.Machine    `json:"machine"`
	Spec     Spec              `json:"spec"`
	Servers  []ServerFacts     `json:"servers"`
	Methods  []Table           `json:"methods"`
	Latency  []LatencyRow      `json:"latency,omitempty"`
	Overload []OverloadRow     `json:"overload,omitempty"`
	Trials   Count             `json:"trials"`
	Notes    []string          `json:"notes,omitempty"`
}

// Count says what became of the trials. One that is made again counts once at most.
type Count struct {
	Planned  int            `json:"planned"`
	Recorded int            `json:"recorded"`                    // of those planned
	Counted  int            `json:"counted"`                     // of those recorded
	Failed   int            `json:"failed"`                      // of those recorded: the server did not answer, or was not there any more
	Attempts int            `json:"attempts"`                    // all that was recorded, repeats among them
	Repeats  int            `json:"repeats"`                     // of the attempts
	Excluded map[string]int `json:"excluded_attempts,omitempty"` // attempts that do not count, by reason
}

// String is a sentence for the reader of a report.
func (c Count) String() string {
	text := fmt.Sprintf("%d of %d trials count", c.Counted, c.Planned)
	add := func(n int, what string) {
		if n > 0 {
			text += fmt.Sprintf("; %s: %d", what, n)
		}
	}
	add(c.Failed, "without answers")
	add(c.Recorded-c.Counted-c.Failed, "left out in each attempt")
	add(c.Planned-c.Recorded, "not made")
	add(c.Repeats, "made again")
	for _, why := range slices.Sorted(maps.Keys(c.Excluded)) {
		text += fmt.Sprintf("; of %s left out, as %s: %d", report.Plural(c.Attempts, "attempt"), why, c.Excluded[why])
	}
	return text
}

// ServerFacts are what is to be said of a server beside its figures.
type ServerFacts struct {
	Server
	Filled  *State `json:"filled,omitempty"`
	End     *State `json:"end,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// Table has a row for each server that knows a method.
type Table struct {
	Method Measure `json:"method"`
	Rows   []Row   `json:"rows"`
}

// Row is what a run says of one server at one method.
type Row struct {
	Server      string        `json:"server"`
	AnswersPerS stat.Estimate `json:"answers_per_s"`
	CPU         stat.Estimate `json:"cpu_ns_per_query"` // of the server's threads and its interface's receive work
	Busy        stat.Estimate `json:"server_busy"`      // the share of its core
	Lost        float64       `json:"loss_ratio"`
	Limited     bool          `json:"generator_limited"` // at least as fast as that

	// Subject's answers per second over this server's, and this server's CPU time per query over the subject's, both in
	// pairs within blocks: how many times as fast, and as frugal, the subject is.
	Speed  stat.Estimate `json:"subject_speed_ratio"`
	Bound  Bound         `json:"subject_speed_bound,omitempty"` // what Speed is, if the generator set the pace of one of the two
	Frugal stat.Estimate `json:"subject_cpu_ratio"`

	// Of the replies, medians; nil where the generator does not say. Of the mix they are those of get_peers.
	Bytes *float64 `json:"reply_bytes,omitempty"`
	Nodes *float64 `json:"reply_nodes,omitempty"`
	Peers *float64 `json:"reply_peers,omitempty"`
	Wrong float64  `json:"wrong_ratio"`
	Marks []string `json:"marks,omitempty"` // what keeps the figures from being compared
}

// LatencyRow is the latency of one server at half of what it can answer, in µs.
type LatencyRow struct {
	Server  string        `json:"server"`
	Offered float64       `json:"offered_per_s"`
	P50     stat.Estimate `json:"p50_us"`
	P99     stat.Estimate `json:"p99_us"`
	P999    stat.Estimate `json:"p99_9_us"`
	Lost    float64       `json:"loss_ratio"`

	P99Ratio  stat.Estimate `json:"subject_p99_ratio"` // subject's over this server's, in pairs
	P999Ratio stat.Estimate `json:"subject_p99_9_ratio"`

	Marks []string `json:"marks,omitempty"` // what keeps the figures from being the server's
}

// OverloadRow is how one server takes twice what it can answer. Shares are in pairs within blocks.
type OverloadRow struct {
	Server   string        `json:"server"`
	Offered  float64       `json:"offered_per_s"`
	Sent     stat.Estimate `json:"sent_over_best"`    // what the generator managed of it, over the answers/s of the closed loop
	Answers  stat.Estimate `json:"answers_over_best"` // answers/s over those of the closed loop
	Recovery stat.Estimate `json:"recovery"`          // answered of what is asked in the first half second at half load
	Marks    []string      `json:"marks,omitempty"`   // what keeps the figures from being the server's
}

// Bound says of a figure that it is a limit of the true one; empty, that it is the true one.
type Bound string

// The bounds, as they stand before a figure.
const (
	AtLeast Bound = "≥"
	AtMost  Bound = "≤"
	Unbound Bound = "?" // neither is known
)

// maxWrong is the share of wrong replies from which on a server is marked.
const maxWrong = 0.001

// maxLost is the share of lost queries from which on a closed loop is marked: something refuses them.
const maxLost = 0.01

// Summarize makes figures of a run.
func Summarize(run Run) Summary {
	h := run.Header
	s := Summary{
		Started: h.Started, Command: h.Command, Versions: h.Versions, Machine: h.Machine, Spec: h.Spec,
		Trials: Count{Planned: h.Trials}, Notes: slices.Concat(h.Notes, run.Warnings),
	}
	c := newCounted(run, &s.Trials)
	for _, server := range h.Servers {
		s.Servers = append(s.Servers, factsOf(run, server))
	}
	for _, m := range h.Spec.Methods {
		s.Methods = append(s.Methods, c.table(h.Servers, m))
	}
	if slices.Contains(h.Spec.Methods, Mix) {
		for _, server := range h.Servers {
			if server.Knows(Mix) {
				s.Latency = append(s.Latency, c.latency(server.Name)...)
				s.Overload = append(s.Overload, c.overload(server.Name)...)
			}
		}
	}
	s.notes(run)
	return s
}

func factsOf(run Run, server Server) ServerFacts {
	f := ServerFacts{Server: server}
	for i, state := range run.States {
		switch {
		case state.Server != server.Name:
			continue
		case state.When == Filled:
			f.Filled = &run.States[i]
		case state.When == End:
			f.End = &run.States[i]
		}
		if state.Problem != "" {
			f.Problem = state.Problem
		}
	}
	return f
}

// notes adds what a reader has to know to trust the figures.
func (s *Summary) notes(run Run) {
	if t := s.Trials; t.Counted < t.Planned || t.Repeats > 0 {
		s.Notes = append(s.Notes, t.String())
	}
	measured := make([]record.Trial, len(run.Trials))
	for i, t := range run.Trials {
		measured[i] = t.Trial
	}
	if note := report.Company(measured, run.Header.Machine); note != "" {
		s.Notes = append(s.Notes, note)
	}
	for _, name := range run.Header.Missing {
		s.Notes = append(s.Notes, name+" is not installed (make install-peers, make bench-peers)")
	}
	for _, f := range s.Servers {
		if f.Problem != "" {
			s.Notes = append(s.Notes, f.Name+": "+f.Problem)
		}
		if f.Filled == nil || f.Filled.Nodes == nil || f.Filled.Infohashes == nil {
			continue
		}
		if n := *f.Filled.Nodes; float64(n) < full*float64(s.Spec.Nodes) {
			s.Notes = append(s.Notes, fmt.Sprintf("%s had %s nodes in its table when it was measured, not %s", f.Name, report.Group(float64(n)), report.Group(float64(s.Spec.Nodes))))
		}
		if n := *f.Filled.Infohashes; float64(n) < full*float64(s.Spec.Infohashes) {
			s.Notes = append(s.Notes, fmt.Sprintf("%s stored %s info_hashes when it was measured, not %s", f.Name, report.Group(float64(n)), report.Group(float64(s.Spec.Infohashes))))
		}
		if f.End != nil && f.End.Limited != nil && *f.End.Limited > 0 {
			s.Notes = append(s.Notes, fmt.Sprintf("the rate limiter of %s dropped %s queries: give more --flows", f.Name, report.Group(float64(*f.End.Limited))))
		}
	}
	s.Notes = append(s.Notes, report.Repeated(measured)...)
}

// full is the share of what was asked for from which on a table counts as full: ids are random, and some buckets have no
// room for the last.
const full = 0.95
