package slices

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"supernode/bench/lab"
	"supernode/bench/plan"
	"supernode/internal/pin"
)

// Config says what to compare. Commands are words separated by spaces, in which {addr} stands for the ADDR:PORT to answer on.
type Config struct {
	Base, Head string // commands of two servers
	Null       string // command of the null responder; "" leaves it out
	Generator  string // path of loadgen, which asks both

	// Paths of two generators, to be compared by what a query costs them. Empty paths leave that out; else it needs Null.
	GeneratorBase, GeneratorHead string

	Load   Load
	Size   Size
	Until  time.Time // no block begins after it; the zero time is never
	Only   []string  // names of metrics; nil: all
	Seed   uint64
	Number int // of the set in its slices: 1 for a confirmation of set 0

	Progress func(done, all int, left time.Duration) // called after each slice; may be nil
	Record   func(Slice) error                       // called after each slice; may be nil
}

// Result is what a comparison measured.
type Result struct {
	Series   []Series
	Slices   []Slice
	Warnings []string // what the lab could not do
}

// EndToEnd builds a lab, measures the servers (and the generators) in it side by side, and takes it down, however that
// ends. It needs root. While it runs, the process is pinned to the generators' core.
func EndToEnd(ctx context.Context, c Config) (r Result, err error) {
	s, err := c.set()
	if err != nil {
		return r, err
	}
	l, done, err := build(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, done()) }()
	s.record = counted(s, c.Progress, c.Record)
	r.Warnings = l.Warnings()
	if r.Slices, err = s.run(ctx, l); err != nil {
		return r, err
	}
	r.Series = ServerSeries(r.Slices, Head)
	if c.GeneratorHead != "" {
		r.Series = append(r.Series, GeneratorSeries(r.Slices)...)
	}
	r.Series = slices.DeleteFunc(r.Series, func(s Series) bool { return !c.wants(s.Metric) })
	return r, nil
}

// wants says whether a metric is to be measured.
func (c Config) wants(m Metric) bool { return c.Only == nil || slices.Contains(c.Only, m.Name) }

// build makes a lab and moves this process to the client's core, so that the server's is left alone; done undoes both. No
// ruleset is put in place: servers on several ports would not all meet the same rules.
func build(ctx context.Context) (l *lab.Lab, done func() error, err error) {
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, nil, fmt.Errorf("ask for this process's processors: %w", err)
	}
	spec := lab.Default()
	if l, err = lab.Up(ctx, spec); err != nil {
		return nil, nil, fmt.Errorf("build lab: %w", err)
	}
	done = func() error {
		var all pin.List
		for cpu := range len(before) * 64 {
			if before.IsSet(cpu) {
				all = append(all, cpu)
			}
		}
		return errors.Join(l.Close(), pin.Process(all))
	}
	if err := pin.Process(pin.List{spec.ClientCPU}); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("pin the harness: %w", err), done())
	}
	return l, done, nil
}

// nullEvery is in every how many-th block the null responder is measured.
const nullEvery = 4

// both are the measures of servers.
var both = []plan.Measure{plan.Fixed, plan.Max}

// set lays out what the config asks for.
func (c Config) set() (set, error) {
	switch {
	case c.Base == "" || c.Head == "" || c.Generator == "":
		return set{}, errors.New("compare servers: the commands of base and head and the path of a generator are needed")
	case (c.GeneratorBase == "") != (c.GeneratorHead == "") || c.GeneratorHead != "" && c.Null == "":
		return set{}, errors.New("compare generators: the paths of both and the command of a null responder are needed")
	case c.Size.Rounds < 1 || c.Size.Blocks < 1:
		return set{}, fmt.Errorf("compare servers: %d rounds of %d blocks: at least 1 of each", c.Size.Rounds, c.Size.Blocks)
	}
	servers := group{measures: measuresOf(serverMetrics, c.wants), subjects: []Subject{
		{Name: Base, Server: c.Base, Generator: c.Generator},
		{Name: Control, Server: c.Base, Generator: c.Generator},
		{Name: Head, Server: c.Head, Generator: c.Generator},
	}}
	if c.Null != "" {
		servers.subjects = append(servers.subjects, Subject{Name: Null, Server: c.Null, Generator: c.Generator, Every: nullEvery})
	}
	s := set{number: c.Number, groups: []group{servers}, load: c.Load, size: c.Size, seed: c.Seed, until: c.Until}
	if c.GeneratorHead != "" {
		s.groups = append(s.groups, group{measures: measuresOf(generatorMetrics, c.wants), subjects: []Subject{
			{Name: baseGenerator, Server: c.Null, Generator: c.GeneratorBase},
			{Name: controlGenerator, Server: c.Null, Generator: c.GeneratorBase},
			{Name: headGenerator, Server: c.Null, Generator: c.GeneratorHead},
		}})
	}
	s.groups = slices.DeleteFunc(s.groups, func(g group) bool { return len(g.measures) == 0 })
	if len(s.groups) == 0 {
		return set{}, fmt.Errorf("compare servers: nothing measures any of %v", c.Only)
	}
	return s, nil
}

// measuresOf lists what has to be measured for the metrics that are wanted.
func measuresOf(metrics []Metric, wanted func(Metric) bool) (list []plan.Measure) {
	for _, m := range metrics {
		if wanted(m) && !slices.Contains(list, m.measure) {
			list = append(list, m.measure)
		}
	}
	return list
}

// mostRounds average what processes have by luck well enough.
const mostRounds = 8

// Estimate is how long the comparison takes.
func (c Config) Estimate() (time.Duration, error) {
	s, err := c.set()
	return s.estimate(), err
}

// leastBlocks is how many a comparison must have at least: with fewer pairs no rule says anything.
const leastBlocks = 6

// ErrTooShort is the error of a budget that is too small for any comparison.
var ErrTooShort = errors.New("too little time")

// Fit makes the comparison as large as the budget allows from now on. Rounds take no more than a tenth of the time for their
// starts, and are no more than mostRounds. On a machine on which all takes longer than it should, the comparison stops when
// the budget is spent. What has no time for leastBlocks is ErrTooShort.
func (c *Config) Fit(budget time.Duration) error {
	c.Until = time.Now().Add(budget)
	size, err := fit(budget, budget, func(s Size) (time.Duration, error) {
		c.Size = s
		return c.Estimate()
	})
	c.Size = size
	return err
}

// fit is the largest size that takes no longer than the budget, of which rounds are fitted to a part.
func fit(budget, perSet time.Duration, takes func(Size) (time.Duration, error)) (size Size, err error) {
	size = Size{Rounds: min(max(1, int(perSet/10/raising)), mostRounds)}
	var took time.Duration
	for ; ; size.Blocks++ {
		more := Size{Rounds: size.Rounds, Blocks: size.Blocks + 1}
		if took, err = takes(more); err != nil {
			return size, err
		}
		if took > budget {
			break
		}
	}
	if size.Rounds*size.Blocks < leastBlocks {
		return size, fmt.Errorf("%w: %v, which is less than %d blocks take", ErrTooShort, budget.Round(time.Second), leastBlocks)
	}
	return size, nil
}

// counted tells progress before it hands a slice on.
func counted(s set, progress func(int, int, time.Duration), record func(Slice) error) func(Slice) error {
	done, all, start := 0, s.slices(), time.Now()
	return func(slice Slice) error {
		if done++; progress != nil {
			progress(done, all, time.Since(start)/time.Duration(done)*time.Duration(all-done))
		}
		if record == nil {
			return nil
		}
		return record(slice)
	}
}
