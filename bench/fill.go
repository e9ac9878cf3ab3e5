package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"supernode/bench/lab"
	"supernode/bench/peers"
	"supernode/bench/record"
	"supernode/bench/stat"
	"supernode/bench/trial"
)

// prepare starts every server, each with a generator of its own that answers its pings, fills its tables and finds out
// what it can answer. A server that fails at that is left out.
func (c *comparison) prepare(ctx context.Context) (states []peers.State, err error) {
	running := 0
	for i, server := range c.servers {
		s := &station{Server: server}
		c.stations = append(c.stations, s)
		err := c.start(ctx, s, netip.AddrPortFrom(c.lab.ServerEndpoint().Addr(), lab.ServerPort+uint16(i)))
		if err == nil {
			err = c.ready(ctx, s)
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			c.progress.say("%s is left out: %v", s.Name, err)
			c.lose(s)
			states = append(states, peers.State{Server: s.Name, When: peers.Lost, Problem: err.Error()})
			continue
		}
		running++
		state := c.state(s, peers.Filled)
		state.Capacity = s.capacity
		if s.stored > 0 {
			stored := uint64(s.stored)
			state.Announced = &stored
		}
		c.progress.say("%s", describe(state))
		states = append(states, state)
	}
	if running == 0 {
		return nil, errors.New("no server is running: why is said above")
	}
	return states, nil
}

// start starts the generator and the server. One that keeps its table over a restart is told of all flows by a state.
func (c *comparison) start(ctx context.Context, s *station, addr netip.AddrPort) (err error) {
	c.progress.say("starting %s", s.Name)
	setup := trial.Setup{
		Server: s.Command, Addr: addr, Generator: c.loadgen, Flows: max(c.spec.Flows, c.spec.Nodes), Ready: readyTimeout, Payload: s.Payload,
	}
	if s.Payload == "" {
		setup.Infohashes = c.spec.Infohashes
	}
	if strings.Contains(s.Command, peers.StateMark) {
		dir, err := os.MkdirTemp(c.scratch, "state-")
		if err != nil {
			return fmt.Errorf("make directory for its state: %w", err)
		}
		setup.Server = strings.ReplaceAll(s.Command, peers.StateMark, dir)
		setup.NodesFile = filepath.Join(dir, "nodes")
		setup.Prepare = func() error { return c.writeState(dir, setup.NodesFile, addr) }
	}
	s.rig, err = trial.Assemble(ctx, c.lab, setup)
	return err
}

