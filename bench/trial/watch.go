package trial

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"supernode/bench/lab"
	"supernode/bench/measure"
	"supernode/bench/record"
)

// watch reads beside the clocks what qualifies them, or explains them: the processor's own counters, and what slowed it
// down. None of it is needed for a trial.
type watch struct {
	throttle     *measure.Throttling
	slowed       measure.Slowed    // before the warm-up
	server, napi *measure.Counters // nil where there are none
	before       record.Counters
	counters     record.Counters
	khz          [2]uint64
	notes        []string
}

// newWatch looks for what there is to be read.
func newWatch(l *lab.Lab, serverPID int) (*watch, error) {
	spec := l.Spec()
	w := &watch{throttle: measure.OpenThrottling(spec.ServerCPU, spec.ClientCPU)}
	if unread := w.throttle.Unread(); len(unread) > 0 {
		w.notes = append(w.notes, "not looked at, since this machine does not tell: "+strings.Join(unread, ", "))
	}
	if err := w.openCounters(serverPID, l.NAPI(lab.Server)); err != nil {
		why := err
		if errno := unix.Errno(0); errors.As(err, &errno) {
			why = fmt.Errorf("perf_event_open: %w", errno)
		}
		w.notes = append(w.notes, fmt.Sprintf("no hardware counters (%v)", why))
		return w, w.close()
	}
	return w, nil
}

// openCounters opens as many of the processor's counters as there are.
func (w *watch) openCounters(serverPID, napi int) error {
	threads, err := measure.TaskIDs(serverPID)
	if err != nil {
		return err
	}
	for events := measure.Hardware; len(events) > 0; events = events[:len(events)-1] {
		if w.server, err = measure.OpenCounters(threads, events); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	w.napi, err = measure.OpenCounters([]int{napi}, measure.Hardware[:w.server.Events()])
	return err
}

// prepare is called before the warm-up.
func (w *watch) prepare() (err error) {
	w.slowed, err = w.throttle.Read()
	return err
}

// begin and end are called at the ends of the measured interval, outside of the readings of the clocks.
func (w *watch) begin() (err error) {
	w.khz[0] = w.throttle.KHz()
	w.before, err = w.read()
	return err
}

func (w *watch) end() (err error) {
	w.counters, err = w.read()
	w.khz[1] = w.throttle.KHz()
	return err
}

// read reads the processor's counters.
func (w *watch) read() (c record.Counters, err error) {
	if w.server == nil || w.napi == nil {
		return c, nil
	}
	var of [2][3]uint64
	if err := errors.Join(w.server.Read(of[0][:]), w.napi.Read(of[1][:])); err != nil {
		return c, fmt.Errorf("read hardware counters: %w", err)
	}
	events := func(n [3]uint64) record.Events {
		return record.Events{Cycles: n[0], Instructions: n[1], CacheMisses: n[2]}
	}
	return record.Counters{Server: events(of[0]), ServerNAPI: events(of[1])}, nil
}

// tell stores what was read in the record of the trial, after its end.
func (w *watch) tell(t *record.Trial) error {
	slowed, err := w.throttle.Read()
	if err != nil {
		return err
	}
	slowed = slowed.Sub(w.slowed)
	t.Throttle = record.Throttle{Periods: slowed.Periods, Thermal: slowed.Thermal, KHzBefore: w.khz[0], KHzAfter: w.khz[1]}
	if w.server != nil && w.napi != nil {
		t.Counters = &record.Counters{Server: passed(w.counters.Server, w.before.Server), ServerNAPI: passed(w.counters.ServerNAPI, w.before.ServerNAPI)}
	}
	return nil
}

// passed is what was counted between two readings. Values that are scaled up may seem to run backwards.
func passed(now, then record.Events) record.Events {
	return record.Events{
		Cycles: now.Cycles - min(now.Cycles, then.Cycles), Instructions: now.Instructions - min(now.Instructions, then.Instructions),
		CacheMisses: now.CacheMisses - min(now.CacheMisses, then.CacheMisses),
	}
}

func (w *watch) close() error {
	var errs []error
	for _, c := range []*measure.Counters{w.server, w.napi} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	w.server, w.napi = nil, nil
	return errors.Join(errs...)
}

// Notes says once what the machine does not tell of a trial.
func (r *Rig) Notes() []string { return r.watch.notes }
