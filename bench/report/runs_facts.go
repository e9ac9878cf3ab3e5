package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// compareFacts puts what is known of the two side by side.
func compareFacts(a, b side) []Fact {
	list := func(given side) [][2]string {
		s := given.summary
		p := s.Plan
		return append([][2]string{
			{"measured", s.Started.UTC().Format("2006-01-02 15:04 UTC")}, {"server", serverOf(given.data.run.Header)}, {"rate, queries/s", count(uint64(p.Rate))},
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

// serverOf is the server a run was told to measure, our own if it was told of none. That of a run over two hosts is not in
// the command: its agent has named it.
func serverOf(h record.Header) string {
	if h.Client != nil {
		if name := h.Versions["server"]; name != "" {
			return name
		}
		return "the agent's"
	}
	command := h.Command
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
		switch {
		case len(s.untrusted) > 0:
			out = append(out, fmt.Sprintf("%s is inconclusive by itself: %s", s.name, strings.Join(s.untrusted, "; ")))
		case len(s.summary.Reasons) > 0:
			out = append(out, fmt.Sprintf("%s leaves its own main comparison open: %s", s.name, strings.Join(s.summary.Reasons, "; ")))
		}
	}
	if x, y := serverOf(a.data.run.Header), serverOf(b.data.run.Header); x != y {
		out = append(out, fmt.Sprintf("the servers differ: %s and %s", x, y))
	}
	for _, flows := range a.data.spec.Patterns {
		for _, measure := range allMeasures(a.data.spec) {
			why := apartBy(measure, flows, a.data.run.Header, b.data.run.Header)
			if why != "" && !slices.Contains(out, why) {
				out = append(out, why)
			}
		}
	}
	if a.data.run.Header.Started.Equal(b.data.run.Header.Started) {
		out = append(out, "both began in the same moment: is it one run, twice?")
	}
	return out
}

// apartBy says how two runs differ in what decides the figures of a measure with a pattern, or "".
func apartBy(m plan.Measure, flows plan.Pattern, x, y record.Header) string {
	a, b := x.Plan, y.Plan
	switch {
	case asked(x) != asked(y):
		return fmt.Sprintf("the servers were asked different things: %s and %s", asked(x), asked(y))
	case (x.Client != nil) != (y.Client != nil):
		return "one was measured over two hosts, the other on one"
	case x.Unprivileged != y.Unprivileged:
		return "one was measured without root, in a user namespace, the other with root"
	case m == plan.Fixed && a.RateOf(flows) != b.RateOf(flows):
		text := fmt.Sprintf("%s and %s queries/s, and what a query costs depends on the rate", Group(float64(a.RateOf(flows))), Group(float64(b.RateOf(flows))))
		if flows == plan.Fresh && (a.FreshRate > 0 || b.FreshRate > 0) {
			return "the rates with new flows differ: " + text
		}
		return "the rates differ: " + text
	case m == plan.Max && a.Window != b.Window:
		return fmt.Sprintf("the queries outstanding flat out differ: %d and %d", a.Window, b.Window)
	case (m == plan.Fixed || m == plan.Max) && a.Timing(m) != b.Timing(m):
		return fmt.Sprintf("the times of a trial differ, %s: %s and %s", map[plan.Measure]string{plan.Fixed: "fixed rate", plan.Max: "flat out"}[m],
			length(a.Timing(m)), length(b.Timing(m)))
	case m == plan.Search && a.Searching != b.Searching:
		return "the times that a search for the highest rate may take differ"
	case m.Share() > 0 && a.Searching.Load != b.Searching.Load:
		return fmt.Sprintf("the times of a trial differ, latency by load: %s and %s", length(a.Searching.Load), length(b.Searching.Load))
	}
	return ""
}

// asked is what the server was asked, and where its replies have the number.
func asked(h record.Header) string {
	name := h.Payload
	if name == "" {
		name = "dht"
	}
	if h.ReplyAt != nil {
		name += fmt.Sprintf(" (replies: offset %d)", *h.ReplyAt)
	}
	return name
}

func length(t plan.Timing) string {
	return fmt.Sprintf("%s after %s of warm-up", seconds(t.Measure), seconds(t.Warmup))
}

// sameOffer is how far apart the rates may be that two runs offered, for the latencies at them to be compared: a search
// finds the rate that they are shares of to a few per cent.
const sameOffer = 0.05

// offeredApart says that latency at a share of the highest rate was taken at different rates, or "". A machine with a
// higher rate is offered more, and its latency under that is not to be set beside that of less.
func offeredApart(a, b side, cell plan.Cell) string {
	offered := func(s side) float64 {
		return stat.Median(s.data.values(cell, func(t record.Trial) float64 { return t.Load.OfferedQPS }))
	}
	x, y := offered(a), offered(b)
	if math.Abs(math.Log(y/x)) <= math.Log1p(sameOffer) { // NaN, of an unknown rate, is not
		return ""
	}
	return fmt.Sprintf("the rates offered at this load differ: %s and %s queries/s", Group(x), Group(y))
}
