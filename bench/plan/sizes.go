package plan

import "time"

// Everything that decides how long a run takes, and so how narrow its intervals get, stands here.

// arms and patterns list what may be asked for, in the order reports show it.
var (
	arms     = []Arm{Off, Control, On, Notrack}
	patterns = []Pattern{Few, Many}
	flows    = map[Pattern]int{
		Few:  1_000,
		Many: 60_000, // of the 131,072 addresses the client owns; well below a default table of 262,144
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
	// What it costs besides in the second phase, where every flow asks once before: 60,000 of them half the time.
	perPrime = 200 * time.Millisecond
	// Building the lab, starting both programs, taking the lab down.
	perRun = 3 * time.Second
)

// Quick is the run for a first answer: under a minute, CPU time and latency only.
func Quick() Spec {
	return Spec{
		Blocks: 7, Arms: Arms(), Patterns: Patterns(), Rate: rate, Window: window,
		Fixed: Timing{Warmup: 150 * time.Millisecond, Measure: 400 * time.Millisecond},
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
		Blocks: 36, Arms: Arms(), Patterns: Patterns(), Rate: rate, Window: window,
		Fixed:    Timing{Warmup: 150 * time.Millisecond, Measure: 500 * time.Millisecond},
		Max:      Timing{Warmup: 150 * time.Millisecond, Measure: 400 * time.Millisecond},
		Searches: 5, // fewer pairs give no interval
		Searching: Searching{
			Warmup: 50 * time.Millisecond, Short: 100 * time.Millisecond, Long: 300 * time.Millisecond, Budget: 4 * time.Second,
			Load: Timing{Warmup: 100 * time.Millisecond, Measure: 500 * time.Millisecond},
		},
		Resolution: 0.02,
	}
}

// Rate is the rate to offer a server that was seen to answer so many queries a second at most.
func Rate(answersPerS float64) int {
	const step = 1000
	return max(step, min(rate, int(share*answersPerS/step)*step))
}

// Answers is what a server is taken to answer at most of which only the rate to offer is known.
func Answers(rate int) float64 { return float64(rate) / share }

// Repeats is how many trials of a run may be made again because they cannot count: a quarter, as on a
// shared host every fifth trial may be stolen from.
func (s Spec) Repeats() int { return s.Trials() / 4 }

// Estimate is how long a run of the spec should take on the wall clock, building the lab included.
func (s Spec) Estimate() time.Duration {
	var block time.Duration
	for _, m := range s.Measures() {
		t := s.Timing(m)
		block += t.Warmup + t.Measure + perTrial
	}
	return perRun + block*time.Duration(s.Blocks*len(s.Arms)*len(s.Patterns)) + s.pilotEstimate() + s.SearchEstimate()
}
