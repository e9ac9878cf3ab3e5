package slices

import (
	"fmt"
	"math"

	"supernode/bench/plan"
	"supernode/bench/stat"
)

// Series is what was measured of a metric: pairs of the same block.
type Series struct {
	Metric
	Pairs   []stat.Pair // head against base and control together
	Control []stat.Pair // control against base, which are the same program
	Null    []stat.Pair // the null responder against base and control together

	Rounds int     // with any pair
	Luck   float64 // the spread between their medians, as log ratios: how far processes of one program differ, and noise
	Doubt  string  // why the figure says nothing of the servers, whatever it is; "" if it does
}

// The names of those that are compared. Generators have the second kind of names, and "null" is their server.
const (
	Base    = "base"
	Control = "control"
	Head    = "head"
	Null    = "null"

	baseGenerator    = "base generator"
	controlGenerator = "control generator"
	headGenerator    = "head generator"
)

// figures are a metric's values by subject and block: the geometric mean of the subject's slices in the block.
type figures map[string]map[moment]float64

// moment is what figures must share to be compared.
type moment struct{ set, block int }

// figuresOf takes a subject out of a block in which one of its two slices says nothing: it would be off the block's middle.
func figuresOf(all []Slice, m Metric) figures {
	type key struct {
		subject string
		at      moment
	}
	sums, counts := map[key]float64{}, map[key]int{}
	var order []key
	for _, s := range all {
		v := m.of(s)
		if s.Measure != m.measure || s.Problem != "" || !(v > 0) {
			continue
		}
		k := key{s.Subject, moment{s.Set, s.Block}}
		if counts[k] == 0 {
			order = append(order, k)
		}
		sums[k] += math.Log(v)
		counts[k]++
	}
	f := figures{}
	for _, k := range order {
		if counts[k] != slicesABlock {
			continue
		}
		if f[k.subject] == nil {
			f[k.subject] = map[moment]float64{}
		}
		f[k.subject][k.at] = math.Exp(sums[k] / slicesABlock)
	}
	return f
}

// slicesABlock is how often a block measures each of its subjects.
const slicesABlock = 2

// moments lists those of all slices, in order.
func moments(all []Slice) (list []moment) {
	seen := map[moment]bool{}
	for _, s := range all {
		if at := (moment{s.Set, s.Block}); !seen[at] {
			seen[at] = true
			list = append(list, at)
		}
	}
	return list
}

// bases is the geometric mean of base and control, block by block, where there are both.
func (f figures) bases(base, control string) map[moment]float64 {
	out := map[moment]float64{}
	for at, b := range f[base] {
		if c, ok := f[control][at]; ok {
			out[at] = math.Sqrt(b * c)
		}
	}
	return out
}

// pairs puts figures of the same moment together.
func pairs(at []moment, base, arm map[moment]float64) (ps []stat.Pair) {
	for _, m := range at {
		b, hasBase := base[m]
		a, hasArm := arm[m]
		if hasBase && hasArm {
			ps = append(ps, stat.Pair{Base: b, Arm: a})
		}
	}
	return ps
}

// seriesOf makes the series of a metric from a set's slices, or several sets'.
func seriesOf(all []Slice, m Metric, base, control, head string) Series {
	f, at := figuresOf(all, m), moments(all)
	both := f.bases(base, control)
	s := Series{
		Metric: m, Pairs: pairs(at, both, f[head]), Control: pairs(at, f[base], f[control]), Null: pairs(at, both, f[Null]),
	}
	s.Rounds, s.Luck = luck(all, both, f[head])
	if m.saturates {
		s.Doubt = idle(all, m.measure, base, control, head)
	}
	return s
}

// luck compares the medians of rounds, each of which has processes of its own.
func luck(all []Slice, base, arm map[moment]float64) (rounds int, spreading float64) {
	type round struct{ set, round int }
	logs, seen := map[round][]float64{}, map[moment]bool{}
	for _, s := range all {
		at := moment{s.Set, s.Block}
		if b, a := base[at], arm[at]; !seen[at] && b > 0 && a > 0 {
			in := round{s.Set, s.Round}
			logs[in] = append(logs[in], math.Log(a/b))
		}
		seen[at] = true
	}
	var medians []float64
	for _, l := range logs {
		medians = append(medians, stat.Median(l))
	}
	return len(medians), spread(medians)
}

// saturated is how busy a server's core must be for it to be the server that limits a closed loop, as in reports.
var saturated = stat.DefaultRules().Saturated

// idle says that the generator was the limit: one side's core had time left, as a median over its slices.
func idle(all []Slice, measure plan.Measure, base, control, head string) string {
	busy := map[string][]float64{}
	for _, s := range all {
		if s.Measure == measure && s.Problem == "" && s.Duration > 0 && s.Answered > 0 {
			name := s.Subject
			if name == control {
				name = base
			}
			busy[name] = append(busy[name], s.busy())
		}
	}
	for _, name := range []string{base, head} {
		if part := stat.Median(busy[name]); len(busy[name]) > 0 && part < saturated {
			return fmt.Sprintf("the generator is the limit: the core of %s was busy for %.0f %% of the time (median), at least %.0f %% are needed", name, 100*part, 100*saturated)
		}
	}
	return ""
}

// ServerSeries are the series of head against base, a metric each.
func ServerSeries(all []Slice, head string) (list []Series) {
	for _, m := range serverMetrics {
		list = append(list, seriesOf(all, m, Base, Control, head))
	}
	return list
}

// GeneratorSeries are the same for the generators.
func GeneratorSeries(all []Slice) (list []Series) {
	for _, m := range generatorMetrics {
		s := seriesOf(all, m, baseGenerator, controlGenerator, headGenerator)
		s.Null = nil
		list = append(list, s)
	}
	return list
}
