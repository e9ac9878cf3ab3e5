package slices

import (
	"fmt"
	"io"
	"text/tabwriter"

	"supernode/bench/stat"
)

// Findings are what a self-test found out about a comparison and its judge.
type Findings struct {
	Seed        uint64       `json:"seed"`
	Load        Load         `json:"load"`
	Size        Size         `json:"size"`
	Job         Size         `json:"job_size,omitzero"` // what bench regress would give a decision
	Calibration Calibration  `json:"calibration"`
	Rates       []Rate       `json:"rates"`
	Repetitions []Repetition `json:"repetitions"`
	Warnings    []string     `json:"warnings,omitempty"`
}

// Any is the metric of a Rate that stands for all metrics of servers: it is called slower when any is. The job decides on
// more than these, on benchmarks and generators, of which a self-test says nothing.
const Any = "any of the servers' metrics"

// Rate is how often an arm was answered how, in a metric.
type Rate struct {
	Arm       string     `json:"arm"`
	Slowdown  float64    `json:"slowdown"`           // of a query at the fixed rate, that was meant to be
	Injected  float64    `json:"injected,omitempty"` // the same waste as a share of what a query costs in this metric
	Metric    string     `json:"metric"`
	Slower    stat.Share `json:"slower"` // of no slow-down, these are false alarms
	Undecided stat.Share `json:"undecided"`
	Not       stat.Share `json:"not_compared"`
	Alarms    stat.Share `json:"first_alarms"` // slower at first, before the confirmation
	Again     stat.Share `json:"measured_again"`
	// Found is the slow-down by all pairs of the self-test together: what was really injected, as far as it can be known.
	Found stat.Estimate `json:"found_ratio,omitzero"`
	// Luck is the spread between rounds: pairs of a round share its processes, and are no more independent than these allow.
	Luck float64 `json:"between_rounds,omitempty"`
}

// confidence is that of all intervals here.
var confidence = stat.DefaultRules().Confidence

// sum makes the rates.
func (f *Findings) sum(slowdowns []float64) {
	var all []Slice
	for _, r := range f.Repetitions {
		all = append(all, r.slices...)
	}
	for _, share := range slowdowns {
		arm := armName(share)
		series := ServerSeries(all, arm)
		for i, m := range serverMetrics {
			rate := f.rate(arm, m.Name)
			rate.Slowdown, rate.Found = share, stat.Bootstrap{Confidence: confidence}.Ratio(series[i].Pairs)
			rate.Injected, rate.Luck = f.Calibration.Injected(m, share), series[i].Luck
			f.Rates = append(f.Rates, rate)
		}
		rate := f.rate(arm, Any)
		rate.Slowdown = share
		f.Rates = append(f.Rates, rate)
	}
}

// rate counts an arm's answers in a metric, or in Any.
func (f *Findings) rate(arm, metric string) Rate {
	var slower, undecided, not, alarms, again int
	for _, r := range f.Repetitions {
		answer, first, confirmed := r.of(arm, metric)
		slower += count(answer == Slower)
		undecided += count(answer == Undecided)
		not += count(answer == NotCompared)
		alarms += count(first == Slower)
		again += count(confirmed)
	}
	share := func(hits int) stat.Share { return stat.Proportion(hits, len(f.Repetitions), confidence) }
	return Rate{Arm: arm, Metric: metric, Slower: share(slower), Undecided: share(undecided), Not: share(not), Alarms: share(alarms), Again: share(again)}
}

// of is the worst answer on an arm among those in a metric, or in any.
func (r Repetition) of(arm, metric string) (answer, first Answer, again bool) {
	answer, first = NotCompared, NotCompared
	for _, d := range r.Decisions {
		if d.Arm == arm && (metric == Any || d.Metric == metric) {
			answer, first, again = worse(answer, d.Answer), worse(first, d.First), again || d.Confirmed
		}
	}
	return answer, first, again
}

