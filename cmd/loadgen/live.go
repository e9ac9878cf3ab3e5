package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// plainPeriod is how many seconds a line stands for where the lines are not rewritten in place.
const plainPeriod = 5

// live shows a trial as it goes: one line a second, rewritten in place, on a terminal; else one line in five.
type live struct {
	out      io.Writer
	terminal bool
	sum      interval // what the next plain line will tell
	latency  *hdrhistogram.Histogram
}

func newLive(out io.Writer) *live {
	f, isFile := out.(*os.File)
	return &live{out: out, terminal: isFile && isTerminal(f), latency: newHistogram()}
}

// show takes the next interval; it keeps nothing of it.
func (l *live) show(i *interval) {
	if i.phase >= phaseGrace && i.sent == 0 && i.answered == 0 {
		return // nothing but waiting
	}
	if l.terminal {
		fmt.Fprintf(l.out, "\r\x1b[K%s", i.line(i.latency))
		return
	}
	i.sent, i.answered, i.lost, i.from = i.sent+l.sum.sent, i.answered+l.sum.answered, i.lost+l.sum.lost, l.sum.from
	l.sum = *i
	l.latency.Merge(i.latency)
	if l.sum.to-l.sum.from > (plainPeriod-1)*feedPeriod+feedPeriod/2 {
		l.plain()
	}
}

// plain writes the line that has come together, and begins the next.
func (l *live) plain() {
	fmt.Fprintln(l.out, l.sum.line(l.latency))
	l.sum = interval{from: l.sum.to}
	l.latency.Reset()
}

// end says that the trial is over.
func (l *live) end() {
	switch {
	case l.terminal:
		fmt.Fprintln(l.out)
	case l.sum.to > l.sum.from:
		l.plain()
	}
	l.sum = interval{}
}

// line is what happened in an interval. latency is that of the cohort's answers in it, so there is none
// in a warm-up.
func (i *interval) line(latency *hdrhistogram.Histogram) string {
	took := float64(i.to-i.from) / 1e9
	if took <= 0 {
		took = 1
	}
	offered := "max"
	if i.rate != rateMax {
		offered = perSecond(float64(i.rate))
	}
	loss := 0.0
	if settled := i.answered + i.lost; settled > 0 {
		loss = float64(i.lost) / float64(settled)
	}
	text := fmt.Sprintf("%4.0fs  offered %s  sent %s  answered %s  lost %.2f %%", float64(i.to)/1e9, offered,
		perSecond(float64(i.sent)/took), perSecond(float64(i.answered)/took), 100*loss)
	if latency.TotalCount() > 0 {
		text += fmt.Sprintf("  p50 %s  p99 %s", micros(latency.ValueAtQuantile(50)), micros(latency.ValueAtQuantile(99)))
	}
	switch {
	case i.phase == phaseWarmup:
		text += "  warming up"
	case i.phase == phaseMeasure:
		text += fmt.Sprintf("  %s left", time.Duration(max(0, i.ends-i.to)).Round(time.Second))
	}
	return text
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

// watcher shows a feed to those that are not nil.
func watcher(l *live, h *hdrFile) func(*feed) {
	if l == nil && h == nil {
		return nil
	}
	return func(f *feed) {
		for i := range f.full {
			if h != nil {
				h.interval(i)
			}
			if l != nil {
				l.show(i)
			}
			f.recycle(i)
		}
		if l != nil {
			l.end()
		}
	}
}