// writeState turns the generator's list of its flows into a saved state of the node that will listen on addr.
func (c *comparison) writeState(dir, nodesFile string, addr netip.AddrPort) error {
	nodes, err := os.ReadFile(nodesFile)
	if err != nil {
		return fmt.Errorf("read the flows: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, peers.StateFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	each := len(nodes) / max(c.spec.Flows, c.spec.Nodes)
	out := bufio.NewWriterSize(file, 1<<16)
	return errors.Join(peers.WriteState(out, addr, nodes[:each*c.spec.Nodes], time.Now()), out.Flush(), file.Close(), os.Remove(nodesFile))
}

// ready fills the server's tables and measures how much it answers.
func (c *comparison) ready(ctx context.Context, s *station) error {
	if err := c.lab.SetRules(lab.RulesPlain, s.rig.Port()); err != nil {
		return err
	}
	if !s.Hollow {
		if err := c.fill(ctx, s); err != nil {
			return fmt.Errorf("fill its tables: %w", err)
		}
	}
	if !s.Knows(peers.Mix) {
		return nil
	}
	var rates []float64
	for range 3 {
		rate, err := c.pilot(ctx, s, peers.Mix)
		if err != nil {
			return err
		}
		rates = append(rates, rate)
	}
	s.capacity = stat.Median(rates)
	return nil
}

// pilotTime is how long a trial is that counts for nothing but the rates of others.
const pilotTime = 400 * time.Millisecond

// pilot is how many queries a second the server answers now.
func (c *comparison) pilot(ctx context.Context, s *station, m peers.Measure) (answersPerS float64, err error) {
	load, _ := c.load(s, 0, m)
	load.WarmupS, load.DurationS = pilotTime.Seconds()/4, pilotTime.Seconds()
	var t record.Trial
	if err := s.rig.Measure(ctx, &t, load); err != nil && !errors.Is(err, trial.ErrSilent) {
		return 0, err
	}
	if t.Duration == 0 {
		return 0, nil
	}
	return peers.Trial{Trial: t}.AnswersPerS(), nil
}

// fillStep is how much of the filling is one trial, after which it is seen how far it has come.
const fillStep = 2 * time.Second

// fill has every info_hash announced once, each by another flow, as far as the time goes: no longer than the spec gives,
// but for the subject. A get_peers goes before each announce.
func (c *comparison) fill(ctx context.Context, s *station) error {
	limit := c.spec.Fill(s.Server)
	c.progress.say("filling %s with %d info_hashes, for %v at most", s.Name, c.spec.Infohashes, limit)
	load := trial.Load{
		Walk: true, Mix: peers.Announce.Weights(""), Window: c.spec.Window, Flows: max(c.spec.Flows, c.spec.Nodes),
		DurationS: min(fillStep, limit).Seconds(), Seed: c.spec.Seed,
	}
	for until := time.Now().Add(limit); time.Now().Before(until); {
		var t record.Trial
		if err := s.rig.Measure(ctx, &t, load); err != nil {
			return err
		}
		reached := walked(t)
		s.stored = min(reached, c.spec.Infohashes) // what is asked for later is to be found, if the server keeps what it gets
		c.progress.note("filling %s: %d of %d info_hashes", s.Name, s.stored, c.spec.Infohashes)
		if reached >= c.spec.Infohashes && c.full(s) {
			break
		}
	}
	return nil
}

// full says whether a server whose info_hashes have all been announced says that it has them: on a busy machine some
// announces are lost, and another round makes up for them.
func (c *comparison) full(s *station) bool {
	infohashes := c.state(s, peers.Filled).Infohashes
	return infohashes == nil || float64(*infohashes) >= 0.99*float64(c.spec.Infohashes)
}

// walked is how many info_hashes the generator has gone through.
func walked(t record.Trial) int {
	var result struct {
		Walked struct {
			Infohashes int `json:"infohashes"`
		} `json:"walked"`
	}
	_ = json.Unmarshal(t.Load.Raw, &result) // Raw has been read as JSON before
	return result.Walked.Infohashes
}

// state is what can be said of a server now.
func (c *comparison) state(s *station, when peers.Moment) peers.State {
	state := peers.State{Server: s.Name, When: when}
	rss, err := s.rig.RSS()
	if err == nil {
		state.RSS = rss
	}
	if s.Metrics == "" {
		return state
	}
	told, err := c.metrics(s.Metrics)
	if err != nil {
		c.progress.say("%s does not tell what is in its tables: %v", s.Name, err)
		return state
	}
	nodes, infohashes, limited := told["supernode_nodes"], told["supernode_infohashes"], told[`supernode_dropped_total{reason="limited"}`]
	state.Nodes, state.Infohashes, state.Limited = &nodes, &infohashes, &limited
	return state
}

func describe(s peers.State) string {
	text := fmt.Sprintf("%s is ready", s.Server)
	if s.Capacity > 0 {
		text += fmt.Sprintf(", answers about %.0f/s of the mix", s.Capacity)
	}
	if s.Nodes != nil {
		text += fmt.Sprintf(", has %d nodes and %d info_hashes", *s.Nodes, *s.Infohashes)
	} else if s.Announced != nil {
		text += fmt.Sprintf(", was told of %d info_hashes", *s.Announced)
	}
	return text + fmt.Sprintf(", takes %d MiB", s.RSS>>20)
}