func worse(a, b Answer) Answer {
	for _, answer := range []Answer{Slower, Undecided, NotSlower} {
		if a == answer || b == answer {
			return answer
		}
	}
	return NotCompared
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// seconds is how long a repetition took, as a median.
func (f Findings) seconds() float64 {
	var took []float64
	for _, r := range f.Repetitions {
		took = append(took, r.Seconds)
	}
	return stat.Median(took)
}

// Table prints the rates for a person.
func (f Findings) Table(w io.Writer) error {
	fmt.Fprintf(w, "%d repetitions of %.0f s, seed %d; %s.\n%s.\n\n", len(f.Repetitions), f.seconds(), f.Seed, f.Calibration, f.sizes())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "slow-down\tmetric\tinjected\tcalled slower\t[interval]\tundecided\tnot compared\tat first\tmeasured again\tfound [interval]\tbetween rounds\t")
	for _, r := range f.Rates {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.Arm, r.Metric, r.injected(), share(r.Slower), between(r.Slower), share(r.Undecided),
			share(r.Not), share(r.Alarms), share(r.Again), change(r.Found), r.luck())
	}
	return t.Flush()
}

// Markdown prints the same as a page.
func (f Findings) Markdown(w io.Writer) error {
	fmt.Fprintf(w, `# Does the comparison find what is there?

The same server, %d times compared with itself, as it is and made slower by known shares of the CPU time that a query takes. %s.
Seed %d; slices of %v after %v of warm-up, %d queries/s offered at the fixed rate. %s.
A self-test judges the servers' metrics only; the job decides on benchmarks and generators too.

An arm is *called slower* as the job would call it a regression, after measuring it a second time where the first answer was
not clear. Of no slow-down at all, these calls are false alarms. Intervals of shares are exact (Clopper and Pearson, 95 %%).
*Injected* is the same waste as a share of what a query costs in the metric: flat out a query costs less, and it is more. The
rate to quote is that of %s, whose share is the arm's. *Found* is the slow-down by all pairs of all repetitions together. Pairs
of one round share its processes: how far the medians of rounds spread is *between rounds*. *Not compared* is a metric that the
generator limits.

| slow-down | metric | injected | called slower | undecided | not compared | slower at first | measured again | found | between rounds |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|
`, len(f.Repetitions), sentence(f.Calibration.String()), f.Seed, f.Load.Length, f.Load.Warmup, f.Load.Rate,
		sentence(f.sizes()), serverMetrics[0].Name)
	for _, r := range f.Rates {
		fmt.Fprintf(w, "| %s | %s | %s | %s %s | %s | %s | %s | %s | %s | %s |\n", r.Arm, r.Metric, r.injected(), share(r.Slower), between(r.Slower),
			share(r.Undecided), share(r.Not), share(r.Alarms), share(r.Again), change(r.Found), r.luck())
	}
	_, err := fmt.Fprintf(w, "\nA repetition took %.0f s (median), for all arms together.\n", f.seconds())
	for _, warning := range f.Warnings {
		_, err = fmt.Fprintf(w, "\nNote: %s.\n", warning)
	}
	return err
}

// sizes says what a decision rests on, and what it would in the job.
func (f Findings) sizes() string {
	text := fmt.Sprintf("a decision rests on %s", f.Size)
	if f.Job.Blocks > 0 && f.Job != f.Size {
		text += fmt.Sprintf(" (bench regress with its default budget: %s, and so finds more and is misled less)", f.Job)
	}
	return text + ", before it is measured again"
}

func (r Rate) injected() string {
	if r.Metric == Any {
		return ""
	}
	return fmt.Sprintf("%+.1f %%", 100*r.Injected)
}

func (r Rate) luck() string {
	if r.Metric == Any {
		return ""
	}
	return fmt.Sprintf("%.1f %%", 100*r.Luck)
}

func sentence(text string) string {
	if text == "" {
		return ""
	}
	return string(text[0]-'a'+'A') + text[1:]
}

func share(s stat.Share) string { return fmt.Sprintf("%d/%d", s.Hits, s.Of) }

func between(s stat.Share) string { return fmt.Sprintf("[%.1f, %.1f] %%", 100*s.Lo, 100*s.Hi) }

// change prints a ratio as a difference in per cent.
func change(e stat.Estimate) string {
	if e.N == 0 {
		return ""
	}
	return fmt.Sprintf("%+.1f %% [%+.1f, %+.1f]", 100*(e.Median-1), 100*(e.Lo-1), 100*(e.Hi-1))
}
