package peers

import (
	"fmt"

	"supernode/bench/report"
	"supernode/bench/stat"
)

// AnswersPerS is the rate of answers within the measured interval.
func (t Trial) AnswersPerS() float64 { return float64(t.Answered) / (float64(t.Duration) / 1e9) }

// CPUPerQuery is what an answer cost the server's side, in ns: its threads and its interface's receive work.
func (t Trial) CPUPerQuery() float64 {
	return float64(t.Trial.Server+t.ServerNAPI) / float64(t.Answered)
}

// Busy is the share of its core that the server's side used.
func (t Trial) Busy() float64 { return float64(t.Trial.Server+t.ServerNAPI) / float64(t.Duration) }

// place is where a trial belongs. One that could not count may have been made again.
type place struct {
	server  string
	measure Measure
	block   int
}

// counted holds the trials that count, by what was measured, one of a block.
type counted struct {
	boot   stat.Bootstrap
	trials map[place]Trial
	blocks int
	empty  map[place]string // measured, and nothing was answered: why
}

func newCounted(run Run, count *Count) counted {
	c := counted{boot: stat.DefaultRules().Bootstrap(), trials: map[place]Trial{}, empty: map[place]string{}}
	attempted := map[place]bool{}
	for _, t := range run.Trials {
		at := place{t.Server, t.Measure, t.Block}
		c.blocks = max(c.blocks, t.Block+1)
		if attempted[at] {
			count.Repeats++
		}
		attempted[at] = true
		why := report.Excluded(t.Trial)
		switch {
		case t.Problem != "":
			c.empty[at] = t.Problem
		case t.Duration > 0 && t.Answered == 0:
			c.empty[at] = "answers nothing"
		case why == "":
			c.trials[at] = t
		default:
			if count.Excluded == nil {
				count.Excluded = map[string]int{}
			}
			count.Excluded[why]++
		}
	}
	count.Attempts, count.Recorded = len(run.Trials), len(attempted)
	for at := range attempted {
		if _, ok := c.trials[at]; ok {
			count.Counted++
			delete(c.empty, at)
		}
	}
	count.Failed = len(c.empty)
	return c
}

// of are the trials of one server at one thing, in the order of their blocks.
func (c *counted) of(server string, m Measure) (own []Trial) {
	for block := range c.blocks {
		if t, ok := c.trials[place{server, m, block}]; ok {
			own = append(own, t)
		}
	}
	return own
}

func (c *counted) median(server string, m Measure, of func(Trial) float64) stat.Estimate {
	trials := c.of(server, m)
	xs := make([]float64, len(trials))
	for i, t := range trials {
		xs[i] = of(t)
	}
	return c.boot.Median(xs)
}

// side is what to take of which trials for a ratio.
type side struct {
	server  string
	measure Measure
	of      func(Trial) float64
}

// ratio is that of over to under, in pairs of one block.
func (c *counted) ratio(over, under side) stat.Estimate {
	var pairs []stat.Pair
	for _, u := range c.of(under.server, under.measure) {
		if o, ok := c.trials[place{over.server, over.measure, u.Block}]; ok {
			pairs = append(pairs, stat.Pair{Base: under.of(u), Arm: over.of(o)})
		}
	}
	return c.boot.Ratio(pairs)
}

// subject is the ratio of the subject to a server, of one quantity at one thing. Of the subject itself there is none.
func (c *counted) subject(server string, m Measure, of func(Trial) float64) stat.Estimate {
	if server == Subject {
		return stat.Estimate{}
	}
	return c.ratio(side{Subject, m, of}, side{server, m, of})
}

func lossOf(trials []Trial) float64 {
	var sent, lost uint64
	for _, t := range trials {
		sent += t.Load.Sent
		lost += t.Load.Lost
	}
	if sent == 0 {
		return 0
	}
	return float64(lost) / float64(sent)
}

func (c *counted) table(servers []Server, m Measure) Table {
	t := Table{Method: m}
	for _, s := range servers {
		if !s.Knows(m) {
			continue
		}
		row := Row{
			Server: s.Name, AnswersPerS: c.median(s.Name, m, Trial.AnswersPerS), CPU: c.median(s.Name, m, Trial.CPUPerQuery),
			Busy: c.median(s.Name, m, Trial.Busy), Speed: c.subject(s.Name, m, Trial.AnswersPerS), Lost: lossOf(c.of(s.Name, m)),
		}
		if s.Name != Subject {
			row.Frugal = c.ratio(side{s.Name, m, Trial.CPUPerQuery}, side{Subject, m, Trial.CPUPerQuery})
		}
		row.Limited = c.limited(s.Name, m) > 0
		row.Bound = bound(c.limited(Subject, m) > 0, row.Limited)
		c.judge(&row, m, s.Payload != "")
		t.Rows = append(t.Rows, row)
	}
	compareReplies(t.Rows, servers, m)
	return t
}

// bound is that of over ÷ under, if the generator has kept one of them, or both, from being larger.
func bound(over, under bool) Bound {
	switch {
	case over && under:
		return Unbound
	case over:
		return AtLeast
	case under:
		return AtMost
	}
	return ""
}

// limited is in how many trials the generator, not the server, may have set the figures.
func (c *counted) limited(server string, m Measure) (n int) {
	for _, t := range c.of(server, m) {
		if t.Load.GeneratorLimited {
			n++
		}
	}
	return n
}

// limits marks the measures that the generator has limited.
func (c *counted) limits(server string, measures ...Measure) (marks []string) {
	for _, m := range measures {
		if n := c.limited(server, m); n > 0 {
			marks = append(marks, fmt.Sprintf("generator's limit in %d of %s of %s", n, report.Plural(len(c.of(server, m)), "trial"), m))
		}
	}
	return marks
}

// latency is a row, if there is anything to be said.
func (c *counted) latency(server string) []LatencyRow {
	trials := c.of(server, Latency)
	if len(trials) == 0 {
		return nil
	}
	p50 := func(t Trial) float64 { return t.Load.Latency.P50 }
	p99 := func(t Trial) float64 { return t.Load.Latency.P99 }
	p999 := func(t Trial) float64 { return t.Load.Latency.P999 }
	return []LatencyRow{{
		Server: server, Offered: trials[0].Load.OfferedQPS, Lost: lossOf(trials),
		P50: c.median(server, Latency, p50), P99: c.median(server, Latency, p99), P999: c.median(server, Latency, p999),
		P99Ratio: c.subject(server, Latency, p99), P999Ratio: c.subject(server, Latency, p999),
		Marks: c.limits(server, Latency),
	}}
}

func (c *counted) overload(server string) []OverloadRow {
	trials := c.of(server, Overload)
	if len(trials) == 0 {
		return nil
	}
	best := side{server, Mix, Trial.AnswersPerS}
	return []OverloadRow{{
		Server: server, Offered: trials[0].Load.OfferedQPS,
		Sent:    c.ratio(side{server, Overload, func(t Trial) float64 { return t.Load.SendQPS }}, best),
		Answers: c.ratio(side{server, Overload, Trial.AnswersPerS}, best),
		Recovery: c.median(server, Recovery, func(t Trial) float64 {
			return float64(t.Load.Answered) / float64(max(t.Load.Sent, 1))
		}),
		Marks: c.limits(server, Mix, Overload, Recovery),
	}}
}
