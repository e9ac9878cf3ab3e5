package slices

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"supernode/bench/lab"
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/trial"
)

// Subject is one of those that are compared: a server, and the generator that asks it.
type Subject struct {
	Name      string
	Server    string // command; {addr} stands for the ADDR:PORT to answer on
	Generator string // path of the program
	Every     int    // it is measured in every so many-th block; 0 is 1
}

// Load is what subjects are asked, and for how long.
type Load struct {
	Payload string        `json:"payload,omitempty"` // what the servers speak, as loadgen's --payload; "" is the DHT's protocol
	Flows   int           `json:"flows"`             // distinct source addresses
	Rate    int           `json:"rate"`              // queries a second offered by the fixed measure
	Window  int           `json:"window"`            // queries outstanding in the closed loop
	Warmup  time.Duration `json:"warmup_ns"`         // of a slice, thrown away
	Length  time.Duration `json:"length_ns"`         // of what is measured of it
}

// DefaultLoad is what a comparison uses that is told nothing else.
func DefaultLoad() Load {
	return Load{Flows: plan.Few.Flows(), Rate: 60_000, Window: 256, Warmup: 40 * time.Millisecond, Length: 120 * time.Millisecond}
}

// overhead is what a slice costs besides its own time.
const overhead = 8 * time.Millisecond

func (l Load) slice() time.Duration { return l.Warmup + l.Length + overhead }

const (
	readyTimeout = 20 * time.Second
	// fillTime is how long a server is queried before it is measured first: its pages have been touched then, its tables
	// hold what the flows tell, and the processor knows its branches.
	fillTime = 500 * time.Millisecond
	// raising is what starting a round's processes and filling their tables takes, all at once.
	raising = 2 * time.Second
	// grace is how long answers are awaited behind a slice. What comes later counts as lost, of which nothing is made here.
	grace = 2 * time.Millisecond
)

// stand is subjects that are alive side by side, each with its generator.
type stand struct {
	load  Load
	names []string
	rigs  []*trial.Rig
}

// raise starts the subjects, side by side for haste. On an error nothing is left running.
func raise(ctx context.Context, l *lab.Lab, load Load, subjects []Subject, seed uint64) (*stand, error) {
	s := &stand{load: load, rigs: make([]*trial.Rig, len(subjects))}
	errs := make([]error, len(subjects))
	var all sync.WaitGroup
	for i, subject := range subjects {
		s.names = append(s.names, subject.Name)
		all.Go(func() { s.rigs[i], errs[i] = prepare(ctx, l, load, subject, i, seed) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// prepare starts one subject, on a port of its own, and fills the server's tables.
func prepare(ctx context.Context, l *lab.Lab, load Load, subject Subject, number int, seed uint64) (*trial.Rig, error) {
	rig, err := trial.Assemble(ctx, l, trial.Setup{
		Server: subject.Server, Addr: netip.AddrPortFrom(l.ServerEndpoint().Addr(), lab.ServerPort+uint16(number)),
		Generator: subject.Generator, Flows: load.Flows, Ready: readyTimeout, Payload: load.Payload,
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", subject.Name, err)
	}
	err = rig.Fill(ctx, trial.Load{Window: load.Window, DurationS: fillTime.Seconds(), Flows: load.Flows, Seed: seed})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fill tables of %s: %w", subject.Name, err), rig.Close())
	}
	return rig, nil
}

func (s *stand) close() error {
	var errs []error
	for _, rig := range s.rigs {
		if rig != nil {
			errs = append(errs, rig.Close())
		}
	}
	return errors.Join(errs...)
}

// slice measures one subject once. A slice that failed for the machine's being busy elsewhere says so, and is no error.
func (s *stand) slice(ctx context.Context, number int, m plan.Measure, seed uint64) (Slice, error) {
	shortly := grace.Seconds()
	load := trial.Load{
		WarmupS: s.load.Warmup.Seconds(), DurationS: s.load.Length.Seconds(), Flows: s.load.Flows, Seed: seed, GraceS: &shortly,
	}
	if m == plan.Max {
		load.Window = s.load.Window
	} else {
		load.Rate = float64(s.load.Rate)
	}
	var t record.Trial
	out := Slice{Subject: s.names[number], Measure: m}
	err := s.rigs[number].Measure(ctx, &t, load)
	if err == nil {
		out, err = sliceOf(t)
		out.Subject, out.Measure = s.names[number], m
	}
	switch {
	case errors.Is(err, trial.ErrUncharged), errors.Is(err, trial.ErrSilent): // a server that has ended is another error
		out.Problem = err.Error()
		return out, nil
	case err != nil:
		return out, fmt.Errorf("measure %s: %w", s.names[number], err)
	}
	return out, nil
}
