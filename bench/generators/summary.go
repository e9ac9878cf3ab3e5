package generators

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/bench/stat"
)

// Summary is what a run says.
type Summary struct {
	Started  time.Time         `json:"started"`
	Command  []string          `json:"command"`
	Spec     Spec              `json:"spec"`
	Rows     []Row             `json:"rows"`
	Notes    []string          `json:"notes"`
	Machine  record.Machine    `json:"machine"`
	Versions map[string]string `json:"versions"`
}

// Row is one generator at one measure. Medians over the blocks; estimates with an N of 0 mean nothing.
type Row struct {
	Generator string        `json:"generator"`
	Measure   Measure       `json:"measure"`
	PerS      stat.Estimate `json:"per_s"`        // queries answered, or sent, a second
	PerCoreS  stat.Estimate `json:"per_core_s"`   // the same a second of the generator's time on its core
	NS        stat.Estimate `json:"ns_per_query"` // of that time for each
	Own       stat.Estimate `json:"own_ns"`       // of which its process used so much, and its interface's receive work the rest
	Core      stat.Estimate `json:"core_busy"`    // share of the generator's core
	Server    stat.Estimate `json:"server_busy"`  // share of the server's
	Dropped   stat.Estimate `json:"link_dropped"` // share of what was sent that found the link's ring full

	// Its queries per core second over others' in the same block. Of itself, nothing.
	OverMmsg    stat.Estimate `json:"over_mmsg"`
	OverDnsperf stat.Estimate `json:"over_dnsperf"`
	Limited     int           `json:"server_limited"` // trials in which the server's core was busier than the generator's
	Counted     int           `json:"counted"`        // trials
}

// Summarize makes the summary of a run.
func Summarize(run Run) Summary {
	h := run.Header
	s := Summary{Started: h.Started, Command: h.Command, Spec: h.Spec, Machine: h.Machine, Versions: h.Versions, Notes: []string{}}
	for _, measure := range Measures() {
		for _, name := range h.Spec.Names {
			own := counted(run.Trials, name, measure)
			if len(own) == 0 {
				continue
			}
			row := describe(own)
			row.Generator, row.Measure = name, measure
			if name != Mmsg {
				row.OverMmsg = bootstrap.Ratio(pairs(counted(run.Trials, Mmsg, measure), own))
			}
			if name != Dnsperf {
				row.OverDnsperf = bootstrap.Ratio(pairs(counted(run.Trials, Dnsperf, measure), own))
			}
			s.Rows = append(s.Rows, row)
		}
	}
	s.note(run)
	return s
}

var (
	rules     = stat.DefaultRules()
	bootstrap = rules.Bootstrap()
)

// Excluded says why a trial must not count, or "". No rule looks at how its figures turned out.
func Excluded(t Trial) string {
	switch {
	case t.Problem != "":
		return t.Problem
	case report.Stolen(record.Trial{CPU: t.CPU}):
		return "the host took CPU time away (steal)"
	case t.queries() == 0 || t.spent() <= 0:
		return "nothing was measured"
	}
	return ""
}

func counted(trials []Trial, generator string, m Measure) (own []Trial) {
	for _, t := range trials {
		if t.Generator == generator && t.Measure == m && Excluded(t) == "" {
			own = append(own, t)
		}
	}
	return own
}

// queries are those that the measure counts.
func (t Trial) queries() float64 {
	if t.Measure == Answers {
		return float64(t.Answered)
	}
	return float64(t.Sent)
}

// spent is the generator's time on its core, in ns.
func (t Trial) spent() float64 { return float64(t.GeneratorNS + t.GeneratorNAPI) }

func (t Trial) perS() float64       { return t.queries() / t.Interval }
func (t Trial) perCoreS() float64   { return t.queries() / t.spent() * 1e9 }
func (t Trial) ns() float64         { return t.spent() / t.queries() }
func (t Trial) ownNS() float64      { return float64(t.GeneratorNS) / t.queries() }
func (t Trial) coreBusy() float64   { return t.spent() / (t.Interval * 1e9) }
func (t Trial) serverBusy() float64 { return float64(t.Server+t.ServerNAPI) / (t.Interval * 1e9) }

