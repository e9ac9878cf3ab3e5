package inprocess

import (
	"fmt"
	"math"
	"strings"

	"golang.org/x/perf/benchfmt"

	"supernode/bench/regress"
	"supernode/bench/stat"
)

// repetition is one line of a benchmark's output.
type repetition struct {
	name   string // without "Benchmark" and the number of processors
	result *benchfmt.Result
}

// parse reads what a test program printed.
func parse(text string) (all []repetition, err error) {
	in := benchfmt.NewReader(strings.NewReader(text), "output")
	for in.Scan() {
		switch r := in.Result().(type) {
		case *benchfmt.Result:
			r = r.Clone()
			all = append(all, repetition{name: name(r.Name), result: r})
		case *benchfmt.SyntaxError:
			return nil, fmt.Errorf("read benchmark's output: %w", r)
		}
	}
	return all, in.Err()
}

// name drops the suffix that says on how many processors a benchmark ran, which go test adds above 1.
func name(n benchfmt.Name) string {
	_, parts := n.Parts()
	if len(parts) > 0 && parts[len(parts)-1][0] == '-' {
		return strings.TrimSuffix(n.String(), string(parts[len(parts)-1]))
	}
	return n.String()
}

// value is a figure as the benchmark printed it, before benchfmt made base units of it.
func (r repetition) value(unit string) (float64, bool) {
	for _, v := range r.result.Values {
		switch {
		case v.OrigUnit == unit:
			return v.OrigValue, true
		case v.OrigUnit == "" && v.Unit == unit:
			return v.Value, true
		}
	}
	return 0, false
}

// figures are a unit's values by benchmark, each in the order of the repetitions.
func figures(all []repetition, unit string) map[string][]float64 {
	out := map[string][]float64{}
	for _, r := range all {
		if v, ok := r.value(unit); ok {
			out[r.name] = append(out[r.name], v)
		}
	}
	return out
}

// counted leaves out the first repetition and the last.
func counted(xs []float64) []float64 {
	if len(xs) <= uncounted {
		return nil
	}
	return xs[1 : len(xs)-1]
}

// pair makes one pair of the repetitions of two processes that took turns: the k-th of the one was beside the k-th of the
// other, so that their ratios are what is not drift.
func pair(base, arm []float64) (regress.Pair, bool) {
	base, arm = counted(base), counted(arm)
	var logs []float64
	for i := range min(len(base), len(arm)) {
		if base[i] > 0 && arm[i] > 0 {
			logs = append(logs, math.Log(arm[i]/base[i]))
		}
	}
	if len(logs) == 0 {
		return regress.Pair{}, false
	}
	middle := stat.Median(base)
	return regress.Pair{Base: middle, Arm: middle * math.Exp(stat.Median(logs))}, true
}
