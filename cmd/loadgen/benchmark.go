package main

import (
	"fmt"
	"io"
	"runtime"
	"strconv"

	"golang.org/x/perf/benchfmt"
)

// benchUnits are those of --benchfmt. Times are in ns, which benchstat reads as seconds, and scales.
var benchUnits = []struct{ name, better string }{
	{"answers/s", "higher"},
	{"loss-ratio", "lower"},
	{"p50-ns", "lower"},
	{"p90-ns", "lower"},
	{"p99-ns", "lower"},
	{"p99.9-ns", "lower"},
	{"max-ns", "lower"},
}

// writeBenchmark writes the result in the Go benchmark format (https://go.dev/design/14313-benchmark-format): one line,
// and one more for each part of a profile. The number of iterations is the number of queries answered.
func writeBenchmark(w io.Writer, r *result) error {
	out := benchfmt.NewWriter(w)
	for _, u := range benchUnits {
		meta := benchfmt.UnitMetadata{
			UnitMetadataKey: benchfmt.UnitMetadataKey{Key: "better", Unit: u.name}, OrigUnit: u.name, Value: u.better,
		}
		if err := out.Write(&meta); err != nil {
			return err
		}
	}
	var config []benchfmt.Config
	for _, c := range [][2]string{
		{"goos", runtime.GOOS}, {"goarch", runtime.GOARCH}, {"pkg", "supernode/cmd/loadgen"},
		{"loadgen", r.Version}, {"target", r.Target},
	} {
		config = append(config, benchfmt.Config{Key: c[0], Value: []byte(c[1]), File: true})
	}
	line := func(name string, answered uint64, qps, loss float64, q quantiles) error {
		values := []float64{qps, loss, q.P50 * 1e3, q.P90 * 1e3, q.P99 * 1e3, q.P99_9 * 1e3, q.Max * 1e3}
		b := benchfmt.Result{Config: config, Name: benchfmt.Name(name), Iters: int(answered)}
		for i, u := range benchUnits {
			b.Values = append(b.Values, benchfmt.Value{Value: tidy(values[i]), Unit: u.name})
		}
		return out.Write(&b)
	}
	name := benchmarkName(r)
	for i, s := range r.Segments {
		if err := line(fmt.Sprintf("%s/segment=%d", name, i+1), s.Answered, s.AnswerQPS, s.LossRatio, s.LatencyUS); err != nil {
			return err
		}
	}
	return line(name, r.Answered, r.AnswerQPS, r.LossRatio, r.LatencyUS)
}

// benchmarkName says what was run, so that benchstat compares like with like.
func benchmarkName(r *result) string {
	name := "Loadgen/payload=" + r.Payload
	switch {
	case r.Loop == "closed":
		name += "/window=" + strconv.Itoa(r.Window)
	case r.Profile != "":
		name += "/arrivals=" + string(r.Arrivals) + "/profile=" + r.Profile
	default:
		name += "/arrivals=" + string(r.Arrivals) + "/rate=" + strconv.FormatFloat(r.OfferedQPS, 'f', -1, 64)
	}
	return name + fmt.Sprintf("/flows=%d/threads=%d", r.Flows, r.Threads)
}

// tidy rounds x to six digits, which is more than a measurement has.
func tidy(x float64) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64)
	return rounded
}
