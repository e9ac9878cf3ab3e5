package trial

import (
	"context"
	"fmt"
	"time"

	"supernode/bench/lab"
	"supernode/bench/measure"
	"supernode/bench/record"
	"supernode/internal/conntrack"
)

// reading is all that is read at one end of the measured interval.
type reading struct {
	wall   time.Time
	clocks measure.Snapshot
	losses lab.Losses
}

// read reads the clocks first: what it does after that is charged to nobody who is measured.
func (r *Rig) read(to *reading) (err error) {
	if to.clocks, err = r.clocks.Snapshot(); err != nil {
		return fmt.Errorf("read clocks: %w", err)
	}
	to.wall = time.Now().UTC()
	to.losses, err = r.lab.Losses(lab.Server)
	return err
}

// Measure makes a trial under the rules that are in place, and fills in everything that t says about the measured
// interval.
func (r *Rig) Measure(ctx context.Context, t *record.Trial, load Load) error {
	var before, after reading
	result, err := r.run(ctx, load, func() error { return r.read(&before) }, func() error { return r.read(&after) })
	if err != nil {
		return err
	}
	d := after.clocks.Sub(before.clocks)
	if err := r.check(d, result); err != nil {
		return err
	}
	t.Start = before.wall
	t.Duration = int64(d.Elapsed)
	t.Server, t.ServerNAPI, t.Client, t.ClientNAPI = d.ServerNS, d.ServerNAPINS, d.ClientNS, d.ClientNAPINS
	t.Answered, t.Load = result.AnswersInInterval, result.Load
	t.Conntrack = record.Conntrack{
		Entries: after.clocks.Conntrack.Count, Drop: d.Counters[conntrack.Drop],
		EarlyDrop: d.Counters[conntrack.EarlyDrop], InsertFailed: d.Counters[conntrack.InsertFailed],
	}
	lost := after.losses.Sub(before.losses)
	t.ReceiveErrors = lost.ReceiveBuffer
	spec := r.lab.Spec()
	t.CPU = []record.CPU{cpuRecord(spec.ServerCPU, d.ServerCPU), cpuRecord(spec.ClientCPU, d.ClientCPU)}
	t.Warnings = append(t.Warnings, warnings(d.Elapsed, result, lost)...)
	return nil
}

// check refuses a trial in which somebody who must have worked did not. A server that is so far behind that all its
// answers come too late did work; such a trial is for the report to leave out.
func (r *Rig) check(d measure.Delta, got result) error {
	switch {
	case got.AnswersInInterval == 0 && got.Late == 0:
		return fmt.Errorf("%s answered none of %d queries%s", r.server, got.Sent, r.server.lastWords())
	case d.ServerNS <= 0:
		return fmt.Errorf("%s used no CPU time for %d answers: who gave them?", r.server, got.AnswersInInterval+got.Late)
	}
	return d.Check()
}

// mismatch is how far, as a share, the interval in which CPU time was read may differ from the one in which answers
// were counted. Both programs' reading of "now" is some 100 µs apart, if the harness gets its core in time.
const mismatch = 0.01

// warnings are what qualifies a trial. They hold no figures: the report counts trials that say the same.
func warnings(elapsed time.Duration, got result, lost lab.Losses) (out []string) {
	interval := time.Duration(got.IntervalNS)
	if apart := (elapsed - interval).Abs(); float64(apart) > mismatch*float64(interval) {
		out = append(out, fmt.Sprintf("CPU time was read over an interval more than %g %% longer or shorter than answers were counted in", 100*mismatch))
	}
	if lost.Ring > 0 {
		out = append(out, "queries were lost in the ring of the server's interface, before its receive thread")
	}
	return out
}

func cpuRecord(id int, c measure.CPUTime) record.CPU {
	return record.CPU{
		ID: id, User: int64(c.User + c.Nice), System: int64(c.System), SoftIRQ: int64(c.SoftIRQ),
		IRQ: int64(c.IRQ), Idle: int64(c.Idle + c.IOWait), Steal: int64(c.Steal),
	}
}
