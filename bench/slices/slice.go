package slices

import (
	"encoding/json"
	"fmt"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// Slice is one subject measured once. Times are nanoseconds over the measured part.
type Slice struct {
	Subject string       `json:"subject"`
	Measure plan.Measure `json:"measure"` // fixed or max
	Set     int          `json:"set"`     // all that was measured for one decision; counts from 0, as do the next three
	Round   int          `json:"round"`
	Block   int          `json:"block"` // of the set
	Place   int          `json:"place"` // in the block

	Duration   int64  `json:"duration_ns"`    // in which CPU time was read
	Server     int64  `json:"server_ns"`      // the server's threads
	ServerNAPI int64  `json:"server_napi_ns"` // receive work of the server's interface
	Client     int64  `json:"client_ns"`      // the generator's threads
	Interval   int64  `json:"interval_ns"`    // in which queries and answers were counted
	Sent       uint64 `json:"sent"`
	Answered   uint64 `json:"answered"`
	Steal      int64  `json:"steal_ns"` // of both cores, which the host took away; counted in ticks
	Problem    string `json:"problem,omitempty"`
}

// sliceOf keeps of a trial what is needed here.
func sliceOf(t record.Trial) (Slice, error) {
	var counted struct {
		Interval int64 `json:"interval_ns"`
	}
	if err := json.Unmarshal(t.Load.Raw, &counted); err != nil {
		return Slice{}, fmt.Errorf("read generator's interval: %w", err)
	}
	s := Slice{
		Duration: t.Duration, Server: t.Server, ServerNAPI: t.ServerNAPI, Client: t.Client,
		Interval: counted.Interval, Sent: t.Load.Sent, Answered: t.Answered,
	}
	for _, c := range t.CPU {
		s.Steal += c.Steal
	}
	return s, nil
}

// Metric is a quantity that subjects are compared in.
type Metric struct {
	Name   string
	Unit   string
	Better stat.Better

	measure   plan.Measure
	of        func(Slice) float64 // its value in one slice, 0 if there is none
	saturates bool                // it tells of servers only where they are the limit
}

// The metrics of servers. Flat out, CPU time is spent in full batches, and answers a second are what the slower of server
// and generator can do: on a machine where that is the generator, they say little of the server, CPU time does, and
// the series says so (Series.Doubt).
var serverMetrics = []Metric{
	{"cpu_ns_per_query", "ns/query", stat.Lower, plan.Fixed, Slice.serverCost, false},
	{"cpu_ns_per_query_flat_out", "ns/query", stat.Lower, plan.Max, Slice.serverCost, false},
	{"answers_per_s", "answers/s", stat.Higher, plan.Max, func(s Slice) float64 { return rate(s.Answered, s.Interval) }, true},
}

// generatorMetrics are those of generators, which all ask null responders.
var generatorMetrics = []Metric{
	{"generator_cpu_ns_per_query", "ns/query", stat.Lower, plan.Fixed, func(s Slice) float64 { return cost(s.Client, s.Duration, s.Sent, s.Interval) }, false},
}

// serverCost is the CPU time of the server's side for an answered query, in nanoseconds.
func (s Slice) serverCost() float64 {
	return cost(s.Server+s.ServerNAPI, s.Duration, s.Answered, s.Interval)
}

// Quality says how many slices were made and left out, and what the host took of the time of both cores.
func Quality(all []Slice) string {
	var spoilt int
	var stolen, total int64
	for _, s := range all {
		if s.Problem != "" || s.Answered == 0 {
			spoilt++
		}
		stolen, total = stolen+s.Steal, total+2*s.Duration
	}
	return fmt.Sprintf("%d slices, %d left out; the host took %.1f %% of their time (steal)", len(all), spoilt, 100*float64(stolen)/float64(max(1, total)))
}

// busy is the part of the time that the server's side worked.
func (s Slice) busy() float64 { return float64(s.Server+s.ServerNAPI) / float64(s.Duration) }

// cost divides CPU time by events, each as a share of the interval in which it was counted.
func cost(ns, duration int64, events uint64, interval int64) float64 {
	if ns <= 0 || duration <= 0 || events == 0 || interval <= 0 {
		return 0
	}
	return float64(ns) / float64(duration) / (float64(events) / float64(interval))
}

// rate is events a second.
func rate(events uint64, interval int64) float64 {
	if interval <= 0 {
		return 0
	}
	return float64(events) / float64(interval) * 1e9
}
