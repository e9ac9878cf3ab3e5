package report

import (
	"fmt"
	"strings"
	"time"

	"supernode/bench/plan"
)

// armMeaning says what each arm is, for the method section.
var armMeaning = map[plan.Arm]string{
	plan.Off:     "rules of the same number without connection tracking: the baseline",
	plan.Control: "the same again: the control",
	plan.Burn:    "the same again, while the server wastes a known amount of work for each query",
	plan.On:      "a stateful ruleset: every flow is tracked",
	plan.Notrack: "the stateful ruleset, the server's port exempted on the way in and out",
}

func (d *document) method(s Summary) {
	d.Line("## Method")
	d.Line("")
	d.Line("Server and generator run in two network namespaces joined by a veth pair, each with the receive work of its")
	d.Line("interface on a core of its own (threaded NAPI). CPU time is what the scheduler charged to the server's threads and")
	d.Line("to that receive thread, divided by the answers that arrived in the same interval. Only the ruleset differs:")
	d.Line("")
	for _, arm := range s.Plan.Arms {
		d.Linef("- `%s`: %s", arm, armMeaning[arm])
	}
	d.Line("")
	d.Linef("%s, each holding every combination once in random order (seed %d). %s",
		Plural(s.Plan.Blocks, "block"), s.Plan.Seed, timing(s.Plan))
	d.Linef("Arms are compared within a block; shown are the median difference or ratio and its %s bootstrap interval", s.confidence())
	d.Line("(expanded percentile, computed exactly), and the two-sided p of a Mann-Whitney U test, which ignores the")
	d.Line("pairing and decides nothing. In each trial a packet to a port that no rule exempts proved whether the kernel tracked.")
	d.Line("")
	d.Linef("Rules fixed beforehand: a trial that lost more than %g %% of its CPU time to the host is left out; with more than", 100*s.Rules.Steal)
	d.Linef("%.0f %% of the trials left out, or a bad control, the run says nothing. *Slower* and *faster* need an interval that", 100*s.Rules.Excluded)
	d.Line("misses 1 and an effect larger than any that the control's interval allows (the control of all flow patterns together or")
	d.Linef("of the same one, whichever is wider); *no difference* needs an interval within ±%.0f %% (latency: ±%.0f %%);", 100*s.Rules.Control, 100*s.Rules.ControlLatency)
	d.Line("all else is *inconclusive*. The comparison that decides was chosen beforehand too, and is the first sentence above;")
	d.Line("among all the others, some miss 1 by chance.")
	d.Line("")
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

func (d *document) notes(s Summary) {
	d.Line("## Notes")
	d.Line("")
	for _, n := range s.Notes {
		d.Linef("- %s", n)
	}
	d.Line("- one machine, one kernel, one ruleset: another machine has other figures, which is why this is a program and not a table")
	d.Line("- a veth pair is not a network card: drivers and interrupts are not in these figures, so the share of what a query")
	d.Line("  costs, though hardly the nanoseconds, will be smaller behind real hardware")
	d.Line("- the table of connections had room; a full one is another experiment")
	d.Line("")
}

func (d *document) repeat(s Summary) {
	d.Line("## Repeat it")
	d.Line("")
	d.Linef("Measured %s with:", s.Started.UTC().Format("2006-01-02 15:04 UTC"))
	d.Line("")
	d.Linef("    %s", strings.Join(s.Command, " "))
	d.Line("")
	d.Linef("`--seed %d` gives the same order of trials. `trials.jsonl` holds every trial as it was measured; `bench report DIR`", s.Plan.Seed)
	d.Line("makes this page from it again, without root, and `benchstat -col /arm bench.txt` reads the same trials.")
}
