package inprocess

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"supernode/bench/regress"
	"supernode/bench/stat"
)

// round runs a suite once in fresh processes.
func (m *measurement) round(ctx context.Context, s Suite) error {
	var out [arms][]repetition
	texts, err := m.takeTurns(ctx, s)
	if err != nil {
		return err
	}
	for arm := range out {
		if out[arm], err = parse(texts[arm]); err != nil {
			return err
		}
		m.text[arm].WriteString(texts[arm])
	}
	m.pairUp(s, out)
	for _, unit := range HardUnits() {
		m.collectHard(s, unit, out)
	}
	return nil
}

// takeTurns returns what each process printed.
func (m *measurement) takeTurns(ctx context.Context, s Suite) (texts [arms]string, err error) {
	var turnstiles [arms]*turnstile
	var finished [arms]bool
	defer func() {
		for arm, t := range turnstiles {
			if t == nil {
				continue
			}
			text, e := t.leave(finished[arm])
			texts[arm] = text
			err = errors.Join(err, blame(arm, e))
		}
	}()
	order := orders[m.rng.IntN(len(orders))]
	for _, arm := range order {
		side := m.Base
		if arm == head {
			side = m.Head
		}
		dir := ""
		if side.Source != "" {
			dir = filepath.Join(side.Source, s.Package)
		}
		turnstiles[arm], err = enter(filepath.Join(side.Programs, s.Binary()), dir, m.env, m.CPU,
			"-test.run=^$", "-test.cpu=1", "-test.benchmem", "-test.bench="+s.Bench,
			"-test.benchtime="+s.time(), fmt.Sprintf("-test.count=%d", repetitions))
		if err != nil {
			return texts, err
		}
		// The first turn builds what the benchmark needs, alone.
		if err := m.turn(ctx, turnstiles[arm], &finished[arm]); err != nil {
			return texts, blame(arm, err)
		}
	}
	for k := m.rng.IntN(len(orders)); finished != [arms]bool{true, true, true}; k++ {
		for _, arm := range orders[k%len(orders)] {
			if err := m.turn(ctx, turnstiles[arm], &finished[arm]); err != nil {
				return texts, blame(arm, err)
			}
		}
	}
	return texts, nil
}

func (m *measurement) turn(ctx context.Context, t *turnstile, finished *bool) error {
	if *finished {
		return nil
	}
	more, err := t.turn(ctx)
	*finished = !more && err == nil
	return err
}

// pairUp adds the round's pairs to the series.
func (m *measurement) pairUp(s Suite, out [arms][]repetition) {
	var values [arms]map[string][]float64
	for arm := range values {
		values[arm] = figures(out[arm], s.Unit)
	}
	for _, name := range namesOf(out[base], out[head]) {
		full := s.Package + "." + name
		if values[base][name] == nil || values[head][name] == nil {
			m.unlike[full] = true
			continue
		}
		if m.Only != nil && !m.Only[full] {
			continue
		}
		of := m.series[full]
		if of == nil {
			of = &regress.Series{Metric: regress.Metric{Name: full, Unit: s.Unit, Kind: regress.KindInProcess, Better: stat.Lower}}
			m.series[full] = of
			m.names = append(m.names, full)
		}
		if p, ok := pair(values[base][name], values[head][name]); ok {
			of.Pairs = append(of.Pairs, p)
		}
		if p, ok := pair(values[base][name], values[control][name]); ok {
			of.Control = append(of.Control, p)
		}
	}
}

// namesOf are the benchmarks of either output, in order.
func namesOf(outs ...[]repetition) (names []string) {
	for _, out := range outs {
		for _, r := range out {
			if !slices.Contains(names, r.name) {
				names = append(names, r.name)
			}
		}
	}
	return names
}

func (m *measurement) collectHard(s Suite, unit string, out [arms][]repetition) {
	bases, heads := figures(out[base], unit), figures(out[head], unit)
	for _, name := range namesOf(out[base]) {
		if bases[name] == nil || heads[name] == nil {
			continue
		}
		full := s.Package + "." + name
		h := m.hard[full+unit]
		if h == nil {
			h = &hard{name: full, unit: unit}
			m.hard[full+unit] = h
			m.hards = append(m.hards, full+unit)
		}
		h.base, h.head = append(h.base, bases[name]...), append(h.head, heads[name]...)
	}
}
