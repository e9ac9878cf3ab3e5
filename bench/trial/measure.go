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

// Fill sends load to fill the server's tables, and proves on the way that the set-up works: that the server answers,
// and that receive work is done, and so charged, where it should be.
func (r *Rig) Fill(ctx context.Context, load Load) error {
	if err := r.meet(); err != nil {
		return err
	}
	before, err := r.clocks.Snapshot()
	if err != nil {
		return err
	}
	nothing := func() error { return nil }
	got, err := r.run(ctx, load, nothing, nothing)
	if err != nil {
		return err
	}
	after, err := r.clocks.Snapshot()
	if err != nil {
		return err
	}
	if got.Answered+got.Late == 0 {
		return fmt.Errorf("%s answered none of %d queries%s", r.server, got.Sent, r.server.lastWords())
	}
	d := after.Sub(before)
	if err := r.checkServer(d, got); err != nil {
		return err
	}
	return d.Check()
}

// Measure makes a trial under the rules that are in place, and fills in everything that t says about the measured
// interval. A trial that measured nothing because the machine was busy elsewhere is no error: it is for the report to
// leave out. A server that has fallen silent is one.
func (r *Rig) Measure(ctx context.Context, t *record.Trial, load Load) error {
	if load.Prime != nil {
		nothing := func() error { return nil }
		if _, err := r.run(ctx, *load.Prime, nothing, nothing); err != nil {
			return err
		}
	}
	if load.Series != nil {
		return r.series(ctx, t, load.Series)
	}
	if err := r.meet(); err != nil {
		return err
	}
	if leaves, err := r.server.leaves(r.lab.Spec().ServerCPU); err != nil {
		return err
	} else if leaves {
		t.Warnings = append(t.Warnings, "the server has threads that may run on other cores than its own, which makes it faster and its work hard to compare: have it set no affinity")
	}
	// Some 300 µs of work on the generator's core, which would be seen in the tail of the latencies: so the warm-up's
	// losses are in, rather than this in the interval.
	lossesBefore, err := r.lab.Losses(lab.Server)
	if err != nil {
		return err
	}
	if err := r.watch.prepare(); err != nil {
		return err
	}
	var before, after measure.Snapshot
	var own refused
	got, err := r.run(ctx, load, func() (err error) {
		if err := own.read(r.lab, t.Arm); err != nil {
			return err
		}
		t.Start = time.Now().UTC()
		if err := r.watch.begin(); err != nil {
			return err
		}
		before, err = r.clocks.Snapshot()
		return err
	}, func() (err error) {
		if after, err = r.clocks.Snapshot(); err != nil {
			return err
		}
		if err := own.read(r.lab, t.Arm); err != nil {
			return err
		}
		return r.watch.end()
	})
	if err != nil {
		return err
	}
	if err := r.server.checkFamily(); err != nil {
		return err
	}
	losses, err := r.lab.Losses(lab.Server)
	if err != nil {
		return err
	}
	lost := losses.Sub(lossesBefore)
	d := after.Sub(before)
	if t.Arm.Answers() {
		if err := r.checkServer(d, got); err != nil {
			return err
		}
	}
	t.Duration = int64(d.Elapsed)
	t.Server, t.ServerNAPI, t.Client, t.ClientNAPI = d.ServerNS, d.ServerNAPINS, d.ClientNS, d.ClientNAPINS
	t.Answered, t.Load = got.AnswersInInterval, got.Load
	t.Conntrack = record.Conntrack{
		Entries: after.Conntrack.Count, Drop: d.Counters[conntrack.Drop],
		EarlyDrop: d.Counters[conntrack.EarlyDrop], InsertFailed: d.Counters[conntrack.InsertFailed], OwnDrop: own.count(),
	}
	t.ReceiveErrors = lost.ReceiveBuffer
	t.CPU = r.cpus(d)
	t.Warnings = append(t.Warnings, warnings(t.Arm, d, got, lost)...)
	return r.watch.tell(t)
}

