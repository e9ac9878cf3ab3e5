package peers

import (
	"fmt"
	"io"
	"strings"

	"supernode/bench/report"
	"supernode/bench/stat"
)

// Markdown writes the report: a table a method, the behaviour under load, what the servers take, how they are set up.
func (s Summary) Markdown(w io.Writer) error {
	var d report.Document
	s.head(&d)
	for _, t := range s.Methods {
		d.Linef("## %s", title(t.Method))
		d.Line("")
		d.Table(methodHead, cells(t.Rows, methodCells))
	}
	if len(s.Latency) > 0 {
		d.Line("## Latency of the mix at half load")
		d.Line("")
		d.Line("Each server is offered half of what a pilot saw it answer, in an open loop; microseconds from when a query was due.")
		d.Linef("Here a ratio above 1 says that %s is slower.", Subject)
		d.Line("")
		d.Table([]string{"server", "queries/s", "p50", "p99", "p99.9", Subject + " ÷ it, p99", Subject + " ÷ it, p99.9", "lost", "marks"}, cells(s.Latency, latencyCells))
	}
	if len(s.Overload) > 0 {
		d.Line("## Overload")
		d.Line("")
		d.Line("Twice what the pilot saw is offered in an open loop, then at once half of it. Shares of the answers/s of the closed loop in")
		d.Line("the same block: what the generator sent, what was answered; and of what was asked in the first half second at half load, what was answered.")
		d.Line("")
		d.Table([]string{"server", "offered/s", "sent", "answered", "recovery", "marks"}, cells(s.Overload, overloadCells))
	}
	d.Line("## Tables and memory")
	d.Line("")
	d.Table([]string{"server", "filled, MiB", "at the end, MiB", "nodes", "info_hashes", "announced"}, cells(s.Servers, memoryCells))
	s.setUp(&d)
	d.Machine(s.Machine, s.Versions)
	if len(s.Notes) > 0 {
		d.Line("## Notes")
		d.Line("")
		for _, n := range s.Notes {
			d.Linef("- %s", strings.ReplaceAll(n, "\n", " "))
		}
		d.Line("")
	}
	d.Line("## Repeat it")
	d.Line("")
	d.Linef("Measured %s with:", s.Started.UTC().Format("2006-01-02 15:04 UTC"))
	d.Line("")
	d.Linef("    %s", strings.Join(s.Command, " "))
	d.Line("")
	d.Linef("`--seed %d` gives the same order of trials. `bench report DIR` makes this page from `%s` again, without root.", s.Spec.Seed, FileName)
	if _, err := io.WriteString(w, d.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (s Summary) head(d *report.Document) {
	d.Line("# DHT servers side by side")
	d.Line("")
	d.Linef("%s with %s nodes in its table and %s info_hashes stored, and the others with as much as they took of the same in %v, each alone",
		Subject, number(float64(s.Spec.Nodes)), number(float64(s.Spec.Infohashes)), s.Spec.FillOther)
	d.Linef("on one core. %s flows; closed loops with %d queries outstanding; medians of %s with %.0f %% intervals. A ratio above 1 says that",
		number(float64(s.Spec.Flows)), s.Spec.Window, report.Plural(s.Spec.Blocks, "block"), 100*stat.DefaultRules().Confidence)
	d.Linef("%s answers more, in pairs of the same block. CPU time is that of the server's threads and of its interface's receive work;", Subject)
	d.Line("what replies hold is a median, of the mix that of its get_peers.")
	d.Line("")
}

func title(m Measure) string {
	switch m {
	case Ping:
		return "ping, or what stands for it in another protocol"
	case GetPeers:
		return "get_peers, hit: info_hashes that have been announced"
	case GetPeersMiss:
		return "get_peers, miss: info_hashes that nobody announces"
	case Announce:
		return "announce_peer, each with the get_peers that it takes its token from"
	case Mix:
		return "mix, with a few popular info_hashes"
	}
	return string(m)
}

func cells[T any](rows []T, of func(T) []string) [][]string {
	out := make([][]string, len(rows))
	for i, r := range rows {
		out[i] = of(r)
	}
	return out
}

var methodHead = []string{"server", "answers/s", Subject + " ÷ it", "CPU ns/answer", "its CPU ÷ " + Subject + "'s", "core busy", "lost", "reply bytes", "nodes", "peers", "marks"}

func methodCells(r Row) []string {
	return []string{r.Server, bounded(bound(r.Limited, false), r.AnswersPerS, number), bounded(r.Bound, r.Speed, ratio), estimate(r.CPU, number), estimate(r.Frugal, ratio),
		middle(r.Busy, percent), percent(r.Lost), maybe(r.Bytes), maybe(r.Nodes), maybe(r.Peers), strings.Join(r.Marks, "; ")}
}

func latencyCells(r LatencyRow) []string {
	return []string{r.Server, number(r.Offered), estimate(r.P50, number), estimate(r.P99, number), estimate(r.P999, number),
		estimate(r.P99Ratio, ratio), estimate(r.P999Ratio, ratio), percent(r.Lost), strings.Join(r.Marks, "; ")}
}

func overloadCells(r OverloadRow) []string {
	return []string{r.Server, number(r.Offered), estimate(r.Sent, percent), estimate(r.Answers, percent), estimate(r.Recovery, percent), strings.Join(r.Marks, "; ")}
}

func memoryCells(f ServerFacts) []string {
	mib := func(s *State) string {
		if s == nil || s.RSS == 0 {
			return none
		}
		return number(float64(s.RSS) / (1 << 20))
	}
	known := func(of func(*State) *uint64) string {
		if f.Filled == nil || of(f.Filled) == nil {
			return none
		}
		return number(float64(*of(f.Filled)))
	}
	return []string{f.Name, mib(f.Filled), mib(f.End),
		known(func(s *State) *uint64 { return s.Nodes }), known(func(s *State) *uint64 { return s.Infohashes }),
		known(func(s *State) *uint64 { return s.Announced })}
}

func (s Summary) setUp(d *report.Document) {
	d.Line("## The servers")
	d.Line("")
	for _, f := range s.Servers {
		d.Linef("- **%s**: %s. `%s`", f.Name, f.Note, f.Command)
	}
	d.Line("")
}
