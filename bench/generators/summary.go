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
	Verdict  string            `json:"verdict"` // report.Conclusive, or report.Inconclusive if a comparison is
	Reasons  []string          `json:"reasons"` // why
	Rows     []Row             `json:"rows"`
	Compared []Comparison      `json:"compared"`
	Notes    []string          `json:"notes"`
	Machine  record.Machine    `json:"machine"`
	Versions map[string]string `json:"versions"`
}

// Comparison is one of loadgen's ways past the kernel's stack against another generator at one measure, by queries a core second.
type Comparison struct {
	Measure   Measure       `json:"measure"`
	Generator string        `json:"generator"`
	Base      string        `json:"base"`
	Ratio     stat.Estimate `json:"ratio"`
	Verdict   stat.Verdict  `json:"verdict"`
	Reason    string        `json:"reason,omitempty"` // empty when the verdict needs none
}

// challengers are what is compared.
func (s *Summary) challengers() []string {
	return slices.DeleteFunc([]string{XDP, Packet}, func(name string) bool { return !slices.Contains(s.Spec.Names, name) })
}

// Row is one generator at one measure. Medians over the blocks; estimates with an N of 0 mean nothing.
type Row struct {
	Generator string        `json:"generator"`
	Measure   Measure       `json:"measure"`
	PerS      stat.Estimate `json:"per_s"`        // queries answered, or sent and not lost on the link, a second
	PerCoreS  stat.Estimate `json:"per_core_s"`   // the same a second of the generator's time on its core
	NS        stat.Estimate `json:"ns_per_query"` // of that time for each
	Own       stat.Estimate `json:"own_ns"`       // of which its process used so much, and its interface's receive work the rest
	Core      stat.Estimate `json:"core_busy"`    // share of the generator's core
	Server    stat.Estimate `json:"server_busy"`  // share of the server's
	Dropped   stat.Estimate `json:"link_dropped"` // share of what was sent that found the link's ring full
	Sent      stat.Estimate `json:"sent_per_s"`   // sent a second, these included
	SentCoreS stat.Estimate `json:"sent_per_core_s"`

	// Its queries per core second over others' in the same block. Of itself, nothing; over dnsperf only Answers, as in the
	// others dnsperf is asked something else. There, OverClosed is over dnsperf's closed loop, in which it has the answers to
	// receive, too: for the record, and no part of the verdict.
	OverMmsg    stat.Estimate `json:"over_mmsg"`
	OverDnsperf stat.Estimate `json:"over_dnsperf"`
	OverClosed  stat.Estimate `json:"over_dnsperf_closed_loop"`
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
			switch over := bootstrap.Ratio(pairs(counted(run.Trials, Dnsperf, closedLoop(measure)), own)); {
			case name == Dnsperf:
			case measure == Answers:
				row.OverDnsperf = over
			default:
				row.OverClosed = over
			}
			s.Rows = append(s.Rows, row)
		}
	}
	s.judge(run)
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

// closedLoop is the measure of dnsperf's trials that are set beside those of m: the same, but in Sends it has none.
func closedLoop(m Measure) Measure {
	if m == Sends {
		return Answers
	}
	return m
}

func counted(trials []Trial, generator string, m Measure) (own []Trial) {
	for _, t := range trials {
		if t.Generator == generator && t.Measure == m && Excluded(t) == "" {
			own = append(own, t)
		}
	}
	return own
}

// queries are those that the measure counts. One that the link threw away was no load on any server.
func (t Trial) queries() float64 {
	if t.Measure == Answers {
		return float64(t.Answered)
	}
	return float64(t.Sent - min(t.RingLosses, t.Sent))
}

// spent is the generator's time on its core, in ns.
func (t Trial) spent() float64 { return float64(t.GeneratorNS + t.GeneratorNAPI) }

func (t Trial) perS() float64       { return t.queries() / t.Interval }
func (t Trial) perCoreS() float64   { return t.queries() / t.spent() * 1e9 }
func (t Trial) ns() float64         { return t.spent() / t.queries() }
func (t Trial) ownNS() float64      { return float64(t.GeneratorNS) / t.queries() }
func (t Trial) coreBusy() float64   { return t.spent() / (t.Interval * 1e9) }
func (t Trial) serverBusy() float64 { return float64(t.Server+t.ServerNAPI) / (t.Interval * 1e9) }

func (t Trial) sentPerS() float64     { return float64(t.Sent) / t.Interval }
func (t Trial) sentPerCoreS() float64 { return float64(t.Sent) / t.spent() * 1e9 }

func (t Trial) dropped() float64 { return float64(t.RingLosses) / float64(max(t.Sent, 1)) }

