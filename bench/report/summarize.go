package report

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// data is the trials that count, by cell and block.
type data struct {
	run   record.Run
	spec  plan.Spec
	rules stat.Rules
	boot  stat.Bootstrap
	cells map[plan.Cell]map[int]record.Trial

	control map[string]stat.Estimate // control/off by metric, over all flow patterns
}

// Summarize works out everything the report says. It fails only on records that hold nothing to
// report or contradict themselves; whatever else is wrong with a run becomes a verdict and a note.
func Summarize(run record.Run) (Summary, error) {
	d, trials, err := sift(run)
	if err != nil {
		return Summary{}, err
	}
	h := run.Header
	s := Summary{
		Machine: h.Machine, Rules: d.rules, Plan: h.Plan, Started: h.Started,
		Command: h.Command, Versions: h.Versions, Trials: trials, Curves: append([]record.Curve{}, run.Curves...),
		Payload: h.Payload, Unprivileged: h.Unprivileged,
	}
	s.Arms = d.arms()
	s.Controls = d.controls()
	s.Reasons = d.untrusted(&s)
	s.Comparisons = d.comparisons(s)
	s.Notes = d.notes(s)
	s.Answers = s.answers()
	s.Reasons = append(s.Reasons, s.openQuestion()...)
	s.Verdict = Conclusive
	if len(s.Reasons) > 0 {
		s.Verdict = Inconclusive
	}
	return s, nil
}

// sift sorts the trials that count into cells, and counts the others by reason.
func sift(run record.Run) (*data, Trials, error) {
	spec, rules := run.Header.Plan, stat.DefaultRules()
	count := Trials{Planned: spec.Trials() + spec.SearchTrials(), Recorded: len(run.Trials), Why: map[string]int{}}
	if len(run.Trials) == 0 {
		return nil, count, errors.New("summarize run: no trial was recorded: run it again")
	}
	if err := spec.Validate(); err != nil {
		return nil, count, fmt.Errorf("summarize run: its header: %w", err)
	}
	d := &data{
		run: run, spec: spec, rules: rules, boot: rules.Bootstrap(),
		cells: map[plan.Cell]map[int]record.Trial{}, control: map[string]stat.Estimate{},
	}
	slots := map[plan.Slot]bool{} // whether one of a slot's trials counts
	for _, t := range run.Trials {
		slot := plan.Slot{Block: t.Block, Cell: t.Cell}
		if _, seen := slots[slot]; !seen {
			slots[slot] = false
		}
		if why := exclude(t, rules); why != "" {
			count.Excluded++
			count.Why[why]++
			continue
		}
		if d.cells[t.Cell] == nil {
			d.cells[t.Cell] = map[int]record.Trial{}
		}
		if !spec.Has(t.Cell) && !spec.Searched(t.Cell) {
			return nil, count, fmt.Errorf("summarize run: block %d holds %s, which its plan does not", t.Block, t.Cell)
		}
		if _, twice := d.cells[t.Cell][t.Block]; twice {
			return nil, count, fmt.Errorf("summarize run: block %d holds %s twice", t.Block, t.Cell)
		}
		d.cells[t.Cell][t.Block] = t
		slots[slot] = true
	}
	count.Made = len(slots)
	for _, counts := range slots {
		if !counts {
			count.Lost++
		}
	}
	return d, count, nil
}

// untrusted says why nothing this run measured may be believed. It also picks the control that
// decides, that of CPU time, or of answers per second in a run that measured nothing else.
func (d *data) untrusted(s *Summary) []string {
	reasons := []string{}
	for _, m := range d.metrics() {
		if m.name == cpuMetric || m.name == answersMetric {
			s.Control = s.Controls[slices.IndexFunc(s.Controls, func(c Control) bool { return c.Metric == m.name })]
			break
		}
	}
	if begun := s.Trials.Made; d.rules.TooMany(s.Trials.Lost, begun) {
		reasons = append(reasons, fmt.Sprintf("%d of %d trials had to be left out, more than %.0f %%, most of them because %s",
			s.Trials.Lost, begun, 100*d.rules.Excluded, s.Trials.mostly()))
	}
	if s.Control.Problem != "" {
		reasons = append(reasons, s.Control.Problem)
	}
	return reasons
}

