package report

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"golang.org/x/perf/benchfmt"

	"supernode/bench/plan"
	"supernode/bench/record"
)

// units are those of bench.txt. Names with "ns" in them are read by benchstat as seconds, and scaled.
var units = []struct{ name, better string }{
	{"cpu-ns/query", "lower"},
	{"cpu-ns/offered", "lower"}, // of queries that a full table drops
	{"server-ns/query", "lower"},
	{"receive-ns/query", "lower"},
	{"p50-ns", "lower"},
	{"p99-ns", "lower"},
	{"p99.9-ns", "lower"},
	{"answers/s", "higher"},
	{"max-queries/s-0.1%-lost", "higher"},
	{"max-queries/s-0.5%-lost", "higher"},
}

// Bench writes bench.txt: the trials that count, one line each, in the Go benchmark format
// (https://go.dev/design/14313-benchmark-format), in the order of cells and then blocks. The number of
// iterations is the number of queries answered, or sent where none can be.
func Bench(w io.Writer, run record.Run) error {
	d, _, err := sift(run)
	if err != nil {
		return err
	}
	out := benchfmt.NewWriter(w)
	for _, u := range units {
		meta := benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Key: "better", Unit: u.name}, OrigUnit: u.name, Value: u.better}
		if err := out.Write(&meta); err != nil {
			return fmt.Errorf("write bench.txt: %w", err)
		}
	}
	config := benchConfig(run.Header)
	for _, cell := range d.order() {
		for _, block := range slices.Sorted(maps.Keys(d.cells[cell])) {
			t := d.cells[cell][block]
			name := fmt.Sprintf("Conntrack/measure=%s/flows=%s/arm=%s", cell.Measure, cell.Flows, cell.Arm)
			values := benchValues(t)
			if len(values) == 0 {
				continue
			}
			queries := t.Answered
			if !t.Arm.Answers() {
				queries = t.Load.Sent
			}
			result := benchfmt.Result{Config: config, Name: benchfmt.Name(name), Iters: int(queries), Values: values}
			if err := out.Write(&result); err != nil {
				return fmt.Errorf("write bench.txt: %w", err)
			}
		}
	}
	return nil
}

// order lists the cells as reports show them.
func (d *data) order() []plan.Cell {
	var cells []plan.Cell
	for _, measure := range allMeasures(d.spec) {
		for _, flows := range d.spec.Patterns {
			for _, arm := range d.spec.Arms {
				cells = append(cells, plan.Cell{Arm: arm, Flows: flows, Measure: measure})
			}
		}
	}
	return cells
}

func benchConfig(h record.Header) []benchfmt.Config {
	var config []benchfmt.Config
	for _, c := range [][2]string{
		{"goos", "linux"}, {"goarch", h.Machine.Arch}, {"pkg", "supernode/bench"}, {"cpu", h.Machine.CPU}, {"kernel", h.Machine.Kernel},
	} {
		if c[1] != "" {
			config = append(config, benchfmt.Config{Key: c[0], Value: []byte(c[1]), File: true})
		}
	}
	return config
}

func benchValues(t record.Trial) []benchfmt.Value {
	switch t.Measure {
	case plan.Max:
		return []benchfmt.Value{{Value: tidy(answersPerS(t)), Unit: "answers/s"}}
	case plan.Search:
		return searchValues(t)
	}
	if !t.Arm.Answers() {
		return []benchfmt.Value{{Value: tidy(cpuPerOffered(t)), Unit: "cpu-ns/offered"}}
	}
	values := []benchfmt.Value{
		{Value: tidy(cpuPerQuery(t)), Unit: "cpu-ns/query"},
		{Value: tidy(serverPerQuery(t)), Unit: "server-ns/query"},
		{Value: tidy(napiPerQuery(t)), Unit: "receive-ns/query"},
	}
	l := t.Load.Latency
	for _, p := range []struct {
		us   float64
		unit string
	}{{l.P50, "p50-ns"}, {l.P99, "p99-ns"}, {p999(t), "p99.9-ns"}} {
		if p.us > 0 {
			values = append(values, benchfmt.Value{Value: tidy(p.us * 1000), Unit: p.unit})
		}
	}
	return values
}

// searchValues leaves out what a search did not find.
func searchValues(t record.Trial) (values []benchfmt.Value) {
	if rate := maxQPS(t); rate > 0 {
		values = append(values, benchfmt.Value{Value: tidy(rate), Unit: "max-queries/s-0.1%-lost"})
	}
	if rate := maxQPS05(t); rate > 0 {
		values = append(values, benchfmt.Value{Value: tidy(rate), Unit: "max-queries/s-0.5%-lost"})
	}
	return values
}
