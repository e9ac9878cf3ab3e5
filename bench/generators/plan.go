package generators

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Measure is one question to a generator.
type Measure string

// The measures.
const (
	Answers Measure = "answers" // a closed loop with Spec.Window queries outstanding
	Loads   Measure = "loads"   // an open loop far beyond what can be sent, to a server that answers what it can
	Sends   Measure = "sends"   // the same to a server that answers nothing
)

// Measures lists them in the order of reports.
func Measures() []Measure { return []Measure{Answers, Loads, Sends} }

// The generators. Control is Mmsg once more: what it differs by is what the harness makes up.
const (
	XDP     = "xdp"
	Packet  = "packet"
	Mmsg    = "mmsg"
	Control = "control"
	Net     = "net"
	Dnsperf = "dnsperf"
)

// Names lists the generators in the order of reports.
func Names() []string { return []string{XDP, Packet, Mmsg, Control, Net, Dnsperf} }

// Spec describes a run.
type Spec struct {
	Seed     uint64        `json:"seed"`
	Blocks   int           `json:"blocks"`
	Names    []string      `json:"generators"`
	Flows    int           `json:"flows"`  // of loadgen, where they cost no socket each
	Window   int           `json:"window"` // queries outstanding
	Duration time.Duration `json:"duration_ns"`
}

// Full is the run to quote, of five minutes. The window is half of what a veth's ring holds, so that a closed loop
// loses nothing: after a loss dnsperf goes on for as long as it waits, and that would be charged to it.
func Full() Spec {
	return Spec{Blocks: 16, Names: Names(), Flows: 60_000, Window: 128, Duration: time.Second}
}

// Quick is the run for a first answer, of half a minute, and as many blocks as an interval takes.
func Quick() Spec {
	s := Full()
	s.Blocks, s.Duration = rules.MinPairs, 250*time.Millisecond
	return s
}

// ParseNames reads a comma-separated list of generators. Mmsg, and with it Control, is what others are compared with, and
// always there.
func ParseNames(list string) ([]string, error) {
	asked := map[string]bool{Mmsg: true, Control: true}
	for word := range strings.SplitSeq(list, ",") {
		name := strings.TrimSpace(word)
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("unknown generator %q: give some of %s", name, strings.Join(Names(), ","))
		}
		asked[name] = true
	}
	return slices.DeleteFunc(Names(), func(name string) bool { return !asked[name] }), nil
}

// Without is s without a generator.
func (s Spec) Without(generator string) Spec {
	s.Names = slices.DeleteFunc(slices.Clone(s.Names), func(name string) bool { return name == generator })
	return s
}

// Slot is the place of a trial in a run.
type Slot struct {
	Block     int
	First     bool // of its block
	Generator string
	Measure   Measure
}

// Slots lays out the trials: in each block all, those of one measure next to each other, everything else in random order.
func (s Spec) Slots() (slots []Slot) {
	measures := Measures()
	for block := range s.Blocks {
		rng := rand.New(rand.NewPCG(s.Seed, uint64(block)))
		first := true
		for _, m := range rng.Perm(len(measures)) {
			for _, i := range rng.Perm(len(s.Names)) {
				if s.Names[i] == Dnsperf && measures[m] == Sends {
					continue
				}
				slots = append(slots, Slot{block, first, s.Names[i], measures[m]})
				first = false
			}
		}
	}
	return slots
}

// perTrial is what a trial costs besides its own time: the generator's start, and its wait for the last answers.
const perTrial = 100 * time.Millisecond

// Estimate is how long the trials take.
func (s Spec) Estimate() time.Duration {
	return time.Duration(len(s.Slots())) * (s.Duration + perTrial)
}

// Question is the name that is asked for; DnsperfInput the file that has dnsperf ask for it.
const (
	Question     = "example.org"
	DnsperfInput = Question + " A\n"
)

const (
	floodRate    = 8_000_000            // queries a second: beyond what one core can send by any of these ways
	floodTimeout = 5 * time.Millisecond // a DNS id has 16 bits, so that no more than 65,536 can be outstanding
	lossTimeout  = 100 * time.Millisecond
	netFlows     = 16 // loadgen's --io net has a socket for each
)

// Aim is where queries go to, and from where.
type Aim struct {
	Address, Port string
	Sources       string // addresses of loadgen's flows, as a CIDR prefix
	Input         string // path of a file that holds DnsperfInput
}

// Args are the generator's arguments for a trial. Nothing is left out of it as a warm-up: all that the program does is
// charged to it, and counted.
func (s Spec) Args(slot Slot, a Aim) []string {
	seconds := strconv.FormatFloat(s.Duration.Seconds(), 'f', -1, 64)
	if slot.Generator == Dnsperf {
		return []string{"-s", a.Address, "-p", a.Port, "-d", a.Input, "-l", seconds, "-q", strconv.Itoa(s.Window),
			"-c", "1", "-T", "1", "-t", "1"}
	}
	io, flows := slot.Generator, s.Flows
	switch slot.Generator {
	case Control:
		io = Mmsg
	case Net:
		flows = netFlows
	}
	args := []string{"--io", io, "--quiet", "--json", "-", "--payload", "dns:" + Question, "--flows", strconv.Itoa(flows),
		"--sources", a.Sources, "--warmup", "0s", "--duration", s.Duration.String(),
		"--seed", strconv.FormatUint(s.Seed+uint64(slot.Block), 10)}
	if slot.Measure != Answers {
		args = append(args, "--rate", strconv.Itoa(floodRate), "--timeout", floodTimeout.String())
	} else {
		args = append(args, "--rate", "max", "--window", strconv.Itoa(s.Window), "--timeout", lossTimeout.String())
	}
	return append(args, a.Address+":"+a.Port)
}
