package main

import (
	"fmt"
	"io"
	"time"
)

// progress tells a person how far a long run is: a line that is rewritten on a terminal, a line a block elsewhere.
type progress struct {
	out      io.Writer
	live     bool
	start    time.Time
	total    int
	done     int
	estimate time.Duration
}

func newProgress(out io.Writer, total int, estimate time.Duration) *progress {
	return &progress{out: out, live: isTerminal(out), start: time.Now(), total: total, estimate: estimate}
}

// say prints a line of its own.
func (p *progress) say(format string, args ...any) {
	p.clear()
	fmt.Fprintf(p.out, format+"\n", args...)
}

// step says that the next trial, named what, begins; milestone marks one that deserves a line off a terminal.
func (p *progress) step(what string, milestone bool) {
	if p.live || milestone {
		p.clear()
		fmt.Fprintf(p.out, "%3d of %d trials, %s left: %s", p.done, p.total, p.left(), what)
		if !p.live {
			fmt.Fprintln(p.out)
		}
	}
	p.done++
}

// clear removes the rewritten line.
func (p *progress) clear() {
	if p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// left is the time to go: by plan at first, then by how long the trials so far took.
func (p *progress) left() string {
	left := p.estimate
	if p.done > 0 {
		left = time.Since(p.start) / time.Duration(p.done) * time.Duration(p.total-p.done)
	}
	return left.Round(time.Second).String()
}
