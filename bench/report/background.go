package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"supernode/bench/plan"
	"supernode/bench/report/page"
)

// armMeaning says what each arm is, for the method section.
var armMeaning = map[plan.Arm]string{
	plan.Off:     "rules of the same number without connection tracking: the baseline",
	plan.Control: "the same again: the control",
	plan.Same:    "the same a third time, judged like any arm: what it shows is a false alarm",
	plan.Burn:    "the same again, while the server wastes a known amount of work for each query",
	plan.On:      "a stateful ruleset: every flow is tracked",
	plan.Notrack: "the stateful ruleset, the server's port exempted on the way in and out",
	plan.Raised:  "stateful, and entries of others fill the table but for the measured flows and a little",
	plan.Filled:  "stateful, and entries of others fill the table, so that the kernel drops every query",
}

func (s Summary) controlSection() page.Section {
	section := page.Section{ID: "control", Heading: "Can this run be believed?", Tag: s.Verdict, Answer: s.controlSentence()}
	if len(s.Reasons) > 0 {
		section.Answer = "Not as it is: " + strings.Join(s.Reasons, "; ") + "."
	}
	t := page.Table{Caption: "The baseline against itself", Head: []string{"control / off", "ratio", s.confidence() + " interval", "pairs", "judgement"}}
	for _, c := range s.Controls {
		verdict := "good"
		if c.Problem != "" {
			verdict = c.Problem
		}
		t.Rows = append(t.Rows, []string{metricTitle(c.Metric), fmt.Sprintf("%.3f", c.Ratio), fmt.Sprintf("%.3f to %.3f", c.Lo, c.Hi), fmt.Sprint(c.N), verdict})
	}
	section.Body = []page.Block{
		page.Text(fmt.Sprintf("The baseline is measured twice in every block, as `off` and as `control`. Whatever lies between the two is noise, "+
			"and no difference smaller than that is claimed. An interval that misses 1 "+
			"forbids verdicts; of sound runs about one in twenty is rejected this way by chance, and has to be made again. Beside one that reaches "+
			"beyond ±%.0f %% (latency: ±%.0f %%) nothing is called “no difference”.",
			100*s.Rules.Control, 100*s.Rules.ControlLatency)),
		t,
	}
	return section
}

func (s Summary) machineSection() page.Section {
	t := page.Table{Caption: "Machine, kernel and programs", Head: []string{"what", "value"}, Words: true}
	for _, f := range facts(s.Machine, s.Versions) {
		t.Rows = append(t.Rows, f[:])
	}
	return page.Section{ID: "machine", Heading: "On what machine?", Body: []page.Block{t}}
}

func (s Summary) methodSection() page.Section {
	arms := page.List{}
	for _, arm := range s.Plan.Arms {
		arms = append(arms, fmt.Sprintf("`%s`: %s", arm, armMeaning[arm]))
	}
	return page.Section{ID: "method", Heading: "How was it measured?", Body: []page.Block{
		page.Text("Server and generator run in two network namespaces joined by a veth pair, each with the receive work of its " +
			"interface on a core of its own (threaded NAPI). CPU time is what the scheduler charged to the server's threads and " +
			"to that receive thread, divided by the answers that arrived in the same interval. Only the ruleset differs:"),
		arms,
		page.Text(fmt.Sprintf("%s, each holding every combination once in random order (seed %d)%s. %s "+
			"Arms are compared within a block; shown are the median difference or ratio and its %s bootstrap interval "+
			"(expanded percentile, computed exactly), and the two-sided p of a Mann-Whitney U test, which ignores the "+
			"pairing and decides nothing. In each trial a packet to a port that no rule exempts proved whether the kernel tracked.%s",
			Plural(s.Plan.Blocks, "block"), s.Plan.Seed, rare(s.Plan), timing(s.Plan), s.confidence(), met(s.Plan))),
		page.Text(fmt.Sprintf("Rules fixed beforehand: a trial that lost more than %g %% of its CPU time to the host, that a CPU quota or heat held back, "+
			"or during which the server's clock frequency changed by more than %g %%, is left out, where the machine tells of these "+
			"(the notes say of which it does not); with more than "+
			"%.0f %% of the trials left out, or a bad control, the run says nothing. “Slower” and “faster” need an interval that "+
			"misses 1 and an effect larger than any that the control's interval allows (the control of all flow patterns together or "+
			"of the same one, whichever is wider); “no difference” needs its interval and the control's within ±%.0f %% (latency: ±%.0f %%); "+
			"all else is “inconclusive”. The comparison that decides was chosen beforehand too, and is the first sentence of this page; "+
			"among all the others, some miss 1 by chance.",
			100*s.Rules.Steal, 100*s.Rules.Frequency, 100*s.Rules.Excluded, 100*s.Rules.Control, 100*s.Rules.ControlLatency)),
	}}
}

