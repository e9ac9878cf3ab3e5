package conntrack

import (
	"math"
	"time"
)

// usualEntryBytes stands for an entry's size where /proc/slabinfo is not to be read (root only): that of 64-bit kernels
// since 4.9 or so.
const usualEntryBytes = 256

// bucketBytes is the size of struct hlist_nulls_head on 64-bit machines.
const bucketBytes = 8

// confidence95 is half of what four standard deviations are to a 95 % interval.
const confidence95 = 1.96

// poisson returns the 95 % interval of the mean of which n were counted, by Anscombe's square root, which is good to a
// tenth from n = 4 on.
func poisson(n uint64) (low, high float64) {
	root := math.Sqrt(float64(n) + 3./8)
	low = max(0, root-confidence95/2)
	low = max(0, low*low-3./8)
	high = (root+confidence95/2)*(root+confidence95/2) - 3./8
	if n == 0 {
		high = 3.7 // -ln 0.025
	}
	return low, high
}

// capacity compares what arrives with what the table can take. It is pure.
//
// New flows are counted by the kernel's own events where someone listened. Otherwise only bounds are known, since the
// kernel counts no insertions: at least as many as the count grew, and at most as many as the table can have taken in
// while every entry lives for the shortest timeout, plus what was evicted.
func capacity(o Observation) (c Capacity) {
	f := o.Last
	seconds := o.Window.Seconds()
	growth := 0.0
	if seconds > 0 {
		growth = (float64(f.Count) - float64(o.First.Count)) / seconds
	}
	counted := f.Counters.Sub(o.First.Counters)
	life, stream := f.UDPTimeout.Seconds(), f.UDPStreamTimeout.Seconds()
	switch {
	case o.NewFlows.Over > 0:
		low, high := poisson(o.NewFlows.Count)
		over := o.NewFlows.Over.Seconds()
		c.NewFlows, c.NewFlowsLow, c.NewFlowsHigh = float64(o.NewFlows.Count)/over, low/over, high/over
	case life > 0 && seconds > 0:
		evicted := float64(counted[EarlyDrop]) / seconds
		c.NewFlowsLow = max(0, growth)
		c.NewFlowsHigh = max(c.NewFlowsLow, float64(f.Count)/life+evicted)
		c.NewFlows = (c.NewFlowsLow + c.NewFlowsHigh) / 2
	}
	if seconds > 0 {
		refused := float64(counted[Drop]) / seconds // each wanted to be a new flow
		c.NewFlows, c.NewFlowsLow, c.NewFlowsHigh = c.NewFlows+refused, c.NewFlowsLow+refused, c.NewFlowsHigh+refused
	}
	if f.Limit == 0 {
		return c // unknown, or without a limit
	}
	if life > 0 {
		c.Sustainable = float64(f.Limit) / life
	}
	c.forecast(f, growth, seconds, stream)
	return c
}

// forecast extends the growth of the count to the limit. Growth is a difference of arrivals and expiries, each about
// as random as Poisson's; where it cannot be told from none there is no forecast, and neither where the table would
// not be full if every flow were to last as a stream does.
func (c *Capacity) forecast(f Facts, growth, seconds, stream float64) {
	if f.Count >= f.Limit {
		zero := 0.0
		c.ToFull, c.ToFullLow, c.ToFullHigh = &zero, &zero, &zero
		return
	}
	if growth <= 0 || c.NewFlowsHigh*stream < float64(f.Limit) {
		return
	}
	free := float64(f.Limit - f.Count)
	events := max(growth, 2*c.NewFlows-growth) * seconds // arrivals and expiries
	spread := confidence95 * math.Sqrt(events) / seconds
	if growth <= spread {
		return
	}
	at := func(rate float64) *float64 { t := free / rate; return &t }
	c.ToFull, c.ToFullLow = at(growth), at(growth+spread)
	if c.NewFlowsLow*f.UDPTimeout.Seconds() >= float64(f.Limit) { // else expiry may catch up
		c.ToFullHigh = at(growth - spread)
	}
}

// within says whether the forecast is nearer than d.
func (c Capacity) within(d time.Duration) bool { return c.ToFull != nil && *c.ToFull <= d.Seconds() }
