// Package loads says how servers fare from rest to more than they can answer: which steps of load there are, and what
// the trials say of each server at each step. It is pure.
//
// A step is asked of a server in the same block as all others, so that what a server does in overload is compared with
// what the same server did at its best some seconds before.
package loads

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
)

// Step is a load: as many queries a second, or as fast as answers come (Best), or that many times the rate which the
// same server reached in this block at the step Best. The zero Step is rest.
type Step struct {
	Best  bool
	Rate  float64 // queries a second
	Times float64
}

// String is what Parse reads.
func (s Step) String() string {
	switch {
	case s.Best:
		return "max"
	case s.Times > 0:
		return strconv.FormatFloat(s.Times, 'g', -1, 64) + "x"
	}
	return strconv.FormatFloat(s.Rate, 'f', -1, 64)
}

// Offered is the rate to offer to a server whose best rate is best; 0 is a closed loop or rest.
func (s Step) Offered(best float64) float64 {
	if s.Times > 0 {
		return s.Times * best
	}
	return s.Rate
}

// maxRate is beyond what any generator offers.
const maxRate = 100e6

// Parse reads steps as in "0,1000,max,0.5x,2x". Multiples have to come behind max, which they are multiples of.
func Parse(text string) (steps []Step, err error) {
	known := false
	for word := range strings.SplitSeq(text, ",") {
		var s Step
		number, times := strings.CutSuffix(word, "x")
		value, err := strconv.ParseFloat(number, 64)
		switch {
		case word == "max":
			s.Best, known = true, true
		case err != nil || !(value >= 0 && value <= maxRate) || times && value == 0:
			return nil, fmt.Errorf("%q: must be max, queries a second as in 1000, or a multiple of max as in 2x", word)
		case times && !known:
			return nil, fmt.Errorf("%q: it is a multiple of max, which must come before it", word)
		case times:
			s.Times = value
		default:
			s.Rate = value
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// Server is a server that can be measured.
type Server struct {
	Name    string
	Command string // {addr} stands for the ADDR:PORT to answer on
}

// Program is the path of the server's program.
func (s Server) Program() string {
	program, _, _ := strings.Cut(s.Command, " ")
	return program
}

// Builtin are the servers that are compared unless others are named: the one that does nothing, and supernode with its
// default settings, but that it has nobody to start from, keeps no state, and talks to private addresses, as the lab's are.
func Builtin(dir string) []Server {
	return []Server{
		{"null", filepath.Join(dir, "null-server") + " {addr}"},
		{"supernode", filepath.Join(dir, "supernode") + " run --listen {addr} --bootstrap none --state-dir none --http none --allow-private --log-level warn"},
	}
}

// Order is the servers' numbers in the order in which a block measures them.
func Order(seed uint64, block, servers int) []int {
	return rand.New(rand.NewPCG(seed, uint64(block))).Perm(servers)
}
