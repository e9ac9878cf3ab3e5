package slices

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"supernode/bench/lab"
	"supernode/bench/plan"
	"supernode/bench/stat"
)

// A server that can be made slower has {burn} in its command, which stands for the work to waste for each query, as package
// burn reads it.
const burnWord = "{burn}"

// Burning is such a server's command with so many turns of the loop a query.
func Burning(command string, turns int) string {
	return strings.ReplaceAll(command, burnWord, strconv.Itoa(turns)+"x")
}

// Calibration is what a query costs, and what a turn of the wasted work does, measured on the loaded machine.
type Calibration struct {
	QueryNS   stat.Estimate `json:"query_ns"`          // CPU time of a query at the fixed rate, nothing wasted
	FlatOutNS stat.Estimate `json:"query_flat_out_ns"` // the same flat out
	WasteNS   stat.Estimate `json:"waste_ns"`          // what Probe turns add to FlatOutNS
	Probe     int           `json:"probe_turns"`
	TurnNS    float64       `json:"turn_ns"`
	Uncertain float64       `json:"uncertain"` // half the width of the interval of WasteNS, as a share of it
}

// probeTurns take two or three microseconds, so that they stand out of the noise of as long a query.
const probeTurns = 1500

// Turns is how many make a query slower by a share.
func (c Calibration) Turns(share float64) int {
	return int(share*c.QueryNS.Median/c.TurnNS + 0.5)
}

// Injected is what share of a query's cost those turns are in a metric. The server wastes the same for each query in both
// measures, and flat out, where a query costs less, this is more of it; of answers a second, as far as the server is the limit.
func (c Calibration) Injected(m Metric, share float64) float64 {
	if m.measure == plan.Max && c.FlatOutNS.Median > 0 {
		return share * c.QueryNS.Median / c.FlatOutNS.Median
	}
	return share
}

// Calibrate measures the server with and without wasted work, in blocks as all is measured here. What a turn takes is seen
// flat out, where batches are full whatever a query takes; at a fixed rate a server that takes longer for one finds more of
// them waiting, and saves on system calls some of what it wastes.
func Calibrate(ctx context.Context, l *lab.Lab, server, generator string, load Load, blocks int, seed uint64) (c Calibration, err error) {
	const probe = "probe"
	s := set{load: load, size: Size{Rounds: 1, Blocks: blocks}, seed: seed, groups: []group{{
		measures: both,
		subjects: []Subject{
			{Name: Base, Server: Burning(server, 0), Generator: generator},
			{Name: probe, Server: Burning(server, probeTurns), Generator: generator},
		},
	}}}
	all, err := s.run(ctx, l)
	if err != nil {
		return c, fmt.Errorf("calibrate: %w", err)
	}
	fixed, flatOut := figuresOf(all, serverMetrics[0]), figuresOf(all, serverMetrics[1])
	var queries []float64
	for _, v := range fixed[Base] {
		queries = append(queries, v)
	}
	return NewCalibration(queries, pairs(moments(all), flatOut[Base], flatOut[probe]), probeTurns)
}

// NewCalibration works it out from the CPU time of queries at the fixed rate, and from pairs of it flat out, without and
// with so many turns of wasted work.
func NewCalibration(queries []float64, flatOut []stat.Pair, turns int) (c Calibration, err error) {
	boot := stat.DefaultRules().Bootstrap()
	bases := make([]float64, len(flatOut))
	for i, p := range flatOut {
		bases[i] = p.Base
	}
	c = Calibration{QueryNS: boot.Median(queries), FlatOutNS: boot.Median(bases), WasteNS: boot.Difference(flatOut), Probe: turns}
	if !(c.WasteNS.Median > 0) || !(c.QueryNS.Median > 0) {
		return c, fmt.Errorf("calibrate: %d turns of wasted work added %.0f ns to a query of %.0f ns (%d pairs): does the server waste when told to, or is the machine too busy?",
			turns, c.WasteNS.Median, c.FlatOutNS.Median, len(flatOut))
	}
	c.TurnNS = c.WasteNS.Median / float64(turns)
	c.Uncertain = (c.WasteNS.Hi - c.WasteNS.Lo) / 2 / c.WasteNS.Median
	return c, nil
}

// String says it in a line.
func (c Calibration) String() string {
	return fmt.Sprintf("a query takes %.0f ns of CPU time at the fixed rate and %.0f ns flat out, a turn of wasted work %.2f ns (±%.0f %%)", c.QueryNS.Median, c.FlatOutNS.Median, c.TurnNS, 100*c.Uncertain)
}
