package plan

import (
	"math"
	"time"
)

// Everything that decides how long a run takes, and so how narrow its intervals get, stands here.

// arms and patterns list what may be asked for, in the order reports show it.
var (
	arms     = []Arm{Off, Control, On, Notrack, Raised, Filled}
	patterns = []Pattern{Few, Many, Fresh}
	flows    = map[Pattern]int{
		Few:   1_000,
		Many:  60_000,    // of the 131,072 addresses the client owns; well below a default table of 262,144
		Fresh: 1_000_000, // from eight ports of each address
	}
)

const (
	// share is the part of what the server can answer that is offered while CPU time is measured, and rate the most:
	// enough queries for a steady figure, no queue that would turn CPU time into latency and loss.
	share = 0.4
	rate  = 80_000
	// window is enough to keep the server's core from ever running dry, and so few that the datagrams in
	// flight fit a default socket buffer (212,992 bytes, each datagram charged with its whole slab object).
	window = 256

	// What a trial costs besides its own time: switching the ruleset, the canary, and the generator's
	// wait for late answers.
	perTrial = 150 * time.Millisecond
	// Filling the table with some 250,000 entries before a trial, and removing them after it.
	perFill = 1500 * time.Millisecond
	// What a flow costs that asks once before the trial, on a server of a hundred thousand answers a second.
	perFlow = 10 * time.Microsecond
	// Building the lab, starting both programs, taking the lab down.
	perRun = 3 * time.Second
)

// Quick is the run for a first answer: under a minute, CPU time and latency only. A full table it shows twice, which is
// enough to see what becomes of the queries.
func Quick() Spec {
	return Spec{
		Blocks: 6, Arms: []Arm{Off, Control, On, Notrack, Filled}, Patterns: []Pattern{Few, Many}, Rare: 2, Rate: rate, Window: window,
		Fixed: Timing{Warmup: 50 * time.Millisecond, Measure: 400 * time.Millisecond},
		Searching: Searching{
			Warmup: 20 * time.Millisecond, Short: 50 * time.Millisecond, Long: 150 * time.Millisecond, Budget: 1500 * time.Millisecond,
			Load: Timing{Warmup: 50 * time.Millisecond, Measure: 400 * time.Millisecond},
		},
	}
}

// Full is the run to quote: under a quarter of an hour, all measures. Its trials are short and its blocks many, because a shared
// machine's speed drifts by several per cent over seconds: a longer trial would hold as much of that noise, and a longer
// block would put more of it between the trials that are compared.
func Full() Spec {
	return Spec{
		Blocks: 20, Arms: Arms(), Patterns: Patterns(), Rare: 9, Rate: rate, Window: window,
		Fixed:    Timing{Warmup: 50 * time.Millisecond, Measure: 500 * time.Millisecond},
		Max:      Timing{Warmup: 50 * time.Millisecond, Measure: 400 * time.Millisecond},
		Searches: 5, // fewer pairs give no interval
		Searching: Searching{
			Warmup: 50 * time.Millisecond, Short: 100 * time.Millisecond, Long: 300 * time.Millisecond, Budget: 4 * time.Second,
			Load: Timing{Warmup: 100 * time.Millisecond, Measure: 400 * time.Millisecond},
		},
		Resolution: 0.02,
	}
}

// Rate is the rate to offer a server that was seen to answer so many queries a second at most, and 1,000 for one that was
// not seen to answer. It is rounded down to thousands, or less where the server is slow.
func Rate(answersPerS float64) int {
	part, step := share*answersPerS, 1000.0
	if part <= 0 {
		return int(step)
	}
	for step > 10 && part < step {
		step /= 10
	}
	return int(max(step, min(rate, math.Floor(part/step)*step)))
}

// Answers is what a server is taken to answer at most of which only the rate to offer is known.
func Answers(rate int) float64 { return float64(rate) / share }

// Repeats is how many trials of a run may be made again because they cannot count: an eighth. On a busy
// shared host every fifth trial may be stolen from, and then some stay out.
func (s Spec) Repeats() int { return s.Trials() / 8 }