func (t Trial) dropped() float64 { return float64(t.RingLosses) / float64(max(t.Sent, 1)) }

func describe(own []Trial) (row Row) {
	for _, c := range []struct {
		to *stat.Estimate
		of func(Trial) float64
	}{
		{&row.PerS, Trial.perS}, {&row.PerCoreS, Trial.perCoreS}, {&row.NS, Trial.ns}, {&row.Own, Trial.ownNS},
		{&row.Core, Trial.coreBusy}, {&row.Server, Trial.serverBusy}, {&row.Dropped, Trial.dropped},
	} {
		values := make([]float64, len(own))
		for i, t := range own {
			values[i] = c.of(t)
		}
		*c.to = bootstrap.Median(values)
	}
	row.Counted = len(own)
	for _, t := range own {
		if t.serverBusy() > t.coreBusy() {
			row.Limited++
		}
	}
	return row
}

// pairs matches trials of the same block.
func pairs(base, arm []Trial) (ps []stat.Pair) {
	for _, b := range base {
		for _, a := range arm {
			if a.Block == b.Block {
				ps = append(ps, stat.Pair{Base: b.perCoreS(), Arm: a.perCoreS()})
			}
		}
	}
	return ps
}

// note says what qualifies the figures.
func (s *Summary) note(run Run) {
	add := func(format string, args ...any) { s.Notes = append(s.Notes, fmt.Sprintf(format, args...)) }
	if run.Cut {
		add("the last line of the records is cut short: the run was stopped while it was written")
	}
	if planned := len(s.Spec.Slots()); len(run.Trials) < planned {
		add("%d of %s were made", len(run.Trials), report.Plural(planned, "trial"))
	}
	reasons := map[string]int{}
	for _, t := range run.Trials {
		if why := Excluded(t); why != "" {
			reasons[fmt.Sprintf("%s, %s: %s", t.Generator, t.Measure, why)]++
		}
	}
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		add("left out: %s of %s", report.Plural(reasons[why], "trial"), why)
	}
	for _, row := range s.Rows {
		if row.Generator == Control {
			if why := rules.CheckControl(row.OverMmsg, rules.Control); why != "" {
				add("inconclusive, %s: %s", row.Measure, why)
			}
		}
		if row.Limited > 0 && row.Measure == Answers {
			add("%s: in %d of %s the server's core was busier than the generator's, so that its answers/s are the server's limit; compare by core second",
				row.Generator, row.Limited, report.Plural(row.Counted, "trial"))
		}
	}
	for _, name := range run.Header.Missing {
		add("%s is not installed, and was left out", name)
	}
	s.Notes = append(s.Notes, run.Header.Notes...)
}

// What a generator does in a measure.
var verbs = map[Measure]string{
	Answers: "gets answered",
	Loads:   "sends to a server that answers",
	Sends:   "sends to a silent server",
}

// Headline says in a sentence what the comparison was made for, or "" if the run cannot.
func (s Summary) Headline() string {
	var said []string
	for _, row := range s.Rows {
		if row.Generator != Packet {
			continue
		}
		var over []string
		for _, c := range []struct {
			name  string
			ratio stat.Estimate
		}{{"--io mmsg", row.OverMmsg}, {"dnsperf", row.OverDnsperf}} {
			if c.ratio.N > 0 {
				over = append(over, ratio(c.ratio)+" times what "+c.name+" does")
			}
		}
		if over != nil {
			said = append(said, verbs[row.Measure]+" "+strings.Join(over, " and "))
		}
	}
	if said == nil {
		return ""
	}
	return "In a second of its core, loadgen --io packet " + strings.Join(said, "; it ") + "."
}
