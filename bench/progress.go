package main

import (
	"fmt"
	"io"
	"time"

	"supernode/internal/terminal"
)

// progress tells a person how far a long run is: a line that is rewritten on a terminal, a line a block elsewhere.
type progress struct {
	out      io.Writer
	live     bool
	phase    string // what its blocks are called
	blocks   int
	total    int // trials
	done     int
	estimate time.Duration // of the phase
	later    time.Duration // what comes after the phase, about
	start    time.Time     // of the first trial
}

func newProgress(out io.Writer, blocks, trials int, estimate time.Duration) *progress {
	return &progress{out: out, live: terminal.Live(out), phase: "block", blocks: blocks, total: trials, estimate: estimate}
}

// begin begins a phase of the run: so many blocks, of so many trials together, in about that time, before others.
func (p *progress) begin(phase string, blocks, trials int, estimate, later time.Duration) {
	p.phase, p.blocks, p.total, p.done, p.estimate, p.later = phase, blocks, trials, 0, estimate, later
}

// say prints a line of its own.
func (p *progress) say(format string, args ...any) {
	p.clear()
	fmt.Fprintf(p.out, "bench: "+format+"\n", args...)
}

// warn prints what had better be known before a long run than after it.
func (p *progress) warn(notes []string) {
	for _, note := range notes {
		p.say("note: %s", note)
	}
}

// step says that a trial begins: which block it is in, counted from 0, whether it is the block's first, and what it
// measures.
func (p *progress) step(block int, first bool, what string) {
	if p.done == 0 {
		p.start = time.Now()
	}
	line := fmt.Sprintf("%s %d of %d, %d of %s done, %s left", p.phase, block+1, p.blocks, p.done, count(p.total, "trial"), p.left())
	switch {
	case p.live:
		p.clear()
		fmt.Fprintf(p.out, "%s: %s", line, what)
	case first:
		p.say("%s", line)
	}
	p.done++
}

// note shows on a terminal how far something is that is no trial.
func (p *progress) note(format string, args ...any) {
	if p.live {
		p.clear()
		fmt.Fprintf(p.out, format, args...)
	}
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
	return (left + p.later).Round(time.Second).String()
}

// count is a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
