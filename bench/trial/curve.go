package trial

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"supernode/bench/lab"
	"supernode/bench/record"
	"supernode/internal/conntrack"
)

// A fill curve has three kinds of flows, each with a generator, and so with ports, of its own:
//
//   - known flows had their entries before the filling began, and ask once a second each;
//   - the crowd are as many new flows as the table takes. They come three times, so that their entries become assured
//     (nf_conntrack_proto_udp.c: a flow that has been answered, and is still active after two seconds): these the kernel
//     evicts for nobody. Flows that ask once would be evicted to make room for each other, and the table refuse none;
//   - singles are flows that ask once: when the crowd is in, they flood in its place at the same rate, and after that a few
//     go on asking, to see when a new flow is answered again.
const (
	knownFlows   = 1000
	singlesAfter = 200                    // singles a second after the flood
	curveTick    = 250 * time.Millisecond // from point to point
	curveGrace   = 10 * time.Millisecond  // of it, at its end, for the last answers: nothing is asked meanwhile
	establishing = 3 * time.Second        // in which known flows become assured
	crowdRounds  = 3.05                   // the first fills the table, the second assures, the third assures what was late
	stretch      = 1.5                    // how much longer than it should the crowd may take, on a busy machine
	longestRound = 5 * time.Second        // of the crowd; entries of others fill what it would take longer for
	usualFlood   = 3 * time.Second        // of singles
	singlesSpare = 1000                   // for ticks that end late
	curveSlack   = 2 * time.Second        // by which entries outlive the flood
	othersSlack  = 10 * time.Second       // by which those of others do
	usualWatch   = 22 * time.Second       // until the kernel has collected what has ended
	emptied      = 0.02                   // of the limit: the table counts as empty
	maxLogLines  = 5
)

// CurveSpec describes a fill curve.
type CurveSpec struct {
	Rate  float64       // new flows a second
	Mix   string        // what a DHT server is asked; it must not make a flow come twice
	Seed  uint64        // of the queries
	Flood time.Duration // for how long the full table is asked by new flows; 0: 3 s
	Room  int           // entries that are left to new flows, others fill the rest before; 0: as many as they fill in 5 s
	Watch time.Duration // how long the table is given to empty itself after its entries' life; 0: 22 s
}

// curveShape is what follows for a fill curve from the table's limit and what was asked for. It is pure.
type curveShape struct {
	crowd   int           // flows
	singles int           // flows
	others  uint64        // entries to fill the table with before, where the crowd would take too long
	filling time.Duration // how long the crowd should take
	flood   time.Duration // how long singles do
	life    time.Duration // of an entry, from its last packet on
	watch   time.Duration // after that
}

func shapeCurve(limit uint64, spec CurveSpec) curveShape {
	s := curveShape{crowd: int(limit), flood: spec.Flood, watch: spec.Watch}
	if s.flood <= 0 {
		s.flood = usualFlood
	}
	if s.watch <= 0 {
		s.watch = usualWatch
	}
	room := spec.Room
	if room <= 0 {
		room = max(1, int(spec.Rate*longestRound.Seconds()))
	}
	if s.crowd > room {
		s.crowd, s.others = room, limit-uint64(room)
	}
	round := time.Duration(float64(s.crowd) / spec.Rate * float64(time.Second))
	// What is asked pauses for the grace at the end of each tick.
	round = round * curveTick / (curveTick - curveGrace)
	s.filling = max(establishing, time.Duration(crowdRounds*float64(round)).Round(curveTick))
	s.life = (round + s.flood + curveSlack + time.Second - 1).Truncate(time.Second)
	after := s.flood + s.life + s.watch
	s.singles = int(spec.Rate*s.flood.Seconds()+singlesAfter*after.Seconds()) + singlesSpare
	return s
}

// Curve fills the table, from empty, with new flows until it has refused some for a while, and watches what becomes of known
// and of new flows meanwhile and afterwards. In the end time-outs are restored, and the table is emptied.
func (r *Rig) Curve(ctx context.Context, spec CurveSpec) (c record.Curve, err error) {
	if err := r.lab.SetRules(lab.RulesStateful, r.Port()); err != nil {
		return c, err
	}
	table, err := r.lab.Conntrack()
	if err != nil {
		return c, err
	}
	if table.Limit == 0 {
		return c, fmt.Errorf("the table has no limit that can be read: %q", table.Unchecked)
	}
	shape := shapeCurve(table.Limit, spec)
	restore, err := r.lab.SetUDPTimeouts(shape.life, shape.life)
	if restore != nil {
		defer func() { err = errors.Join(err, restore(), r.lab.SetRules(lab.RulesStateful, r.Port())) }()
	}
	if err != nil {
		return c, err
	}
	c = record.Curve{
		Limit: table.Limit, Buckets: table.Buckets, UnrepliedS: shape.life.Seconds(), StreamS: shape.life.Seconds(),
		NewPerS: spec.Rate, KnownPerS: knownFlows, LogLines: []string{},
	}
	w := curveWatch{rig: r, curve: &c, shape: shape, load: Load{Mix: spec.Mix, Seed: spec.Seed, Walk: true}}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.open(ctx); err != nil {
		return c, err
	}
	err = w.run(ctx)
	return c, err
}

