package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

const (
	// lossWorthNoting is the share of queries that may be lost at the fixed rate before the figures per
	// answered query need a word with them.
	lossWorthNoting = 0.001
	// strayWorthNoting is how much of the server's core may go to something that is neither the server
	// nor its receive work. /proc/stat counts in ticks, so a little is always found.
	strayWorthNoting = 0.10
)

// notes are what qualifies the figures without overturning them.
func (d *data) notes(s Summary) []string {
	notes := []string{}
	notes = append(notes, d.run.Header.Notes...)
	notes = append(notes, d.serverNotes(s)...)
	notes = append(notes, d.run.Warnings...)
	if s.Trials.Made < s.Trials.Planned {
		notes = append(notes, fmt.Sprintf("the run was stopped after %d of %d trials", s.Trials.Made, s.Trials.Planned))
	}
	for _, why := range slices.Sorted(maps.Keys(s.Trials.Why)) {
		notes = append(notes, fmt.Sprintf("%s left out: %s", Plural(s.Trials.Why[why], "trial"), why))
	}
	if !s.Machine.NAPIPinned && !s.Unprivileged && d.run.Header.Client == nil { // else a note of the header says so
		notes = append(notes, "the receive threads could not be pinned to their cores (needs root): their work is counted wherever it ran")
	}
	notes = append(notes, d.controlNotes()...)
	notes = append(notes, d.armNotes(s)...)
	notes = append(notes, d.searchNotes()...)
	notes = append(notes, d.strayNote()...)
	return append(notes, d.trialWarnings()...)
}

// controlNotes points out flow patterns whose own control misses 1 though the pooled one may not.
func (d *data) controlNotes() []string {
	var notes []string
	m := d.metrics()
	if len(m) == 0 {
		return nil
	}
	for _, flows := range d.spec.Patterns {
		e := d.boot.Ratio(d.pairs(m[0], flows, plan.Control, plan.Off))
		if e.N >= d.rules.MinPairs && !e.Contains(1) {
			notes = append(notes, fmt.Sprintf("with %s flows alone the control differs from the baseline in %s: ratio %.3f, interval %.3f to %.3f",
				flows, m[0].name, e.Median, e.Lo, e.Hi))
		}
	}
	return notes
}

// armNotes says once what several arms have in common, naming them.
func (d *data) armNotes(s Summary) []string {
	var texts []string
	arms := map[string][]string{}
	for _, a := range s.Arms {
		for _, text := range d.armNote(a) {
			if arms[text] == nil {
				texts = append(texts, text)
			}
			arms[text] = append(arms[text], fmt.Sprintf("%s/%s", a.Arm, a.Flows))
		}
	}
	for i, text := range texts {
		who := strings.Join(arms[text], ", ")
		if len(arms[text]) == len(s.Arms) {
			who = "every arm"
		}
		texts[i] = who + ": " + text
	}
	return texts
}

func (d *data) armNote(a Arm) []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	fixed := plan.Cell{Arm: a.Arm, Flows: a.Flows, Measure: plan.Fixed}
	if d.generatorLimited(fixed) {
		add("the generator could not hold the rate of %s queries/s in most trials", Group(float64(d.spec.RateOf(a.Flows))))
	}
	if !a.Arm.Answers() && a.OfferedCPU != nil && a.LossExplained != nil {
		add("the full table dropped the queries of unknown flows, which explains %s of those that were lost; each cost the server's side %s ns of CPU time",
			part(min(1, *a.LossExplained)), Group(a.OfferedCPU.Median))
	} else if a.LossRatio != nil && *a.LossRatio > lossWorthNoting {
		add("%s of the queries were lost at the fixed rate, so CPU time per answered query includes work for queries that got no answer", part(*a.LossRatio))
	}
	if a.Limited {
		add("answers/s is a lower bound: flat out the generator, not the server, was the limit")
	}
	if a.Conntrack.Drop+a.Conntrack.EarlyDrop+a.Conntrack.InsertFailed > 0 {
		add("the conntrack table dropped %s packets, evicted %s entries early and failed %s insertions",
			Group(float64(a.Conntrack.Drop)), Group(float64(a.Conntrack.EarlyDrop)), Group(float64(a.Conntrack.InsertFailed)))
	}
	var errors uint64
	for _, t := range d.cells[fixed] {
		errors += t.ReceiveErrors
	}
	if errors > 0 {
		add("the server's socket buffer overflowed at the fixed rate and lost %s datagrams", Group(float64(errors)))
	}
	return notes
}

// strayNote compares what /proc/stat says of the server's core with what the two threads account for.
func (d *data) strayNote() []string {
	var strays []float64
	for _, block := range d.cells {
		for _, t := range block {
			i := slices.IndexFunc(t.CPU, func(c record.CPU) bool { return c.ID == d.run.Header.Machine.ServerCPU })
			if i >= 0 && t.CPU[i].Total() > 0 {
				strays = append(strays, share(float64(t.CPU[i].Busy()-t.Server-t.ServerNAPI), float64(t.Duration)))
			}
		}
	}
	if len(strays) == 0 || stat.Median(strays) <= strayWorthNoting {
		return nil
	}
	return []string{fmt.Sprintf("something besides the server and its receive work kept the server's core busy for %.0f %% of the time: "+
		"it is not in CPU time per query, but it competes for the cache", 100*stat.Median(strays))}
}

// trialWarnings gathers equal warnings of the trials into one line each.
func (d *data) trialWarnings() []string {
	count := map[string]int{}
	for _, t := range d.run.Trials {
		for _, w := range t.Warnings {
			count[w]++
		}
	}
	var notes []string
	for _, w := range slices.Sorted(maps.Keys(count)) {
		notes = append(notes, fmt.Sprintf("said of %s: %s", Plural(count[w], "trial"), w))
	}
	return notes
}
