package trial

import (
	"cmp"
	"context"
	"math"
	"sync"
	"time"

	"supernode/bench/record"
	"supernode/internal/conntrack"
)

// class is one kind of flows, and what became of it in a tick.
type class struct {
	gen   *generator
	rate  float64 // queries a second
	flows int
	got   result
	err   error
}

// classes are the known flows, and the new ones of this part of the curve.
func (w *curveWatch) classes() [2]class {
	known := class{gen: w.rig.gen, rate: knownFlows, flows: knownFlows}
	switch c := w.curve; {
	case c.FilledS == 0:
		return [2]class{known, {gen: w.crowd, rate: c.NewPerS, flows: w.shape.crowd}}
	case c.StopS == 0:
		return [2]class{known, {gen: w.singles, rate: c.NewPerS, flows: w.shape.singles}}
	}
	return [2]class{known, {gen: w.singles, rate: singlesAfter, flows: w.shape.singles}}
}

// answered is how many answers came in the tick. Those that come after its grace are late ones of the next tick.
func (c class) answered() uint64 { return c.got.Answered + c.got.Late }

// tick asks for a quarter of a second, each class on from where it was, and reads the counters after it.
func (w *curveWatch) tick(ctx context.Context) (p record.Point, err error) {
	classes := w.classes()
	grace := curveGrace.Seconds()
	nothing := func() error { return nil }
	var both sync.WaitGroup
	for i := range classes {
		both.Go(func() {
			c, load := &classes[i], w.load
			load.Rate, load.Flows, load.DurationS, load.GraceS = c.rate, c.flows, (curveTick - curveGrace).Seconds(), &grace
			c.got, c.err = w.rig.runWith(ctx, c.gen, load, nothing, nothing)
		})
	}
	both.Wait()
	known, fresh := classes[0], classes[1]
	if err := cmp.Or(known.err, fresh.err); err != nil { // as a rule both say the same
		return p, err
	}
	if w.curve.FilledS == 0 {
		w.asked += fresh.got.Sent
	}
	state, err := w.rig.clocks.Snapshot()
	if err != nil {
		return p, err
	}
	now := time.Now()
	since := now.Sub(w.last).Seconds()
	w.last = now
	d := state.Conntrack.Counters.Sub(w.first)
	return record.Point{
		S: math.Round(now.Sub(w.start).Seconds()*1000) / 1000, Entries: state.Conntrack.Count,
		Drop: d[conntrack.Drop], EarlyDrop: d[conntrack.EarlyDrop], InsertFailed: d[conntrack.InsertFailed],
		KnownSent: tenth(float64(known.got.Sent) / since), KnownAnswered: tenth(float64(known.answered()) / since),
		NewSentPerS: tenth(float64(fresh.got.Sent) / since), NewAnswered: tenth(float64(fresh.answered()) / since),
	}, nil
}