// refused counts the packets of the server's own that a full table keeps from leaving: they are among the drops, and no
// lost queries. It is read under plan.Filled alone, where the 100 µs that takes delay no answer.
type refused struct {
	first, last uint64
	known       bool
	readings    int
}

func (r *refused) read(l *lab.Lab, arm plan.Arm) (err error) {
	if arm != plan.Filled {
		return nil
	}
	r.last, r.known, err = l.Refused(lab.Server)
	if r.readings++; r.readings == 1 {
		r.first = r.last
	}
	return err
}

// count is nil where it is not known.
func (r *refused) count() *uint64 {
	if !r.known {
		return nil
	}
	n := r.last - r.first
	return &n
}

// silentTrials is in how many trials in a row a server may answer nothing before it is taken for dead. A machine that
// is busy elsewhere may keep it from its core for a whole trial.
const silentTrials = 3

// silentTime is how long it may be silent at least: trials may be short.
const silentTime = time.Second

// early is how many answers may have been on their way when the interval began: a batch of the server's. A machine that is
// busy elsewhere may keep the server from its core all through a short interval.
const early = 64

// ErrSilent is the error of a server that runs but does not answer. The rig is still good.
var ErrSilent = errors.New("has answered nothing")

// ErrUncharged is the error of a server whose clock stood still while it answered. Where the interval is short and the
// machine busy, this may be the harness's doing: it came to read the clock when all was over. The rig is still good.
var ErrUncharged = errors.New("used no CPU time")

// checkServer refuses answers that cost nothing, and a server that gives none any more.
func (r *Rig) checkServer(d measure.Delta, got result) error {
	if got.AnswersInInterval+got.Late == 0 {
		r.silent, r.silentFor = r.silent+1, r.silentFor+d.Elapsed
		if r.silent < silentTrials || r.silentFor < silentTime {
			return nil
		}
		return fmt.Errorf("%s %w in %d trials%s", r.server, ErrSilent, r.silent, r.server.lastWords())
	}
	r.silent, r.silentFor = 0, 0
	if got.AnswersInInterval > early && d.ServerNS <= 0 {
		return fmt.Errorf("%s %w for %d answers: does another process give them?", r.server, ErrUncharged, got.AnswersInInterval)
	}
	return nil
}

// mismatch is how far, as a share, the interval in which CPU time was read may differ from the one in which answers
// were counted. Both programs' reading of "now" is some 100 µs apart, if the harness gets its core in time.
const mismatch = 0.01

// warnings are what qualifies a trial. They hold no figures: the report counts trials that say the same.
func warnings(arm plan.Arm, d measure.Delta, got result, lost lab.Losses) (out []string) {
	interval := time.Duration(got.IntervalNS)
	if apart := (d.Elapsed - interval).Abs(); float64(apart) > mismatch*float64(interval) {
		out = append(out, fmt.Sprintf("CPU time was read over an interval more than %g %% longer or shorter than answers were counted in", 100*mismatch))
	}
	idle := d.ServerNAPINS <= 0
	if arm.Answers() { // else nothing arrives at the generator
		idle = d.Check() != nil
	}
	if idle {
		out = append(out, "a receive thread did not run at all: something else kept its core busy, or nothing arrived")
	}
	if lost.Ring > 0 {
		out = append(out, "queries were lost in the ring of the server's interface, before its receive thread")
	}
	return out
}

// cpus is how the lab's two cores spent the interval.
func (r *Rig) cpus(d measure.Delta) []record.CPU {
	spec := r.lab.Spec()
	return []record.CPU{cpuRecord(spec.ServerCPU, d.ServerCPU), cpuRecord(spec.ClientCPU, d.ClientCPU)}
}

func cpuRecord(id int, c measure.CPUTime) record.CPU {
	return record.CPU{
		ID: id, User: int64(c.User + c.Nice), System: int64(c.System), SoftIRQ: int64(c.SoftIRQ),
		IRQ: int64(c.IRQ), Idle: int64(c.Idle + c.IOWait), Steal: int64(c.Steal),
	}
}
