package trial

import (
	"context"
	"slices"

	"supernode/bench/record"
)

// Series makes a trial of many: it makes each by calling step, as often as it likes, and returns what they come to. The
// ruleset is put in place once, before the first.
type Series func(step func(Load) (record.Trial, error)) (record.Search, error)

// series makes a trial of a search.
func (r *Rig) series(ctx context.Context, t *record.Trial, s Series) error {
	search, err := s(func(load Load) (record.Trial, error) {
		step := record.Trial{Slot: t.Slot}
		err := r.Measure(ctx, &step, load)
		if err == nil {
			addStep(t, step)
		}
		return step, err
	})
	t.Search = &search
	r.silent, r.silentFor = 0, 0 // under more than it can bear a server may fall silent, and be none the worse for it afterwards
	return err
}

// addStep adds a step to the trial that it is of.
func addStep(t *record.Trial, step record.Trial) {
	if t.Duration == 0 {
		t.Start = step.Start
	}
	t.Duration += step.Duration
	t.Server += step.Server
	t.ServerNAPI += step.ServerNAPI
	t.Client += step.Client
	t.ClientNAPI += step.ClientNAPI
	t.Answered += step.Answered
	t.Load = step.Load
	t.Conntrack.Entries = step.Conntrack.Entries
	t.Conntrack.Drop += step.Conntrack.Drop
	t.Conntrack.EarlyDrop += step.Conntrack.EarlyDrop
	t.Conntrack.InsertFailed += step.Conntrack.InsertFailed
	t.ReceiveErrors += step.ReceiveErrors
	for i, c := range step.CPU {
		if i == len(t.CPU) {
			t.CPU = append(t.CPU, record.CPU{ID: c.ID})
		}
		sum := &t.CPU[i]
		sum.User += c.User
		sum.System += c.System
		sum.SoftIRQ += c.SoftIRQ
		sum.IRQ += c.IRQ
		sum.Idle += c.Idle
		sum.Steal += c.Steal
	}
	t.Throttle.Periods += step.Throttle.Periods
	t.Throttle.Thermal += step.Throttle.Thermal
	for _, w := range step.Warnings {
		if !slices.Contains(t.Warnings, w) {
			t.Warnings = append(t.Warnings, w)
		}
	}
}