func describe(own []Trial) (row Row) {
	for _, c := range []struct {
		to *stat.Estimate
		of func(Trial) float64
	}{
		{&row.PerS, Trial.perS}, {&row.PerCoreS, Trial.perCoreS}, {&row.NS, Trial.ns}, {&row.Own, Trial.ownNS},
		{&row.Core, Trial.coreBusy}, {&row.Server, Trial.serverBusy}, {&row.Dropped, Trial.dropped},
		{&row.Sent, Trial.sentPerS}, {&row.SentCoreS, Trial.sentPerCoreS},
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

// judge decides which comparisons may be quoted: the control first, since where it fails nothing else holds.
func (s *Summary) judge(run Run) {
	s.Verdict, s.Reasons, s.Compared = report.Conclusive, []string{}, []Comparison{}
	refuse := func(format string, args ...any) {
		s.Verdict, s.Reasons = report.Inconclusive, append(s.Reasons, fmt.Sprintf(format, args...))
	}
	for _, m := range Measures() {
		control := s.row(Control, m).OverMmsg
		unsound := rules.CheckControl(control)
		if unsound == "" {
			unsound = tooMany(run.Trials, m, Mmsg, Control)
		}
		if unsound != "" {
			refuse("%s: %s", m, unsound)
		}
		compare := func(generator, base string, ratio stat.Estimate) {
			c := Comparison{Measure: m, Generator: generator, Base: base, Ratio: ratio, Verdict: stat.Inconclusive, Reason: unsound}
			if c.Reason == "" {
				c.Reason = tooMany(run.Trials, m, generator, base)
			}
			if c.Reason == "" {
				c.Verdict, c.Reason = rules.Judge(ratio, control, rules.Control, stat.Higher)
			}
			if c.Verdict == stat.Inconclusive && unsound == "" {
				refuse("%s, %s against %s: %s", m, label(generator), label(base), c.Reason)
			}
			s.Compared = append(s.Compared, c)
		}
		for _, name := range s.challengers() {
			own := s.row(name, m)
			compare(name, Mmsg, own.OverMmsg)
			if m == Answers && slices.Contains(s.Spec.Names, Dnsperf) {
				compare(name, Dnsperf, own.OverDnsperf)
			}
		}
	}
}

// row is a generator's at a measure, or one that says nothing.
func (s *Summary) row(generator string, m Measure) Row {
	for _, r := range s.Rows {
		if r.Generator == generator && r.Measure == m {
			return r
		}
	}
	return Row{}
}

// tooMany says that too many trials of some generators at a measure do not count, or "".
func tooMany(trials []Trial, m Measure, generators ...string) string {
	made, excluded := 0, 0
	for _, t := range trials {
		if t.Measure != m || !slices.Contains(generators, t.Generator) {
			continue
		}
		made++
		if Excluded(t) != "" {
			excluded++
		}
	}
	if !rules.TooMany(excluded, made) {
		return ""
	}
	return fmt.Sprintf("%d of %s of %s were left out", excluded, report.Plural(made, "trial"), strings.Join(generators, " and "))
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
		if row.Limited > 0 && row.Measure == Answers {
			add("%s: in %d of %s the server's core was busier than the generator's, so that its answers/s are the server's limit; compare by core second",
				row.Generator, row.Limited, report.Plural(row.Counted, "trial"))
		}
	}
	s.noteLosses(run, add)
	s.noteMarks(run, add)
	for _, name := range run.Header.Missing {
		add("%s is not installed, and was left out", name)
	}
	s.Notes = append(s.Notes, run.Header.Notes...)
}

const (
	muchLost  = 0.001 // share of lost queries from which a closed loop's figures are qualified
	ringSlots = 256   // of a veth
)

// noteLosses tells of queries lost in closed loops: what waits for them has fewer outstanding than it was told to.
func (s *Summary) noteLosses(run Run, add func(format string, args ...any)) {
	for _, name := range s.Spec.Names {
		sent, lost := uint64(0), uint64(0)
		for _, t := range counted(run.Trials, name, Answers) {
			sent += t.Sent
			lost += t.Sent - min(t.Answered, t.Sent)
		}
		if float64(lost) > muchLost*float64(sent) {
			add("%s: %.2f %% of its queries in answers were lost; until their time-out, a second or more of dnsperf's, fewer were outstanding than were to be",
				name, 100*float64(lost)/float64(sent))
		}
	}
	if s.Spec.Window > ringSlots {
		add("%d queries outstanding are more than the %d that the ring of a veth holds: a closed loop may lose some", s.Spec.Window, ringSlots)
	}
}

// noteMarks tells what loadgen says of its own results.
func (s *Summary) noteMarks(run Run, add func(format string, args ...any)) {
	for _, m := range Measures() {
		for _, name := range s.Spec.Names {
			own := counted(run.Trials, name, m)
			marked := map[string]int{}
			for _, t := range own {
				for _, mark := range t.marks() {
					marked[mark]++
				}
			}
			for _, mark := range slices.Sorted(maps.Keys(marked)) {
				add("%s, %s: loadgen marks %d of %s as %s", name, m, marked[mark], report.Plural(len(own), "trial"), mark)
			}
		}
	}
}

// What a generator does in a measure.
var verbs = map[Measure]string{
	Answers: "gets answered",
	Loads:   "loads a server that answers with",
	Sends:   "loads a silent server with",
}

// Headline says in a sentence what the comparison was made for, of what is not inconclusive, or "" if that is nothing.
func (s Summary) Headline() string {
	var sentences []string
	for _, name := range s.challengers() {
		if sentence := s.headline(name); sentence != "" {
			sentences = append(sentences, sentence)
		}
	}
	return strings.Join(sentences, " ")
}

// headline is the sentence of one generator.
func (s *Summary) headline(generator string) string {
	var said []string
	for _, m := range Measures() {
		var over []string
		for _, c := range s.Compared {
			if c.Generator != generator || c.Measure != m || c.Verdict == stat.Inconclusive {
				continue
			}
			name := c.Base
			if name == Mmsg {
				name = "--io mmsg"
			}
			over = append(over, ratio(c.Ratio)+" times what "+name+" does")
		}
		if over != nil {
			said = append(said, verbs[m]+" "+strings.Join(over, " and "))
		}
	}
	if said == nil {
		return ""
	}
	return "In a second of its core, " + label(generator) + " " + strings.Join(said, "; it ") + "."
}
