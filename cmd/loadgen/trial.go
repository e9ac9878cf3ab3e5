package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"supernode/internal/udp"
)

// phase is where in a trial we are.
type phase uint8

const (
	phaseWarmup  phase = iota // queries count for nothing
	phaseMeasure              // queries are of the cohort
	phaseGrace                // no more queries; the last may still be answered
	phaseDone
)

// lateEdge is how long, in ns, the end of a phase waits for queries that are due before it and not yet
// sent. A generator that keeps up never needs it; one that cannot must not stretch the interval.
const lateEdge = 10_000_000

// trial is the state of one trial.
type trial struct {
	params
	tally
	phase    phase
	begin    int64
	edge     int64 // when the phase ends
	pace     pace  // open loop only
	walk     *walk
	chooser  chooser
	universe uint64 // kind of the info_hashes that get_peers asks for
	random   *rand.PCG

	quota    int       // of a closed loop: outstanding queries of this thread
	segments []segment // of a profile, by leg; else nil
	ends     []int64   // of each leg

	measureFrom, measureTo int64 // as it really was
	scheduled              int64 // queries that were due within it; before its end, those due before it
	carried                int64 // of these, how many had not been sent when it began
	halted                 bool
	before, after          reading // at measureFrom and measureTo
	final                  udp.Stats
	busiest                *float64 // how busy the busiest of several threads was
	progress               progress // of a walk
}

// reading is what is read at both ends of the measured interval.
type reading struct {
	stats       udp.Stats
	ran, waited int64 // the loop's thread
	timed       bool
}

func newTrial(p params, l *layout) *trial {
	random := rand.NewPCG(p.seed, mixBits(p.streamSeed()))
	t := &trial{
		params:   p,
		tally:    *newTally(),
		random:   random,
		walk:     l.newWalk(p.part.share(p.flows), random.Uint64),
		quota:    p.part.share(p.window),
		chooser:  p.mix.chooser(),
		universe: kindInfoHash,
		segments: newSegments(len(p.profile)),
		ends:     p.profile.ends(),
	}
	if p.miss {
		t.universe = kindMissing
	}
	return t
}

// start begins the warm-up.
func (e *engine) start(now int64) {
	t := e.trial
	t.begin, t.edge = now, now+int64(t.warmup)
	if t.open() {
		t.pace = paceOf(&t.params, now)
		t.pace.limit = t.edge
	}
	for i := range t.ends {
		t.ends[i] += t.edge
	}
	if e.feed != nil {
		e.feed.next = now + feedPeriod
	}
}

// open says whether the loop is open.
func (t *trial) open() bool { return t.rate != rateMax }

// due is how many queries were to be sent before the phase ends.
func (t *trial) due() int64 {
	if !t.open() {
		return 0
	}
	return t.pace.next + t.pace.unsent(t.edge)
}

// endSchedule counts what was to be sent before at, the end of the measured interval.
func (t *trial) endSchedule(at int64) {
	t.edge = at
	t.scheduled = t.due() - t.scheduled
	for i := range t.segments {
		t.segments[i].close(t, i, at)
	}
}

// over says whether the phase has come to its end.
func (t *trial) over(now int64) bool {
	if now < t.edge {
		return false
	}
	return !t.open() || t.phase == phaseGrace || t.pace.complete() || now >= t.edge+lateEdge
}

// advance moves on to the phase that it is time for.
func (e *engine) advance(now int64) error {
	t := e.trial
	if e.halted.Load() && t.phase < phaseGrace {
		t.halted = true
		e.cutFeed(now, now)
		if t.phase == phaseWarmup {
			t.startMeasuring()
			t.measureFrom = now
			t.before = e.read()
		}
		e.startGrace(now)
		return nil
	}
	for t.over(now) {
		if t.phase < phaseGrace {
			e.cutFeed(now, t.edge)
		}
		switch t.phase {
		case phaseWarmup:
			if err := e.startMeasuring(now); err != nil {
				return err
			}
		case phaseMeasure:
			e.startGrace(now)
			if err := tell(e.events.measured); err != nil {
				return err
			}
		case phaseGrace:
			t.phase = phaseDone
			t.final = e.transport.Stats()
			return nil
		}
	}
	return nil
}

func (e *engine) cutFeed(now, edge int64) {
	if e.feed != nil {
		e.feed.cut(e.trial, now, edge)
	}
}

func (e *engine) startMeasuring(now int64) error {
	t := e.trial
	t.phase = phaseMeasure
	t.startMeasuring()
	t.scheduled = t.due()
	t.carried = t.scheduled - t.pace.next
	t.edge += int64(t.duration)
	t.pace.limit = t.edge
	t.before = e.read()
	t.measureFrom = now
	return tell(e.events.measuring)
}

func (e *engine) startGrace(now int64) {
	t := e.trial
	if t.phase == phaseMeasure {
		t.endSchedule(min(now, t.edge))
	}
	t.phase = phaseGrace
	t.measureTo = now
	t.after = e.read()
	t.edge = now + int64(e.timeout)
	if t.grace >= 0 {
		t.edge = now + int64(t.grace)
	}
}

func tell(event func() error) error {
	if event == nil {
		return nil
	}
	if err := event(); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

func (e *engine) read() (r reading) {
	r.stats = e.transport.Stats()
	r.ran, r.waited, r.timed = threadTime()
	return r
}

// send sends what may be sent now, at most a batch, and returns when to come back.
func (e *engine) send(now int64) (wake int64) {
	t := e.trial
	switch {
	case t.phase >= phaseGrace:
		if t.inOrder {
			e.settle(now)
		}
		return t.edge
	case t.open():
		return e.sendDue(now)
	}
	if n := min(t.quota-e.table.pending, batch); n > 0 {
		for range n {
			e.query(now, now)
		}
		e.flushQueries()
	}
	if e.table.pending < t.quota {
		return now
	}
	return min(t.edge, e.table.deadline())
}

// sendDue sends what the schedule says. Slip is taken when the kernel has the queries, so that the time it
// needs to take them is in it.
func (e *engine) sendDue(now int64) (wake int64) {
	t := e.trial
	if n := min(t.pace.ready(now), batch); n > 0 {
		first := t.pace.next
		for k := range int64(n) {
			e.query(now, t.pace.due(first+k))
		}
		e.flushQueries()
		t.pace.sent(n, now)
		if t.phase == phaseMeasure {
			after := e.now()
			for k := range int64(n) {
				due := t.pace.due(first + k)
				record(t.slip, after-due)
				if t.segments != nil {
					record(t.segments[t.segmentOf(due)].slip, after-due)
				}
			}
		}
	}
	if wake = t.pace.wake(); wake == math.MaxInt64 {
		return t.edge
	}
	return wake
}
