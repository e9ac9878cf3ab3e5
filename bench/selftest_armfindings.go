package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"supernode/bench/plan"
	"supernode/bench/report"
	"supernode/bench/slices"
	"supernode/bench/stat"
)

// armRepetition is what one run said.
type armRepetition struct {
	Seconds float64           `json:"seconds"`
	Verdict string            `json:"verdict"` // on the run: conclusive or not
	Reasons []string          `json:"reasons,omitempty"`
	Burn    report.Comparison `json:"burn"`
	Same    report.Comparison `json:"same"`    // the baseline as an arm: what is called a difference is a false alarm
	Anomaly bool              `json:"anomaly"` // the control's interval misses 1, by which the run forbids itself any verdict
	Control float64           `json:"control"` // its ratio to the baseline, 0 if there is none
}

// take picks the comparisons in CPU time out of a summary.
func (r *armRepetition) take(s report.Summary) {
	r.Verdict, r.Reasons = string(s.Verdict), s.Reasons
	r.Burn.Verdict, r.Same.Verdict = stat.Inconclusive, stat.Inconclusive
	c := s.Control
	r.Control, r.Anomaly = c.Ratio, c.N >= stat.DefaultRules().MinPairs && (c.Lo > 1 || c.Hi < 1)
	for _, c := range s.Comparisons {
		switch {
		case c.Metric != s.Control.Metric || c.Base != plan.Off:
		case c.Arm == plan.Burn:
			r.Burn = c
		case c.Arm == plan.Same:
			r.Same = c
		}
	}
}

// armFindings are what the self-test found out about the experiment.
type armFindings struct {
	Seed        uint64             `json:"seed"`
	Share       float64            `json:"slowdown"`
	Rate        int                `json:"rate"`
	Plan        plan.Spec          `json:"plan"`
	Calibration slices.Calibration `json:"calibration"`
	Arms        []armRate          `json:"arms"`
	FalseAlarms stat.Share         `json:"false_alarms"`      // runs that called the arm same slower or faster
	Anomalies   stat.Share         `json:"control_anomalies"` // runs whose control differed from the baseline by its interval
	Sound       stat.Share         `json:"conclusive"`        // runs whose control allowed a verdict and that could give one
	Repetitions []armRepetition    `json:"repetitions"`
	Warnings    []string           `json:"warnings,omitempty"`
}

// armRate is how often an arm was found slower than the baseline, and so on.
type armRate struct {
	Arm          plan.Arm      `json:"arm"`
	Slower       stat.Share    `json:"slower"`
	Faster       stat.Share    `json:"faster"`
	NoDifference stat.Share    `json:"no_difference"`
	Inconclusive stat.Share    `json:"inconclusive"`
	Ratio        stat.Estimate `json:"ratio"` // the median over the repetitions' ratios
}

// sum makes the rates.
func (f *armFindings) sum() {
	rules := stat.DefaultRules()
	share := func(hits int) stat.Share { return stat.Proportion(hits, len(f.Repetitions), rules.Confidence) }
	sound, alarms, anomalies := 0, 0, 0
	for _, r := range f.Repetitions {
		if r.Same.Verdict == stat.Slower || r.Same.Verdict == stat.Faster {
			alarms++
		}
		if r.Anomaly {
			anomalies++
		}
		if r.Verdict == report.Conclusive {
			sound++
		}
	}
	f.Sound, f.FalseAlarms, f.Anomalies = share(sound), share(alarms), share(anomalies)
	for _, arm := range []plan.Arm{plan.Burn, plan.Same} {
		counts := map[stat.Verdict]int{}
		var ratios []float64
		for _, r := range f.Repetitions {
			c := r.Burn
			if arm == plan.Same {
				c = r.Same
			}
			counts[c.Verdict]++
			if c.Ratio > 0 {
				ratios = append(ratios, c.Ratio)
			}
		}
		f.Arms = append(f.Arms, armRate{
			Arm: arm, Slower: share(counts[stat.Slower]), Faster: share(counts[stat.Faster]),
			NoDifference: share(counts[stat.NoDifference]), Inconclusive: share(counts[stat.Inconclusive]),
			Ratio: rules.Bootstrap().Median(ratios),
		})
	}
}

// Table prints the rates for a person.
func (f armFindings) Table(w io.Writer) error {
	fmt.Fprintf(w, "%s; %s; conclusive %s\n\n", count(len(f.Repetitions), "run"), f.Calibration, quote(f.Sound))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "arm\tis\tfound [interval]\tslower\tfaster\tno difference\tinconclusive\t")
	for _, a := range f.Arms {
		fmt.Fprintf(t, "%s\t%+.0f %%\t%s\t%s\t%s\t%s\t%s\t\n", a.Arm, 100*f.slowdown(a.Arm), foundChange(a.Ratio), quote(a.Slower), quote(a.Faster),
			quote(a.NoDifference), quote(a.Inconclusive))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nfalse alarms (same called slower or faster): %s; control differed from the baseline: %s\n", quote(f.FalseAlarms), quote(f.Anomalies))
	return err
}

func (f armFindings) slowdown(arm plan.Arm) float64 {
	if arm == plan.Burn {
		return f.Share
	}
	return 0
}

// Markdown prints the same as a page.
func (f armFindings) Markdown(w io.Writer) error {
	fmt.Fprintf(w, `# Does bench conntrack find what is there?

%s of the experiment, each of %d blocks (seeds from %d on), %d queries/s offered. There is no connection tracking in any arm.
In the arm *burn* the server wastes %.0f %% of the CPU time that a query takes: %s. The arm *same* is the baseline,
judged against it as *burn* is: what it is called but "no difference" and "inconclusive" is a false alarm. The control, which is
the baseline too, is the noise that both are judged by, and so says nothing of false alarms. Records
of each run are beside this page, and bench report makes its report. Intervals of shares are exact (Clopper and Pearson, 95 %%).

| arm | is | found [interval] | slower | faster | no difference | inconclusive |
|---|---:|---:|---:|---:|---:|---:|
`, count(len(f.Repetitions), "run"), f.Plan.Blocks, f.Seed, f.Rate, 100*f.Share, f.Calibration)
	for _, a := range f.Arms {
		fmt.Fprintf(w, "| %s | %+.0f %% | %s | %s | %s | %s | %s |\n", a.Arm, 100*f.slowdown(a.Arm), foundChange(a.Ratio), quote(a.Slower),
			quote(a.Faster), quote(a.NoDifference), quote(a.Inconclusive))
	}
	_, err := fmt.Fprintf(w, `
False alarms (*same* called slower or faster): %s. Conclusive runs: %s.
Runs whose control differed from the baseline by its own interval, and that forbade themselves any verdict for it: %s; by
chance one in twenty.
`, quote(f.FalseAlarms), quote(f.Sound), quote(f.Anomalies))
	for _, warning := range f.Warnings {
		_, err = fmt.Fprintf(w, "\nNote: %s.\n", warning)
	}
	return err
}

// quote is a share with its interval.
func quote(s stat.Share) string {
	return fmt.Sprintf("%d/%d [%.0f, %.0f] %%", s.Hits, s.Of, 100*s.Lo, 100*s.Hi)
}

// foundChange is a ratio as a change in per cent, with its interval.
func foundChange(e stat.Estimate) string {
	text := fmt.Sprintf("%+.1f %%", 100*(e.Median-1))
	if e.Bounded() {
		text += fmt.Sprintf(" [%+.1f, %+.1f]", 100*(e.Lo-1), 100*(e.Hi-1))
	}
	return text
}
