package report

import (
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// metric is a quantity that arms are compared in.
type metric struct {
	name    string
	measure plan.Measure
	better  stat.Better
	latency bool
	of      func(record.Trial) float64 // its value in one trial, 0 if there is none
}

// The names are those of summary.json.
const (
	cpuMetric     = "cpu_ns_per_query"
	serverMetric  = "server_ns_per_query"
	napiMetric    = "napi_ns_per_query"
	p50Metric     = "latency_us_p50"
	p99Metric     = "latency_us_p99"
	p999Metric    = "latency_us_p99_9"
	answersMetric = "answers_per_s"

	maxQPSMetric   = "max_qps_0_1pct"
	maxQPS05Metric = "max_qps_0_5pct"
)

var metrics = []metric{
	{cpuMetric, plan.Fixed, stat.Lower, false, cpuPerQuery},
	{serverMetric, plan.Fixed, stat.Lower, false, serverPerQuery},
	{napiMetric, plan.Fixed, stat.Lower, false, napiPerQuery},
	{p50Metric, plan.Fixed, stat.Lower, true, func(t record.Trial) float64 { return t.Load.Latency.P50 }},
	{p99Metric, plan.Fixed, stat.Lower, true, func(t record.Trial) float64 { return t.Load.Latency.P99 }},
	{p999Metric, plan.Fixed, stat.Lower, true, p999},
	{answersMetric, plan.Max, stat.Higher, false, answersPerS},
	{maxQPSMetric, plan.Search, stat.Higher, false, maxQPS},
	{maxQPS05Metric, plan.Search, stat.Higher, false, maxQPS05},
	{p50Metric + "_load25", plan.Load25, stat.Lower, true, func(t record.Trial) float64 { return t.Load.Latency.P50 }},
	{p99Metric + "_load25", plan.Load25, stat.Lower, true, func(t record.Trial) float64 { return t.Load.Latency.P99 }},
	{p50Metric + "_load50", plan.Load50, stat.Lower, true, func(t record.Trial) float64 { return t.Load.Latency.P50 }},
	{p99Metric + "_load50", plan.Load50, stat.Lower, true, func(t record.Trial) float64 { return t.Load.Latency.P99 }},
	{p50Metric + "_load75", plan.Load75, stat.Lower, true, func(t record.Trial) float64 { return t.Load.Latency.P50 }},
	{p99Metric + "_load75", plan.Load75, stat.Lower, true, func(t record.Trial) float64 { return t.Load.Latency.P99 }},
}

// limit is how far the control may stray for verdicts in this metric.
func (m metric) limit(r stat.Rules) float64 {
	switch {
	case m.latency:
		return r.ControlLatency
	case m.measure == plan.Search:
		return r.ControlSearch
	}
	return r.Control
}

func cpuPerQuery(t record.Trial) float64    { return perQuery(t, t.Server+t.ServerNAPI) }
func serverPerQuery(t record.Trial) float64 { return perQuery(t, t.Server) }
func napiPerQuery(t record.Trial) float64   { return perQuery(t, t.ServerNAPI) }

func perQuery(t record.Trial, ns int64) float64 {
	return share(float64(ns), float64(t.Answered))
}

// cpuPerOffered is the server's CPU time for each query that was sent in the interval, whether it was answered or dropped.
func cpuPerOffered(t record.Trial) float64 {
	return share(float64(t.Server+t.ServerNAPI), float64(t.Load.Sent))
}

func answersPerS(t record.Trial) float64 { return share(float64(t.Answered)*1e9, float64(t.Duration)) }

// serverBusy is the share of the server's core that its threads and its receive work took.
func serverBusy(t record.Trial) float64 {
	return share(float64(t.Server+t.ServerNAPI), float64(t.Duration))
}

// share is part of whole, 0 of nothing.
func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return part / whole
}
