package inprocess

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"supernode/bench/regress"
	"supernode/bench/stat"
)

// Side is a revision's programs.
type Side struct {
	Programs string // directory of its test programs
	Source   string // root of its source, for the files its tests read; "" if there is none
}

// Config says what to measure.
type Config struct {
	Base, Head Side
	Suites     []Suite // that both sides have the programs of
	CPU        int     // core of all that is measured
	Least      int     // rounds of each suite to make at least
	Most       int     // and at most
	Until      time.Time
	Seed       uint64
	Dir        string                   // for temporary files; "": the system's
	Only       map[string]bool          // metrics by name; nil: all
	Progress   func(round int, s Suite) // is told what begins, rounds counted from 1
}

// Result is what was measured.
type Result struct {
	Series   []regress.Series
	Gates    []regress.Gate
	Unlike   []string // benchmarks that one side only has
	Failed   []string // what could not be compared because base's benchmarks fail, in words
	Rounds   int
	BaseText string // in the Go benchmark format
	HeadText string
}

// Sides in turn order.
const (
	base = iota
	head
	control
	arms
)

// orders are the ways to take turns, each beside its mirror image, so that no side is always first, or always next to
// another.
var orders = [...][arms]int{
	{base, head, control}, {control, head, base}, {head, control, base}, {base, control, head}, {control, base, head}, {head, base, control},
}

// Run makes rounds until the time is up. An error leaves nothing running.
func Run(ctx context.Context, c Config) (Result, error) {
	env, remove, err := idleGo(c.Dir)
	if err != nil {
		return Result{}, err
	}
	defer remove()
	m := measurement{
		env: env, Config: c, rng: rand.New(rand.NewPCG(c.Seed, 0)), series: map[string]*regress.Series{},
		hard: map[string]*hard{}, unlike: map[string]bool{},
	}
	for _, s := range c.Suites {
		m.states = append(m.states, &state{suite: s})
	}
	for s := m.next(); s != nil; s = m.next() {
		s.rounds++
		if c.Progress != nil {
			c.Progress(s.rounds, s.suite)
		}
		began := time.Now()
		if err := m.try(ctx, s); err != nil {
			return Result{}, err
		}
		took := time.Since(began)
		s.spent, s.longest = s.spent+took, max(s.longest, took)
	}
	return m.result(), nil
}

// state is how far a suite is.
type state struct {
	suite          Suite
	rounds         int
	spent, longest time.Duration
	broken         bool // in base
}

// next is the suite whose turn it is: none is to have fewer rounds than the rest until all have as many as a decision
// takes; from then on they share the time evenly, so that quick ones get more. It is nil when the time is up.
func (m *measurement) next() (best *state) {
	enough := regress.DefaultRules().MinPairs
	for _, s := range m.states {
		if s.broken || s.rounds >= m.Most || s.rounds >= m.Least && time.Now().Add(s.longest).After(m.Until) {
			continue
		}
		if best == nil || min(s.rounds, enough) < min(best.rounds, enough) ||
			min(s.rounds, enough) == min(best.rounds, enough) && s.spent < best.spent {
			best = s
		}
	}
	return best
}

// try makes a suite's round. One whose benchmarks fail in base has nothing to be compared with, from then on.
func (m *measurement) try(ctx context.Context, s *state) error {
	err := m.round(ctx, s.suite)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("benchmarks %s of %s: %w", s.suite.Bench, s.suite.Package, err)
	if ctx.Err() != nil || !errors.As(err, new(baseError)) {
		return err
	}
	s.broken = true
	m.failed = append(m.failed, err.Error())
	return nil
}

// idleGo is an environment in which the command go does nothing, and succeeds at it. The set-up of a package's tests may
// build programs (TestMain), which takes longer than the benchmarks do, and which they have no use for.
func idleGo(parent string) (env []string, remove func(), err error) {
	dir, err := os.MkdirTemp(parent, "idle-go-")
	if err != nil {
		return nil, nil, fmt.Errorf("make directory: %w", err)
	}
	remove = func() { os.RemoveAll(dir) }
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		remove()
		return nil, nil, fmt.Errorf("write an idle go: %w", err)
	}
	return append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH")), remove, nil
}

// baseError is that of a program of base.
type baseError struct{ error }

func (e baseError) Unwrap() error { return e.error }

func blame(arm int, err error) error {
	if err == nil || arm == head {
		return err
	}
	return baseError{fmt.Errorf("base: %w", err)}
}

// measurement is a Run under way.
type measurement struct {
	Config
	env    []string
	rng    *rand.Rand
	states []*state
	names  []string // of series, in order of appearance
	series map[string]*regress.Series
	hards  []string
	hard   map[string]*hard
	unlike map[string]bool
	failed []string
	text   [arms]strings.Builder
}

// hard collects a figure that is compared hard.
type hard struct {
	name, unit string
	base, head []float64
}

func (m *measurement) result() Result {
	r := Result{BaseText: m.text[base].String(), HeadText: m.text[head].String()}
	for _, s := range m.states {
		r.Rounds += s.rounds
	}
	for _, name := range m.names {
		r.Series = append(r.Series, *m.series[name])
	}
	for _, key := range m.hards {
		h := m.hard[key]
		base, head := stat.Median(h.base), stat.Median(h.head)
		if h.unit == bytesUnit {
			r.Gates = append(r.Gates, regress.Slack(h.name, h.unit, base, head, bytesSlack))
		} else {
			r.Gates = append(r.Gates, regress.Growth(h.name, h.unit, base, head, 0))
		}
	}
	r.Unlike, r.Failed = slices.Sorted(maps.Keys(m.unlike)), m.failed
	return r
}