// openQuestion says that the run's main comparison stayed open although the run is sound.
func (s Summary) openQuestion() []string {
	c, ok := s.headline()
	if !ok || c.Verdict != stat.Inconclusive || len(s.Reasons) > 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s against %s: %s", c.Arm, c.Base, c.Reason)}
}

// headline is the comparison chosen before the run: CPU time (else answers per second) of the first arm
// after the baseline and its control, with the main flow pattern.
func (s Summary) headline() (Comparison, bool) {
	for _, arm := range s.Plan.Arms {
		if arm == plan.Off || arm == plan.Control {
			continue
		}
		return s.compare(arm, plan.Off, s.mainFlows(), s.Control.Metric)
	}
	return Comparison{}, false
}

// allMeasures are the measures of both phases.
func allMeasures(spec plan.Spec) []plan.Measure {
	return append(spec.Measures(), spec.SearchMeasures()...)
}

// metrics are those that the plan has a measure for.
func (d *data) metrics() []metric {
	measured := allMeasures(d.spec)
	return slices.DeleteFunc(slices.Clone(metrics), func(m metric) bool { return !slices.Contains(measured, m.measure) })
}

// values gives what of finds in a cell's trials, in the order of blocks, leaving out zeroes.
func (d *data) values(cell plan.Cell, of func(record.Trial) float64) []float64 {
	var vs []float64
	for _, block := range slices.Sorted(maps.Keys(d.cells[cell])) {
		if v := of(d.cells[cell][block]); v > 0 {
			vs = append(vs, v)
		}
	}
	return vs
}

func (d *data) estimate(cell plan.Cell, of func(record.Trial) float64) *stat.Estimate {
	e := d.boot.Median(d.values(cell, of))
	if e.N == 0 {
		return nil
	}
	return &stat.Estimate{Median: tidy(e.Median), Lo: tidy(e.Lo), Hi: tidy(e.Hi), N: e.N}
}

// pairs puts the trials of two arms together block by block. Blocks that lack either are left out.
func (d *data) pairs(m metric, flows plan.Pattern, arm, base plan.Arm) []stat.Pair {
	ours := d.cells[plan.Cell{Arm: arm, Flows: flows, Measure: m.measure}]
	theirs := d.cells[plan.Cell{Arm: base, Flows: flows, Measure: m.measure}]
	var ps []stat.Pair
	for _, block := range slices.Sorted(maps.Keys(ours)) {
		other, ok := theirs[block]
		if a, b := m.of(ours[block]), m.of(other); ok && a > 0 && b > 0 {
			ps = append(ps, stat.Pair{Base: b, Arm: a})
		}
	}
	return ps
}

func (d *data) arms() []Arm {
	var out []Arm
	for _, flows := range d.spec.Patterns {
		for _, arm := range d.spec.Arms {
			if d.has(arm, flows) {
				out = append(out, d.arm(arm, flows))
			}
		}
	}
	return out
}

// has says whether the plan measures the arm with the pattern in any way.
func (d *data) has(arm plan.Arm, flows plan.Pattern) bool {
	return slices.ContainsFunc(d.spec.Measures(), func(m plan.Measure) bool {
		return d.spec.Has(plan.Cell{Arm: arm, Flows: flows, Measure: m})
	})
}

