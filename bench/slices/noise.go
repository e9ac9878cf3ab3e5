package slices

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"supernode/bench/stat"
)

// Setting is a length of slices to try.
type Setting struct {
	Warmup time.Duration `json:"warmup_ns"`
	Length time.Duration `json:"length_ns"`
}

// Noise is what a machine makes of a server that is compared with itself, in slices of a length, and in a metric.
type Noise struct {
	Setting
	Metric string  `json:"metric"`
	Pairs  int     `json:"pairs"`
	Spread float64 `json:"spread"` // of a pair's log ratio: the median absolute deviation, scaled to a normal's sigma
	// Minute is half the width of the interval that a minute of measuring base, control and head would make, as a share.
	Minute float64 `json:"interval_after_a_minute"`
	// Luck is how far processes of the same program differ: the spread between rounds of their medians. It holds the noise
	// of a round's median as well.
	Luck float64 `json:"between_rounds"`
}

// Study tries lengths of slices on this machine. For each round it starts new processes; a round makes blocks in all
// settings by turns, so that all meet the same weather.
type Study struct {
	Server    string
	Generator string
	Load      Load
	Settings  []Setting
	Rounds    int
	Blocks    int // of each setting, in each round
	Seed      uint64
	Say       func(format string, args ...any)
	Record    func(Slice) error // may be nil; the set is the setting's number
}

// Run builds a lab, measures, and takes it down.
func (t Study) Run(ctx context.Context) (list []Noise, err error) {
	l, done, err := build(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	var subjects []Subject
	for _, name := range []string{Base, Control, Head} {
		subjects = append(subjects, Subject{Name: name, Server: Burning(t.Server, 0), Generator: t.Generator})
	}
	bySetting := make([][]Slice, len(t.Settings))
	for round := range t.Rounds {
		t.Say("round %d of %d", round+1, t.Rounds)
		s, err := raise(ctx, l, t.Load, subjects, t.Seed)
		if err != nil {
			return nil, err
		}
		err = t.round(ctx, s, round, bySetting)
		if err := errors.Join(err, s.close()); err != nil {
			return nil, err
		}
	}
	for i, setting := range t.Settings {
		list = append(list, noiseOf(bySetting[i], setting)...)
	}
	return list, nil
}

func (t Study) round(ctx context.Context, s *stand, round int, bySetting [][]Slice) error {
	for b := range t.Blocks {
		block := round*t.Blocks + b
		for _, number := range Order(t.Seed, block, len(both), len(t.Settings))[:len(t.Settings)] {
			s.load.Warmup, s.load.Length = t.Settings[number].Warmup, t.Settings[number].Length
			for i, m := range both {
				for place, subject := range Order(t.Seed+uint64(number)<<32, block, i, len(s.rigs)) {
					slice, err := s.slice(ctx, subject, m, t.Seed+uint64(block))
					if err != nil {
						return err
					}
					slice.Set, slice.Round, slice.Block, slice.Place = number, round, block, place
					bySetting[number] = append(bySetting[number], slice)
					if t.Record == nil {
						continue
					}
					if err := t.Record(slice); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// noiseOf describes what was measured in one setting.
func noiseOf(all []Slice, setting Setting) (list []Noise) {
	const subjects = 3
	blockTakes := time.Duration(slicesABlock*subjects*len(both)) * (setting.Warmup + setting.Length + overhead)
	blocks := float64(time.Minute) / float64(blockTakes)
	for _, series := range ServerSeries(all, Head) {
		logs := logsOf(series.Pairs)
		n := Noise{Setting: setting, Metric: series.Name, Pairs: len(logs), Spread: spread(logs)}
		// The standard error of a median of normal values is 1.25 times that of their mean.
		n.Minute = 1.96 * 1.25 * n.Spread / math.Sqrt(blocks)
		n.Luck = series.Luck
		list = append(list, n)
	}
	return list
}

func logsOf(pairs []stat.Pair) (logs []float64) {
	for _, p := range pairs {
		logs = append(logs, math.Log(p.Arm/p.Base))
	}
	return logs
}

// spread is the median absolute deviation from the median, times what makes it a normal distribution's sigma.
func spread(xs []float64) float64 {
	middle, off := stat.Median(xs), make([]float64, len(xs))
	for i, x := range xs {
		off[i] = math.Abs(x - middle)
	}
	return 1.4826 * stat.Median(off)
}

// NoiseTable prints what a study found.
func NoiseTable(w io.Writer, list []Noise) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "warm-up\tlength\tmetric\tpairs\tspread of a pair\t± after a minute\tbetween rounds\t")
	for _, n := range list {
		fmt.Fprintf(t, "%v\t%v\t%s\t%d\t%.1f %%\t%.1f %%\t%.1f %%\t\n", n.Warmup, n.Length, n.Metric, n.Pairs, 100*n.Spread, 100*n.Minute, 100*n.Luck)
	}
	return t.Flush()
}