// rare says which combinations are in some blocks only.
func rare(p plan.Spec) string {
	if p.Rare <= 0 || p.Rare >= p.Blocks || !slices.ContainsFunc(p.Arms, plan.Arm.Fills) && !slices.Contains(p.Patterns, plan.Fresh) {
		return ""
	}
	return fmt.Sprintf("; those of new flows and of tables filled before are in %d of them", p.Rare)
}

// met says that flows that are to be known are known, where there are such.
func met(p plan.Spec) string {
	if !slices.ContainsFunc(p.Patterns, func(flows plan.Pattern) bool { return flows != plan.Fresh }) {
		return ""
	}
	return " Before each trial of patterns `few` and `many` every flow asks once, or as many as can within two seconds, so that tracked flows have their entries (not with a full table)."
}

func timing(p plan.Spec) string {
	var parts []string
	if p.Fixed.Measure > 0 {
		parts = append(parts, fmt.Sprintf("fixed rate: %s after %s of warm-up", seconds(p.Fixed.Measure), seconds(p.Fixed.Warmup)))
	}
	if p.Max.Measure > 0 {
		parts = append(parts, fmt.Sprintf("flat out: %s after %s", seconds(p.Max.Measure), seconds(p.Max.Warmup)))
	}
	return sentenceCase(strings.Join(parts, "; ")) + "."
}

func seconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }

// count is empty for what the machine did not tell.
func count(n uint64) string {
	if n == 0 {
		return ""
	}
	return Group(float64(n))
}

func size(bytes uint64) string {
	switch {
	case bytes == 0:
		return ""
	case bytes < 1<<20:
		return Group(float64(bytes)) + " B"
	}
	return Group(float64(bytes)/(1<<20)) + " MiB"
}

func (s Summary) leftOutSection() page.Section {
	t := s.Trials
	answer := fmt.Sprintf("All of the %s planned count.", Plural(t.Planned, "trial"))
	if t.Made-t.Lost < t.Planned {
		answer = fmt.Sprintf("%s of the %s planned count.", Group(float64(t.Made-t.Lost)), Plural(t.Planned, "trial"))
	}
	if t.Excluded > 0 {
		answer = strings.TrimSuffix(answer, ".") + fmt.Sprintf("; %s left out, mostly because %s.", Plural(t.Excluded, "trial"), t.mostly())
	}
	notes := append(page.List{}, s.Notes...)
	notes = append(notes,
		"one machine, one kernel, one ruleset: another machine has other figures, which is why this is a program and not a table",
		"a veth pair is not a network card: drivers and interrupts are not in these figures, so the share of what a query costs, "+
			"though hardly the nanoseconds, will be smaller behind real hardware")
	if len(s.Curves) == 0 && !slices.Contains(s.Plan.Arms, plan.Filled) {
		notes = append(notes, "the table of connections had room; a full one is another experiment (arm full)")
	}
	return page.Section{ID: "left-out", Heading: "What was left out, and what qualifies the figures?", Answer: answer, Body: []page.Block{notes}}
}

func (s Summary) repeatSection() page.Section {
	return page.Section{ID: "repeat", Heading: "How to repeat it?", Body: []page.Block{
		page.Text(fmt.Sprintf("Measured %s with:", s.Started.UTC().Format("2006-01-02 15:04 UTC"))),
		page.Code(strings.Join(s.Command, " ")),
		page.Text(fmt.Sprintf("`--seed %d` gives the same order of trials. `trials.jsonl` holds every trial as it was measured; `bench report DIR` "+
			"makes this page from it again, without root, `bench report DIR OTHER` sets another run beside it, and "+
			"`benchstat -col /arm bench.txt` reads the same trials.", s.Plan.Seed)),
	}}
}
