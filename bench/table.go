package main

import (
	"context"
	"fmt"
	"slices"

	"supernode/bench/lab"
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/bench/trial"
	"supernode/internal/conntrack"
)

// freshMix is what new flows ask: what all ask, without announce_peer, which goes to a flow that has asked before.
const freshMix = "ping=10,find_node=30,get_peers=50"

// fullLimit is the largest table that is filled without asking.
const fullLimit = 2_000_000

// fills says whether the table is to be filled to its limit, or nearly, in any trial or curve.
func (r *experiment) fills() bool {
	return r.curves > 0 || slices.ContainsFunc(r.plan.Arms, plan.Arm.Fills)
}

// consent refuses to fill a table that is larger than the user allows. A limit of 0 is one that nobody knows yet.
func (r *experiment) consent(limit uint64) error {
	if !r.fills() || limit <= r.fullLimit {
		return nil
	}
	entry := entryBytes()
	if entry == 0 {
		entry = 256 // Linux 6.18, amd64
	}
	entry += 128 // extensions, which entries have that are made over netlink
	return usagef("the table of this host takes %s entries, and filling it takes about %s MiB of the kernel's memory: "+
		"allow it with --full-limit %d, or leave out raised and full (--arms) and the curve (--curves 0)",
		report.Group(float64(limit)), report.Group(float64(limit*entry)/(1<<20)), limit)
}

// consentEarly asks before anything is built, on a host whose kernel has the table already.
func (r *experiment) consentEarly() error {
	if facts, err := conntrack.Read(); err == nil {
		return r.consent(facts.Limit)
	}
	return nil // the lab's namespace may know more
}

// fitTable makes the plan fit the table: it asks for consent to fill it where that was not possible before, and lowers the
// rate of new flows.
func (r *experiment) fitTable(l *lab.Lab) error {
	if err := l.SetRules(lab.RulesStateful, r.port); err != nil { // loads the module, if it is one
		return err
	}
	table, err := l.Conntrack()
	if err != nil {
		return err
	}
	if r.fills() && table.Limit == 0 {
		return usagef("the table has no limit that can be read (%q), so that nothing can fill it: leave out raised and full (--arms) and the curve (--curves 0)", table.Unchecked)
	}
	if err := r.consent(table.Limit); err != nil {
		return err
	}
	if many := plan.Many.Flows(); slices.Contains(r.plan.Patterns, plan.Many) && table.Limit > 0 && 0.95*float64(table.Limit) < float64(many) {
		r.note("the table takes %s entries, hardly more or fewer than pattern many has flows (%s): the kernel evicts some under on",
			report.Group(float64(table.Limit)), report.Group(float64(many)))
	}
	if !slices.Contains(r.plan.Patterns, plan.Fresh) {
		return nil
	}
	if r.plan.FitFresh(table.Limit) {
		r.note("new flows are offered at %s/s instead of %s/s, so that a trial fills no more than half of the table of %s entries",
			report.Group(float64(r.plan.FreshRate)), report.Group(float64(r.plan.Rate)), report.Group(float64(table.Limit)))
	}
	return nil
}

// note says something on the way that the records are to keep.
func (r *experiment) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.notes = append(r.notes, text)
	r.progress.say("%s", text)
}

// openedFlows is how many flows the generator is to have ready for the plan. The rate of new ones is not known when it is
// started.
func openedFlows(spec plan.Spec) int {
	if slices.Contains(spec.Patterns, plan.Fresh) {
		return plan.Fresh.Flows()
	}
	return plan.Many.Flows()
}

// fillCurves takes the fill curves, when all trials are recorded. One that fails is told, and no reason to lose a run.
func (r *experiment) fillCurves(ctx context.Context, rig *trial.Rig) error {
	for run := range r.curves {
		r.progress.say("fill curve %d of %d: up to a minute", run+1, r.curves)
		mix := freshMix
		if r.setup.Payload != "" {
			mix = ""
		}
		c, err := rig.Curve(ctx, trial.CurveSpec{Rate: float64(r.plan.Rate), Mix: mix, Seed: r.plan.Seed + uint64(run)})
		if ctx.Err() != nil {
			r.progress.say("all trials are recorded; for what they say: bench report %s", r.dir)
			return context.Cause(ctx)
		}
		if err != nil {
			r.progress.say("no fill curve: %v", err)
			continue
		}
		c.Run = run
		if err := record.AppendCurve(r.dir, c); err != nil {
			return err
		}
	}
	return nil
}
