package main

import (
	"fmt"
	"io"
	"iter"
	"math"
	"time"

	"supernode/internal/terminal"
)

// live shows a trial as it goes, a line a second: on a terminal rewritten in place, with a bar.
type live struct {
	out    io.Writer
	width  func() int // columns of the terminal now; nil: out is none
	colour bool
}

func newLive(out io.Writer) *live {
	l := &live{out: out}
	if terminal.Live(out) {
		l.width = func() int { return terminal.Width(out, 80) }
		l.colour = terminal.Colour(out)
	}
	return l
}

// interval shows the next interval.
func (l *live) interval(i *interval) {
	switch {
	case i.phase >= phaseGrace && i.sent == 0 && i.answered == 0: // nothing but waiting
	case l.width == nil:
		fmt.Fprintln(l.out, plainLine(i))
	default:
		fmt.Fprintf(l.out, "\r\x1b[K%s", barLine(i, l.width(), l.colour))
	}
}

// end says that the trial is over.
func (l *live) end() {
	if l.width != nil {
		fmt.Fprintln(l.out)
	}
}

// observer is somebody who wants to know what happens in a trial.
type observer interface {
	interval(i *interval) // the next one, of which it keeps nothing
	end()                 // that was the last one
}

// watcher shows each interval to l, which may be nil, and to the others; without any it is nil.
func watcher(l *live, logs ...observer) watch {
	var all []observer
	if l != nil {
		all = append(all, l)
	}
	if all = append(all, logs...); len(all) == 0 {
		return nil
	}
	return func(intervals iter.Seq[*interval]) {
		for i := range intervals {
			for _, o := range all {
				o.interval(i)
			}
		}
		for _, o := range all {
			o.end()
		}
	}
}

// glance is an interval in the words that a line is made of. Latency is that of the cohort's answers in it, so there is none
// in a warm-up.
type glance struct {
	at, offered, sent, answered, lost, p50, p99, left string
	loss                                              float64 // of the queries that were answered or given up
	served                                            float64 // the part of what was offered that was answered, at most 1
}

func (i *interval) glance() (g glance) {
	took := float64(i.to-i.from) / 1e9
	if took <= 0 {
		took = 1
	}
	sent, answered := float64(i.sent)/took, float64(i.answered)/took
	g.at = fmt.Sprintf("%4.0fs", math.Floor(float64(i.to)/1e9+0.05)) // half seconds would be rounded up and down in turn
	g.offered, g.served = "offered "+perSecond(i.offered), 1
	asked := i.offered
	if i.closed {
		g.offered, asked = "offered max", sent
	}
	if asked > 0 {
		g.served = min(1, answered/asked)
	}
	g.sent, g.answered = "sent "+perSecond(sent), "answered "+perSecond(answered)
	if settled := i.answered + i.lost; settled > 0 {
		g.loss = float64(i.lost) / float64(settled)
	}
	g.lost = fmt.Sprintf("lost %.2f %%", 100*g.loss)
	if i.latency.TotalCount() > 0 {
		g.p50, g.p99 = "p50 "+micros(i.latency.ValueAtQuantile(50)), "p99 "+micros(i.latency.ValueAtQuantile(99))
	}
	switch i.phase {
	case phaseWarmup:
		g.left = "warming up"
	case phaseMeasure:
		g.left = fmt.Sprintf("%s left", time.Duration(max(0, i.ends-i.to)).Round(time.Second))
	}
	return g
}

func perSecond(n float64) string { return thousands(n) + "/s" }

// thousands writes a number as 1,234,567; below 10 with a decimal.
func thousands(n float64) string {
	if n > 0 && n < 10 {
		return fmt.Sprintf("%.1f", n)
	}
	digits := fmt.Sprintf("%.0f", n)
	var b []byte
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b = append(b, ',')
		}
		b = append(b, digits[i])
	}
	return string(b)
}

func micros(ns int64) string { return thousands(float64(ns)/1e3) + " µs" }
