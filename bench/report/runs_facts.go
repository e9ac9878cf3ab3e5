package report

import (
	"fmt"
	"slices"
	"strings"

	"supernode/bench/plan"
)

// compareFacts puts what is known of the two side by side.
func compareFacts(a, b Summary) []Fact {
	list := func(s Summary) [][2]string {
		p := s.Plan
		return append([][2]string{
			{"measured", s.Started.UTC().Format("2006-01-02 15:04 UTC")}, {"server", serverOf(s.Command)}, {"rate, queries/s", count(uint64(p.Rate))},
			{"queries outstanding, flat out", count(uint64(p.Window))}, {"blocks", count(uint64(p.Blocks))}, {"times", timing(p)},
		}, facts(s.Machine, s.Versions)...)
	}
	var out []Fact
	for _, f := range list(a) {
		out = append(out, Fact{Name: f[0], A: f[1]})
	}
	for _, f := range list(b) {
		i := slices.IndexFunc(out, func(known Fact) bool { return known.Name == f[0] })
		if i < 0 {
			i, out = len(out), append(out, Fact{Name: f[0]})
		}
		out[i].B = f[1]
	}
	for i := range out {
		out[i].Differs = out[i].A != out[i].B
	}
	return out
}

// serverOf is the server a run was told to measure, our own if it was told of none.
func serverOf(command []string) string {
	for i, word := range command {
		if word == "--server-cmd" && i+1 < len(command) {
			return command[i+1]
		}
		if text, ok := strings.CutPrefix(word, "--server-cmd="); ok {
			return text
		}
	}
	return "supernode"
}

// warnings are what makes the two hard to compare.
func warnings(a, b side) []string {
	out := []string{}
	for _, s := range []side{a, b} {
		if len(s.summary.Reasons) > 0 {
			out = append(out, fmt.Sprintf("%s is inconclusive by itself: %s", s.name, strings.Join(s.summary.Reasons, "; ")))
		}
	}
	if x, y := serverOf(a.summary.Command), serverOf(b.summary.Command); x != y {
		out = append(out, fmt.Sprintf("the servers differ: %s and %s", x, y))
	}
	for _, measure := range a.summary.Plan.Measures() {
		if why := apartBy(measure, a.summary.Plan, b.summary.Plan); why != "" {
			out = append(out, why)
		}
	}
	if a.data.run.Header.Started.Equal(b.data.run.Header.Started) {
		out = append(out, "both began in the same moment: is it one run, twice?")
	}
	return out
}

// apartBy says how the two plans differ in what decides a measure's figures, or "".
func apartBy(m plan.Measure, a, b plan.Spec) string {
	switch {
	case m == plan.Fixed && a.Rate != b.Rate:
		return fmt.Sprintf("the rates differ: %s and %s queries/s, and what a query costs depends on the rate", Group(float64(a.Rate)), Group(float64(b.Rate)))
	case m == plan.Max && a.Window != b.Window:
		return fmt.Sprintf("the queries outstanding flat out differ: %d and %d", a.Window, b.Window)
	}
	return ""
}