func (d *data) arm(arm plan.Arm, flows plan.Pattern) Arm {
	fixed := plan.Cell{Arm: arm, Flows: flows, Measure: plan.Fixed}
	full := plan.Cell{Arm: arm, Flows: flows, Measure: plan.Max}
	a := Arm{Arm: arm, Flows: flows, FlowCount: d.spec.FlowsOf(flows), Trials: len(d.cells[fixed]) + len(d.cells[full])}
	a.CPU, a.Server, a.NAPI = d.estimate(fixed, cpuPerQuery), d.estimate(fixed, serverPerQuery), d.estimate(fixed, napiPerQuery)
	a.OfferedCPU = d.estimate(fixed, cpuPerOffered)
	a.SendQPS = d.estimate(fixed, func(t record.Trial) float64 { return t.Load.SendQPS })
	a.Latency = d.latency(fixed)
	a.LossRatio, a.LossExplained = d.loss(fixed), d.lossExplained(fixed)
	a.AnswersPerS = d.estimate(full, answersPerS)
	a.ServerBusy = d.estimate(full, serverBusy)
	a.Limited = a.AnswersPerS != nil && (a.ServerBusy == nil || a.ServerBusy.Median < d.rules.Saturated || d.generatorLimited(full))
	a.Conntrack = d.conntrack(fixed, full)
	d.searched(&a)
	a.Counters = d.counters(fixed)
	return a
}

func (d *data) latency(cell plan.Cell) Latency {
	of := func(of func(record.Latency) float64) *stat.Estimate {
		return d.estimate(cell, func(t record.Trial) float64 { return of(t.Load.Latency) })
	}
	p999, p9999 := d.tails(cell)
	return Latency{
		P50:   of(func(l record.Latency) float64 { return l.P50 }),
		P90:   of(func(l record.Latency) float64 { return l.P90 }),
		P99:   of(func(l record.Latency) float64 { return l.P99 }),
		P999:  p999,
		P9999: p9999,
		Max:   of(func(l record.Latency) float64 { return l.Max }),
		Mean:  of(func(l record.Latency) float64 { return l.Mean }),
	}
}

// loss is taken over all queries: a median over trials would hide the one trial that lost half of them.
func (d *data) loss(cell plan.Cell) *float64 {
	var lost, sent float64
	for _, t := range d.cells[cell] {
		lost += float64(t.Load.Lost)
		sent += float64(t.Load.Sent)
	}
	if sent == 0 {
		return nil
	}
	ratio := tidy(lost / sent)
	return &ratio
}

// lossExplained is the part of the lost queries that the kernel says it has dropped for want of an entry, nil if none was
// lost or dropped. Packets of the server's own are not counted where they are known.
func (d *data) lossExplained(cell plan.Cell) *float64 {
	var lost, dropped float64
	for _, t := range d.cells[cell] {
		lost += float64(t.Load.Lost)
		dropped += float64(t.Conntrack.Drop)
		if own := t.Conntrack.OwnDrop; own != nil {
			dropped -= min(float64(*own), float64(t.Conntrack.Drop))
		}
	}
	if lost == 0 || dropped == 0 {
		return nil
	}
	ratio := tidy(dropped / lost)
	return &ratio
}

func (d *data) conntrack(cells ...plan.Cell) record.Conntrack {
	var sum record.Conntrack
	var entries []float64
	for _, cell := range cells {
		for _, t := range d.cells[cell] {
			entries = append(entries, float64(t.Conntrack.Entries))
			sum.Drop += t.Conntrack.Drop
			sum.EarlyDrop += t.Conntrack.EarlyDrop
			sum.InsertFailed += t.Conntrack.InsertFailed
		}
	}
	if len(entries) > 0 {
		sum.Entries = uint64(stat.Median(entries))
	}
	return sum
}

// generatorLimited reports whether the generator says of most of a cell's trials that it set the pace.
func (d *data) generatorLimited(cell plan.Cell) bool {
	return d.mostly(cell, func(t record.Trial) bool { return t.Load.GeneratorLimited })
}

// mostly reports whether something is so of most of a cell's trials.
func (d *data) mostly(cell plan.Cell, is func(record.Trial) bool) bool {
	so := 0
	for _, t := range d.cells[cell] {
		if is(t) {
			so++
		}
	}
	return 2*so > len(d.cells[cell])
}

// tidy rounds to six significant digits, which is more than any of this means, and the same on every
// architecture.
func tidy(x float64) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64)
	return rounded
}
