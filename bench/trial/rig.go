package trial

import (
	"context"
	"errors"
	"fmt"
	"time"

	"supernode/bench/lab"
	"supernode/bench/measure"
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/internal/conntrack"
)

// Rig is a server and the generator aimed at it, both alive, and the clocks of both.
type Rig struct {
	lab    *lab.Lab
	Server *Server
	gen    *Generator
	clocks *measure.Reader
}

// readyTimeout is how long a server may take from its start to its first answer.
const readyTimeout = 20 * time.Second

// Assemble starts a generator for up to flows flows at s, waits until s answers, and opens the clocks. The rig owns
// both from then on.
func Assemble(ctx context.Context, l *lab.Lab, s *Server, generator string, flows int) (*Rig, error) {
	g, err := StartGenerator(ctx, l, generator, s.Addr, flows)
	if err != nil {
		return nil, err
	}
	r := &Rig{lab: l, Server: s, gen: g}
	if err := r.awaitAnswer(ctx); err != nil {
		return nil, errors.Join(err, g.Stop())
	}
	spec := l.Spec()
	r.clocks, err = measure.Open(measure.Target{
		ServerPID: s.PID(), ClientPID: g.PID(),
		ServerNAPI: l.NAPI(lab.Server), ClientNAPI: l.NAPI(lab.Client),
		ServerCPU: spec.ServerCPU, ClientCPU: spec.ClientCPU,
		InServer: func(f func() error) error { return l.Do(lab.Server, f) },
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open clocks: %w", err), g.Stop())
	}
	return r, nil
}

// awaitAnswer asks a little until something is answered.
func (r *Rig) awaitAnswer(ctx context.Context) error {
	ctx, cancel := within(ctx, readyTimeout, "the server's first answer")
	defer cancel()
	for {
		answered, err := r.gen.Push(ctx, Load{Rate: 100, DurationS: 0.1, Flows: 1, Mix: "ping=1", Seed: 1})
		switch {
		case err != nil:
			return err
		case answered > 0:
			return nil
		}
		select {
		case <-r.Server.done:
			return r.Server.ended()
		default:
		}
	}
}

// Push sends load through the rig's generator without measuring.
func (r *Rig) Push(ctx context.Context, load Load) (answered uint64, err error) {
	return r.gen.Push(ctx, load)
}

// Close stops both programs and closes the clocks.
func (r *Rig) Close() error {
	return errors.Join(r.clocks.Close(), r.gen.Stop(), r.Server.Stop())
}

var rulesets = map[plan.Arm]lab.Ruleset{
	plan.Off: lab.RulesPlain, plan.Control: lab.RulesPlain,
	plan.On: lab.RulesStateful, plan.Notrack: lab.RulesNotrack,
}

// Run makes one trial: it puts the arm's ruleset in place, proves that tracking is as the arm says, and measures.
func (r *Rig) Run(ctx context.Context, slot plan.Slot, load Load) (record.Trial, error) {
	t := record.Trial{Slot: slot}
	rules, ok := rulesets[slot.Arm]
	if !ok {
		return t, fmt.Errorf("arm %q has no ruleset", slot.Arm)
	}
	if err := r.lab.SetRules(rules, r.Server.Addr.Port()); err != nil {
		return t, fmt.Errorf("set rules of arm %s: %w", slot.Arm, err)
	}
	var err error
	if t.Tracking, err = r.lab.TrackingActive(); err != nil {
		return t, fmt.Errorf("prove whether arm %s tracks: %w", slot.Arm, err)
	}
	if t.Tracking != slot.Arm.Tracks() {
		return t, fmt.Errorf("arm %s: tracking is active: %v, which is not what the arm is; is the host's kernel given other rules for new namespaces?", slot.Arm, t.Tracking)
	}
	if err := r.Measure(ctx, &t, load); err != nil {
		return t, err
	}
	return t, checkEntries(&t)
}

// checkEntries compares what tracking left behind with what the arm stands for: entries for the queries' flows under
// On, and none at all where the port is not tracked.
func checkEntries(t *record.Trial) error {
	tracked := t.Arm == plan.On
	if n := t.Conntrack.Entries; tracked != (n > 0) {
		return fmt.Errorf("arm %s: %d conntrack entries after the trial, which is not what the arm is", t.Arm, n)
	}
	return nil
}

// Measure makes a trial under the rules that are in place, and fills in everything that t says about the measured
// interval.
func (r *Rig) Measure(ctx context.Context, t *record.Trial, load Load) error {
	var before, after measure.Snapshot
	var lostBefore, lostAfter lab.Losses
	read := func(at *measure.Snapshot, lost *lab.Losses) func() error {
		return func() (err error) {
			if *at, err = r.clocks.Snapshot(); err != nil {
				return fmt.Errorf("read clocks: %w", err)
			}
			*lost, err = r.lab.Losses(lab.Server)
			return err
		}
	}
	result, err := r.gen.run(ctx, load, read(&before, &lostBefore), read(&after, &lostAfter))
	if err != nil {
		return err
	}
	d := after.Sub(before)
	t.Start = time.Now().UTC().Add(before.At - after.At)
	if err := d.Check(); err != nil {
		return err
	}
	t.Duration = int64(d.Elapsed)
	t.Server, t.ServerNAPI, t.Client, t.ClientNAPI = d.ServerNS, d.ServerNAPINS, d.ClientNS, d.ClientNAPINS
	t.Answered, t.Load = result.AnswersInInterval, result.Load
	t.Conntrack = record.Conntrack{
		Entries: after.Conntrack.Count, Drop: d.Counters[conntrack.Drop],
		EarlyDrop: d.Counters[conntrack.EarlyDrop], InsertFailed: d.Counters[conntrack.InsertFailed],
	}
	lost := lostAfter.Sub(lostBefore)
	t.ReceiveErrors = lost.ReceiveBuffer
	if lost.Ring > 0 {
		t.Warnings = append(t.Warnings, fmt.Sprintf("%d queries were lost in the server interface's ring", lost.Ring))
	}
	spec := r.lab.Spec()
	t.CPU = []record.CPU{cpuRecord(spec.ServerCPU, d.ServerCPU), cpuRecord(spec.ClientCPU, d.ClientCPU)}
	return nil
}

func cpuRecord(id int, c measure.CPUTime) record.CPU {
	return record.CPU{
		ID: id, User: int64(c.User + c.Nice), System: int64(c.System), SoftIRQ: int64(c.SoftIRQ),
		IRQ: int64(c.IRQ), Idle: int64(c.Idle + c.IOWait), Steal: int64(c.Steal),
	}
}