// curveWatch is a fill curve being taken.
type curveWatch struct {
	rig     *Rig
	curve   *record.Curve
	shape   curveShape
	load    Load       // what all kinds of flows have in common
	crowd   *generator // the known flows are asked by the rig's own
	singles *generator
	log     *conntrack.Log
	asked   uint64 // by the crowd
	start   time.Time
	last    time.Time // of the last point
	first   conntrack.Counters
}

// open starts the generators, fills what the crowd would take too long for, and has the known flows make their entries.
func (w *curveWatch) open(ctx context.Context) (err error) {
	r := w.rig
	setup := r.setup
	setup.NodesFile = ""
	if w.log, err = conntrack.OpenLog(); err != nil {
		w.curve.LogReason = err.Error()
	}
	setup.Flows = w.shape.crowd
	if w.crowd, err = newGenerator(ctx, r.lab, setup); err != nil {
		return err
	}
	setup.Flows = w.shape.singles
	if w.singles, err = newGenerator(ctx, r.lab, setup); err != nil {
		return err
	}
	if w.shape.others > 0 {
		life := establishing + w.shape.filling + w.shape.flood + othersSlack
		added, err := r.lab.FillTableFor(ctx, w.curve.Limit-w.shape.others, life)
		if err != nil {
			return err
		}
		w.curve.Others = uint64(added)
	}
	load := w.load
	load.Rate, load.DurationS, load.Flows = 2*knownFlows, establishing.Seconds(), knownFlows
	nothing := func() error { return nil }
	got, err := r.run(ctx, load, nothing, nothing)
	if err == nil && got.Answered == 0 {
		err = fmt.Errorf("%s answered none of %d queries of the known flows", r.server, got.Sent)
	}
	return err
}

func (w *curveWatch) close() error {
	var errs []error
	for _, g := range []*generator{w.crowd, w.singles} {
		if g != nil {
			errs = append(errs, g.Stop())
		}
	}
	if w.log != nil {
		errs = append(errs, w.log.Close())
	}
	return errors.Join(errs...)
}

// run takes the points, until the table is empty again and a new flow is answered, or ought to have been.
func (w *curveWatch) run(ctx context.Context) error {
	before, err := w.rig.clocks.Snapshot()
	if err != nil {
		return err
	}
	memory, _ := slabMemory() // 0 if it is not told
	w.start, w.first = time.Now(), before.Conntrack.Counters
	w.last = w.start
	c := w.curve
	for {
		p, err := w.tick(ctx)
		if err != nil {
			return err
		}
		c.Points = append(c.Points, p)
		if c.FullS == 0 && (p.Drop+p.EarlyDrop > 0 || p.Entries >= c.Limit) {
			c.FullS = p.S
			c.EntryBytes = entryBytes(memory, p.Entries-min(p.Entries, before.Conntrack.Count))
		}
		if w.advance(p) {
			return w.readLog()
		}
	}
}

// advance notes what has come to its end at p, and says whether the curve has.
func (w *curveWatch) advance(p record.Point) (done bool) {
	c := w.curve
	switch {
	case c.FilledS == 0:
		// In less than three seconds no flow is seen to be active for two.
		all := float64(w.asked) >= crowdRounds*float64(w.shape.crowd) && p.S >= establishing.Seconds()
		if all || p.S >= stretch*w.shape.filling.Seconds() {
			c.FilledS = p.S
		}
		return false
	case c.StopS == 0:
		if p.S >= c.FilledS+w.shape.flood.Seconds() {
			c.StopS = p.S
		}
		return false
	case c.RecoveredS == 0 && p.NewSentPerS > 0 && p.NewAnswered >= p.NewSentPerS/2:
		c.RecoveredS = p.S
	}
	empty := c.RecoveredS > 0 && float64(p.Entries) <= emptied*float64(c.Limit)
	return empty || p.S >= c.StopS+(w.shape.life+w.shape.watch).Seconds()
}

// fewEntries are too few to be weighed: other users of the kernel's memory would weigh as much.
const fewEntries = 50_000

// entryBytes is how much more of the kernel's memory than before is used, for each of so many new entries, in bytes; 0 if
// it cannot be told.
func entryBytes(before, entries uint64) float64 {
	now, err := slabMemory()
	if err != nil || before == 0 || entries < fewEntries || now <= before {
		return 0
	}
	return tenth(float64(now-before) / float64(entries))
}

func tenth(x float64) float64 { return math.Round(10*x) / 10 }

func (w *curveWatch) readLog() error {
	if w.log == nil {
		return nil
	}
	lines, err := w.log.TableFull()
	if err != nil {
		w.curve.LogReason = err.Error()
	}
	w.curve.LogLines = append(w.curve.LogLines, lines[:min(len(lines), maxLogLines)]...)
	return nil
}
