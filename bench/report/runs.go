package report

import (
	"fmt"
	"io"
	"slices"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// Runs is one run beside another: two kernels, two machines, two releases. Its trials were not made in turns, so there are
// no pairs: an interval holds what each run shows by itself, and whatever else differed between the two is in the ratio.
// An effect, such as that of tracking on CPU time, is measured within each run and suffers less from that.
type Runs struct {
	A        RunFacts     `json:"a"`
	B        RunFacts     `json:"b"`
	Facts    []Fact       `json:"facts"`    // machine, programs and plan side by side
	Warnings []string     `json:"warnings"` // what makes the two hard to compare
	Answers  []string     `json:"answers"`  // sentences to quote, the most important first
	Figures  []RunsRow    `json:"figures"`  // what was measured, B against A
	Effects  []RunsEffect `json:"effects"`  // what an arm changes against its base, in B against A
	Rules    stat.Rules   `json:"rules"`
}

// RunFacts says which run it is.
type RunFacts struct {
	Name    string   `json:"name"` // as the user called it
	Verdict string   `json:"verdict"`
	Reasons []string `json:"reasons"`
	Command []string `json:"command"`
}

// Fact is one fact of both runs. It is empty where it is not known.
type Fact struct {
	Name    string `json:"name"`
	A       string `json:"a"`
	B       string `json:"b"`
	Differs bool   `json:"differs"`
}

// RunsRow is one figure in both runs.
type RunsRow struct {
	Arm    plan.Arm      `json:"arm"`
	Flows  plan.Pattern  `json:"flows"`
	Metric string        `json:"metric"`
	A      stat.Estimate `json:"a"`
	B      stat.Estimate `json:"b"`
	judged
}

// RunsEffect is the ratio of an arm to its base in both runs, of pairs within the blocks of each.
type RunsEffect struct {
	Base plan.Arm `json:"base"`
	RunsRow
}

// judged is B/A and what may be said of it.
type judged struct {
	Ratio   float64      `json:"ratio"`
	Lo      float64      `json:"lo"`
	Hi      float64      `json:"hi"`
	Verdict stat.Verdict `json:"verdict"`
	AtLeast bool         `json:"at_least,omitempty"` // the better side was held back by the generator
	Reason  string       `json:"reason,omitempty"`
}

// side is one of the two runs, worked out.
type side struct {
	name      string
	summary   Summary
	data      *data
	untrusted []string // why nothing it measured may be believed: a main comparison that stayed open is not among it
}

// CompareRuns sets run b beside run a; the names are what the user calls them. It fails where a report of either would.
func CompareRuns(aName string, a record.Run, bName string, b record.Run) (Runs, error) {
	var sides [2]side
	for i, given := range []struct {
		name string
		run  record.Run
	}{{aName, a}, {bName, b}} {
		s, err := Summarize(given.run)
		if err != nil {
			return Runs{}, fmt.Errorf("%s: %w", given.name, err)
		}
		d, _, err := sift(given.run)
		if err != nil {
			return Runs{}, fmt.Errorf("%s: %w", given.name, err)
		}
		d.controls()
		copied := s
		sides[i] = side{given.name, s, d, d.untrusted(&copied)}
	}
	r := Runs{A: sides[0].facts(), B: sides[1].facts(), Figures: []RunsRow{}, Effects: []RunsEffect{}, Answers: []string{}, Rules: sides[0].data.rules}
	r.Facts = compareFacts(sides[0], sides[1])
	r.Warnings = warnings(sides[0], sides[1])
	r.compare(sides[0], sides[1])
	r.Answers = append(r.Answers, r.answers()...)
	return r, nil
}

func (s side) facts() RunFacts {
	return RunFacts{Name: s.name, Verdict: s.summary.Verdict, Reasons: append([]string{}, s.summary.Reasons...), Command: s.summary.Command}
}

// compare fills in the figures and effects that both runs have.
func (r *Runs) compare(a, b side) {
	for _, flows := range a.data.spec.Patterns {
		for _, m := range a.data.metrics() {
			for _, arm := range a.data.spec.Arms {
				if !arm.Answers() {
					continue
				}
				cell := plan.Cell{Arm: arm, Flows: flows, Measure: m.measure}
				xs, ys := a.data.values(cell, m.of), b.data.values(cell, m.of)
				if len(xs) == 0 || len(ys) == 0 {
					continue
				}
				row := RunsRow{Arm: arm, Flows: flows, Metric: m.name, A: *a.data.estimate(cell, m.of), B: *b.data.estimate(cell, m.of)}
				row.judged = judgeRuns(a, b, cell, m, xs, ys)
				r.Figures = append(r.Figures, row)
			}
			for _, pair := range effects(a.data.spec.Arms) {
				r.effect(a, b, m, flows, pair[0], pair[1])
			}
		}
	}
}

// effects are the arms whose effect is compared, each with its base.
func effects(arms []plan.Arm) [][2]plan.Arm {
	var out [][2]plan.Arm
	for _, arm := range arms {
		if arm != plan.Off && arm != plan.Control && arm.Answers() {
			out = append(out, [2]plan.Arm{arm, plan.Off})
		}
	}
	return out
}

func (r *Runs) effect(a, b side, m metric, flows plan.Pattern, arm, base plan.Arm) {
	x, y := a.data.pairs(m, flows, arm, base), b.data.pairs(m, flows, arm, base)
	if len(x) == 0 || len(y) == 0 {
		return
	}
	e := RunsEffect{Base: base, RunsRow: RunsRow{Arm: arm, Flows: flows, Metric: m.name, A: tidied(a.data.boot.Ratio(x)), B: tidied(b.data.boot.Ratio(y))}}
	e.judged = judgeRuns(a, b, plan.Cell{Arm: arm, Flows: flows, Measure: m.measure}, m, ratios(x), ratios(y), base)
	r.Effects = append(r.Effects, e)
}

func ratios(pairs []stat.Pair) []float64 {
	out := make([]float64, len(pairs))
	for i, p := range pairs {
		out[i] = p.Arm / p.Base
	}
	return out
}

func tidied(e stat.Estimate) stat.Estimate {
	return stat.Estimate{Median: tidy(e.Median), Lo: tidy(e.Lo), Hi: tidy(e.Hi), N: e.N}
}

// judgeRuns says what may be said of a cell's figure in the two runs, or of its effect against a base. What forbids a
// verdict within a run forbids it here, on either side, and no claim is smaller than what either run's control shows.
func judgeRuns(a, b side, cell plan.Cell, m metric, xs, ys []float64, base ...plan.Arm) judged {
	e := a.data.boot.RatioOfMedians(xs, ys)
	j := judged{Ratio: tidy(e.Median), Lo: tidy(e.Lo), Hi: tidy(e.Hi), Verdict: stat.Inconclusive}
	if j.Reason = forbidden(a, b, cell, m, base); j.Reason != "" {
		return j
	}
	control := stat.Estimate{Lo: 1, Hi: 1}
	for _, s := range []side{a, b} {
		if own := s.data.widerControl(m, cell.Flows); stat.Reach(own) > stat.Reach(control) {
			control = own
		}
	}
	j.Verdict, j.Reason = a.data.rules.Judge(e, control, m.limit(a.data.rules), m.better)
	aHeld, bHeld := a.held(cell, base), b.held(cell, base)
	if len(base) > 0 { // an effect has two arms in each run: which way one that was held back moves it is not known
		aHeld = aHeld || bHeld
		bHeld = aHeld
	}
	j.Verdict, j.Reason, j.AtLeast = generatorBound(j.Verdict, j.Reason, bHeld, aHeld)
	return j
}

// forbidden says why there can be no verdict, from the weightiest objection to the least, or "".
func forbidden(a, b side, cell plan.Cell, m metric, base []plan.Arm) string {
	arms := append([]plan.Arm{cell.Arm}, base...)
	for _, s := range []side{a, b} {
		if len(s.untrusted) > 0 {
			return fmt.Sprintf("%s is inconclusive by itself", s.name)
		}
		if problem := s.data.rules.CheckControl(s.data.control[m.name]); problem != "" {
			return fmt.Sprintf("%s: %s", s.name, problem)
		}
		if m.latency && s.data.paceLost(m.measure, cell.Flows, arms...) {
			return fmt.Sprintf("%s: %s", s.name, paceLostReason)
		}
	}
	if why := apartBy(m.measure, cell.Flows, a.data.run.Header, b.data.run.Header); why != "" {
		return why
	}
	if len(base) > 0 || m.measure.Share() == 0 {
		return ""
	}
	return offeredApart(a, b, cell)
}

// held reports whether the generator held back any of the arms.
func (s side) held(cell plan.Cell, base []plan.Arm) bool {
	return slices.ContainsFunc(append([]plan.Arm{cell.Arm}, base...), func(arm plan.Arm) bool {
		return s.summary.arm(arm, cell.Flows).held(cell.Measure)
	})
}

// WriteJSON writes the comparison for programs.
func (r Runs) WriteJSON(w io.Writer) error { return JSON(w, r) }
