package report

import (
	"fmt"
	"slices"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// searched fills in what the second phase says of an arm.
func (d *data) searched(a *Arm) {
	a.Loads = []LoadLatency{}
	for _, m := range d.spec.SearchMeasures() {
		cell := plan.Cell{Arm: a.Arm, Flows: a.Flows, Measure: m}
		a.Trials += len(d.cells[cell])
		if m == plan.Search {
			a.MaxQPS, a.MaxQPS05 = d.estimate(cell, maxQPS), d.estimate(cell, maxQPS05)
			a.MaxLimited = a.MaxQPS != nil && d.mostly(cell, searchLimited)
			continue
		}
		l := LoadLatency{Share: m.Share(), Latency: d.latency(cell), LossRatio: d.loss(cell), Limited: d.generatorLimited(cell)}
		l.OfferedQPS = d.estimate(cell, func(t record.Trial) float64 { return t.Load.OfferedQPS })
		if l.OfferedQPS != nil {
			a.Loads = append(a.Loads, l)
		}
	}
}

// Losses that a search allows: the rates of the metrics are those at which it found no more.
const (
	strictLoss = 0.001
	looseLoss  = 0.005
)

func maxQPS(t record.Trial) float64   { return highest(t, strictLoss) }
func maxQPS05(t record.Trial) float64 { return highest(t, looseLoss) }

// found is what a trial's search says of a loss.
func found(t record.Trial, loss float64) (f record.Found, ok bool) {
	if t.Search == nil {
		return f, false
	}
	i := slices.IndexFunc(t.Search.Found, func(f record.Found) bool { return f.LossRatio == loss })
	if i < 0 {
		return f, false
	}
	return t.Search.Found[i], true
}

// maxOpen is how far apart the bounds of a search may be that ran out of time, for its rate to count.
const maxOpen = 0.10

// highest is the rate that a search found for a loss, 0 if it found none that counts.
func highest(t record.Trial, loss float64) float64 {
	f, ok := found(t, loss)
	if !ok || f.Unfinished && (f.AtMost <= 0 || f.AtMost > (1+maxOpen)*f.QPS) {
		return 0
	}
	return f.QPS
}

func searchLimited(t record.Trial) bool {
	f, ok := found(t, strictLoss)
	return ok && f.Limited
}

// counters gives the hardware events of a cell's trials per answered query, nil if none were counted.
func (d *data) counters(cell plan.Cell) *Counters {
	of := func(event func(record.Events) uint64) *stat.Estimate {
		return d.estimate(cell, func(t record.Trial) float64 {
			if t.Counters == nil {
				return 0
			}
			return share(float64(event(t.Counters.Server)+event(t.Counters.ServerNAPI)), float64(t.Answered))
		})
	}
	c := Counters{
		Cycles:       of(func(e record.Events) uint64 { return e.Cycles }),
		Instructions: of(func(e record.Events) uint64 { return e.Instructions }),
		CacheMisses:  of(func(e record.Events) uint64 { return e.CacheMisses }),
	}
	if c == (Counters{}) {
		return nil
	}
	return &c
}

// searchNotes says what became of the searches.
func (d *data) searchNotes() []string {
	searches, open, lost := 0, 0, 0
	for cell, blocks := range d.cells {
		for _, t := range blocks {
			if cell.Measure != plan.Search || t.Search == nil {
				continue
			}
			searches++
			if slices.ContainsFunc(t.Search.Found, func(f record.Found) bool { return f.Unfinished }) {
				open++
			}
			if maxQPS(t) == 0 {
				lost++
			}
		}
	}
	var notes []string
	if open > 0 {
		notes = append(notes, fmt.Sprintf("in %d of %s for the highest rate the time was over before its bounds were as close as planned; "+
			"such a rate counts if they were within %.0f %%", open, Plural(searches, "search"), 100*maxOpen))
	}
	if lost > 0 {
		notes = append(notes, fmt.Sprintf("%d of %s found no rate with at most 0.1 %% lost that counts", lost, Plural(searches, "search")))
	}
	return notes
}
