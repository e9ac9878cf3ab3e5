package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"supernode/bench/lab"
	"supernode/bench/peers"
	"supernode/bench/record"
	"supernode/bench/trial"
)

// comparison is one run of "bench peers".
type comparison struct {
	spec     peers.Spec
	servers  []peers.Server
	missing  []string // names of servers that are not installed
	slots    []peers.Slot
	dir      string // of the records
	loadgen  string // path of the program
	progress *progress

	lab      *lab.Lab
	scratch  string // a directory for states of servers
	stations []*station
	records  *peers.Writer
}

// station is a server with its generator. Without a rig it is measured no more.
type station struct {
	peers.Server
	rig      *trial.Rig
	capacity float64 // answers a second to the mix
	stored   int     // info_hashes that have been announced to it; 0: nobody knows
}

// overloadTimeout is how long an answer under overload may take. DHT clients wait so long and longer.
const overloadTimeout = time.Second

// labSpec is the lab of a comparison: the client owns addresses for a million nodes and more.
func labSpec() lab.Spec {
	spec := lab.Default()
	spec.Sources4 = netip.MustParsePrefix("10.64.0.0/10")
	return spec
}

// conduct builds the lab, fills the servers' tables, makes the trials and leaves their records in the run's directory.
// However it ends, the lab is taken down.
func (c *comparison) conduct(ctx context.Context) (err error) {
	defer c.progress.clear()
	c.progress.say("%s of %s in %s, about %v, and up to %v before; the machine should have nothing else to do", count(len(c.slots), "trial"),
		count(len(c.servers), "server"), count(c.spec.Blocks, "block"), c.spec.Estimate(c.slots).Round(time.Second), c.spec.Preparation(c.servers))
	for _, name := range c.missing {
		c.progress.say("%s is not installed and left out; make install-peers and make bench-peers have it", name)
	}
	if c.scratch, err = os.MkdirTemp("", "bench-peers-"); err != nil {
		return fmt.Errorf("make directory for states: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.scratch)) }()
	c.progress.say("building the lab")
	if c.lab, err = buildLab(ctx, labSpec()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.lab.Close()) }()
	c.progress.warn(notes(c.lab))
	defer c.dismiss()
	states, err := c.prepare(ctx)
	if err != nil {
		return err
	}
	return c.record(ctx, states)
}

// dismiss stops all servers. That one does not end when asked to is told, and no reason to lose a run.
func (c *comparison) dismiss() {
	for _, s := range c.stations {
		c.lose(s)
	}
}

// lose stops a server that is to be measured no more, if it is there at all.
func (c *comparison) lose(s *station) {
	if s.rig == nil {
		return
	}
	if err := s.rig.Close(); err != nil {
		c.progress.say("%s: %v", s.Name, err)
	}
	s.rig = nil
}

// record makes the trials and writes all there is to be recorded. Records without a trial are good for nothing, and
// would be in the way of the next attempt.
func (c *comparison) record(ctx context.Context, states []peers.State) (err error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return fmt.Errorf("create directory for records: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(c.dir, peers.FileName), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("create records: %w", err)
	}
	defer func() {
		err = errors.Join(err, file.Close())
		switch {
		case c.records == nil || c.records.Trials == 0:
			err = errors.Join(err, os.Remove(file.Name()))
		case err != nil:
			c.progress.say("%s are recorded; for what they say: bench report %s", count(c.records.Trials, "trial"), c.dir)
		}
	}()
	if c.records, err = peers.NewWriter(file, c.header(ctx)); err != nil {
		return err
	}
	for _, state := range states {
		if err := c.records.State(state); err != nil {
			return err
		}
	}
	if err := c.trials(ctx); err != nil {
		return err
	}
	for _, s := range c.stations {
		if s.rig != nil {
			if err := c.records.State(c.state(s, peers.End)); err != nil {
				return err
			}
		}
	}
	return nil
}

// trials makes all trials. One that cannot count by the report's rules, which know nothing of its figures, is made again
// at once, as long as the run's time allows; the records keep both.
func (c *comparison) trials(ctx context.Context) error {
	repeats := c.spec.Repeats(c.slots)
	for _, slot := range c.slots {
		s := c.stations[slot.Server]
		c.progress.step(slot.Block, slot.First, fmt.Sprintf("%s of %s", slot.Measure, s.Name))
		for {
			unsettled, err := c.attempt(ctx, s, slot)
			if err != nil {
				return err
			}
			if !unsettled || repeats == 0 {
				break
			}
			repeats--
		}
	}
	for _, s := range c.stations {
		if s.rig != nil {
			return nil
		}
	}
	return errors.New("no server has lasted: the records say why each was lost")
}

// attempt makes the trials of a slot, if the server is there, and says whether one of them should be made again.
func (c *comparison) attempt(ctx context.Context, s *station, slot peers.Slot) (unsettled bool, err error) {
	for _, m := range slot.Measures() {
		if s.rig == nil {
			return false, nil
		}
		t, err := c.trial(ctx, s, slot.Block, m)
		if err != nil {
			return false, err
		}
		unsettled = unsettled || peers.Unsettled(t)
	}
	return unsettled, nil
}

// trial measures a server and records what came of it. An error is the end of the run; that a server fails is not.
func (c *comparison) trial(ctx context.Context, s *station, block int, m peers.Measure) (peers.Trial, error) {
	t := peers.Trial{Server: s.Name, Measure: m, Block: block}
	load, ok := c.load(s, block, m)
	if !ok { // nothing is known of its capacity
		t.Problem = "answers nothing of the mix"
		return t, c.records.Trial(t)
	}
	if m != peers.Recovery { // follows at once
		if err := c.lab.SetRules(lab.RulesPlain, s.rig.Port()); err != nil {
			return t, err
		}
	}
	err := s.rig.Measure(ctx, &t.Trial, load)
	switch {
	case ctx.Err() != nil:
		return t, ctx.Err()
	case errors.Is(err, trial.ErrSilent):
		t.Trial, t.Problem = record.Trial{}, "answers nothing"
	case err != nil:
		t.Trial, t.Problem = record.Trial{}, err.Error()
		c.progress.say("%s is measured no more: %v", s.Name, err)
		c.lose(s)
		return t, errors.Join(c.records.Trial(t), c.records.State(peers.State{Server: s.Name, When: peers.Lost, Problem: t.Problem}))
	}
	return t, c.records.Trial(t)
}

// load is what the generator is asked to do. The seed differs from block to block and is the same for all servers, so
// that they answer the same queries. ok is false if a rate is needed and cannot be known.
func (c *comparison) load(s *station, block int, m peers.Measure) (l trial.Load, ok bool) {
	timing := c.spec.Timing[m]
	l = trial.Load{WarmupS: timing.Warmup.Seconds(), DurationS: timing.Measure.Seconds(), Flows: c.spec.Flows, Seed: c.spec.Seed + uint64(block)}
	if s.Payload == "" {
		l.Infohashes = s.stored
		l.Mix, l.Miss = m.Weights(c.spec.Mix), m == peers.GetPeersMiss
		if l.Mix == c.spec.Mix {
			l.Zipf = c.spec.Zipf
		}
	}
	if m.Closed() {
		l.Window = c.spec.Window
		return l, true
	}
	l.Rate = m.Rate(s.capacity)
	if m != peers.Latency {
		// What was asked under twice the load is answered late, and counts; but for that the fall of the load does not wait.
		l.TimeoutS, l.GraceS = overloadTimeout.Seconds(), new(float64)
		if m == peers.Recovery {
			*l.GraceS = overloadTimeout.Seconds() / 2
		}
	}
	return l, s.capacity > 0
}
