package peers

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"supernode/bench/plan"
	"supernode/bench/report"
	"supernode/bench/stat"
)

// Measure is one thing that is measured of a server.
type Measure string

// The measures. The first six are closed loops that find out how many answers a second there can be, of one method or of
// the mix. The last three are open loops of the mix, at rates that follow from what the server can answer.
const (
	Ping         Measure = "ping"
	FindNode     Measure = "find_node"
	GetPeers     Measure = "get_peers"      // for info_hashes that have been announced
	GetPeersMiss Measure = "get_peers_miss" // for others
	Announce     Measure = "announce_peer"  // each after the get_peers that it takes its token from
	Mix          Measure = "mix"            // with a few popular info_hashes
	Latency      Measure = "latency"        // at half of what the server can answer
	Overload     Measure = "overload"       // at twice that
	Recovery     Measure = "recovery"       // at half of it again, right after Overload
)

// Methods lists the measures that can be asked for, in the order reports show them. The others come with Mix.
func Methods() []Measure { return []Measure{Ping, FindNode, GetPeers, GetPeersMiss, Announce, Mix} }

// ParseMethods reads a comma-separated list of Methods. The result is in their order.
func ParseMethods(list string) ([]Measure, error) {
	all := Methods()
	asked := map[Measure]bool{}
	for word := range strings.SplitSeq(list, ",") {
		m := Measure(strings.TrimSpace(word))
		if !slices.Contains(all, m) {
			return nil, fmt.Errorf("unknown method %q: give some of %v", m, all)
		}
		asked[m] = true
	}
	return slices.DeleteFunc(all, func(m Measure) bool { return !asked[m] }), nil
}

// Closed says whether the measure is a closed loop.
func (m Measure) Closed() bool { return slices.Contains(Methods(), m) }

// Weights are the mix of a closed loop, as the generator takes it.
func (m Measure) Weights(mix string) string {
	switch m {
	case Ping, FindNode, GetPeers, Announce:
		return string(m) + "=1"
	case GetPeersMiss:
		return string(GetPeers) + "=1"
	}
	return mix
}

// Rate is what an open loop offers to a server that answers so many a second at most.
func (m Measure) Rate(answersPerS float64) float64 {
	if m == Overload {
		return 2 * answersPerS
	}
	return answersPerS / 2
}

// Spec describes a run.
type Spec struct {
	Seed       uint64    `json:"seed"`
	Blocks     int       `json:"blocks"`
	Methods    []Measure `json:"methods"`
	Mix        string    `json:"mix"`
	Zipf       float64   `json:"zipf"`       // exponent of the info_hashes' popularity in the mix
	Nodes      int       `json:"nodes"`      // in the subject's table
	Infohashes int       `json:"infohashes"` // stored
	Flows      int       `json:"flows"`      // source addresses of a trial
	Window     int       `json:"window"`     // queries outstanding in a closed loop

	// How long a server's tables are filled at most: long enough for the subject's to be full, and a part of that for the
	// others, some of which are slow.
	FillSubject time.Duration           `json:"fill_subject_ns"`
	FillOther   time.Duration           `json:"fill_other_ns"`
	Timing      map[Measure]plan.Timing `json:"timing"`
}

// Full is the run to quote: a quarter of an hour with all servers.
func Full() Spec {
	closed := plan.Timing{Warmup: 300 * time.Millisecond, Measure: time.Second}
	return spec(8, 1_000_000, 2*time.Minute, closed, 1500*time.Millisecond)
}

// Quick is the run for a first answer, of as many blocks as an interval takes: four minutes with all servers.
func Quick() Spec {
	closed := plan.Timing{Warmup: 100 * time.Millisecond, Measure: 300 * time.Millisecond}
	return spec(stat.MinValues, 20_000, 20*time.Second, closed, 500*time.Millisecond)
}

func spec(blocks, table int, fill time.Duration, closed plan.Timing, latency time.Duration) Spec {
	s := Spec{
		Blocks: blocks, Methods: Methods(), Mix: "ping=10,find_node=30,get_peers=50,announce_peer=10", Zipf: 1,
		Nodes: table, Infohashes: table, Flows: plan.Many.Flows(), Window: plan.Full().Window, FillSubject: fill, FillOther: fill / 10,
		Timing: map[Measure]plan.Timing{
			Latency: {Warmup: closed.Warmup, Measure: latency}, Overload: closed,
			Recovery: {Measure: 500 * time.Millisecond}, // the first after the load has fallen
		},
	}
	for _, m := range Methods() {
		s.Timing[m] = closed
	}
	return s
}

// Slot is the place of a trial in a run. Overload stands for Recovery, too.
type Slot struct {
	Block   int
	First   bool // of its block
	Server  int  // its number
	Measure Measure
}

// Measures are what is recorded of the slot, one right after the other.
func (s Slot) Measures() []Measure {
	if s.Measure == Overload {
		return []Measure{Overload, Recovery}
	}
	return []Measure{s.Measure}
}

// Slots lays out the trials. Every block measures all once, in random order; the servers are measured at the same thing
// one after the other, so that what is compared lies seconds apart.
func (s Spec) Slots(servers []Server) (slots []Slot) {
	measures := slices.Clone(s.Methods)
	if slices.Contains(measures, Mix) {
		measures = append(measures, Latency, Overload)
	}
	for block := range s.Blocks {
		rng := rand.New(rand.NewPCG(s.Seed, uint64(block)))
		first := true
		for _, m := range rng.Perm(len(measures)) {
			for _, i := range rng.Perm(len(servers)) {
				if servers[i].Knows(measures[m]) {
					slots = append(slots, Slot{block, first, i, measures[m]})
					first = false
				}
			}
		}
	}
	return slots
}

// What a trial costs besides its own time, and how long it takes to start a server and find out what it can answer.
const (
	perTrial  = 250 * time.Millisecond
	perServer = 4 * time.Second
)

// Estimate is how long the trials of slots take.
func (s Spec) Estimate(slots []Slot) (total time.Duration) {
	for _, slot := range slots {
		for _, m := range slot.Measures() {
			total += s.duration(m)
		}
	}
	return total
}

func (s Spec) duration(m Measure) time.Duration {
	return s.Timing[m].Warmup + s.Timing[m].Measure + perTrial
}

// Preparation is how long it takes at most to have the servers ready, their tables filled.
func (s Spec) Preparation(servers []Server) (total time.Duration) {
	for _, server := range servers {
		total += perServer
		if !server.Hollow {
			total += s.Fill(server)
		}
	}
	return total
}

// Fill is how long a server's tables are filled at most.
func (s Spec) Fill(server Server) time.Duration {
	if server.Name == Subject {
		return s.FillSubject
	}
	return s.FillOther
}

// Repeats is how many trials may be made again because they cannot count.
func (s Spec) Repeats(slots []Slot) int { return len(slots) / 4 }

// Unsettled says whether a trial is worth to be made again: it cannot count, for a reason that is not the server's.
func Unsettled(t Trial) bool { return t.Answered > 0 && report.Excluded(t.Trial) != "" }
