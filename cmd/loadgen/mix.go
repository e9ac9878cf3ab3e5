package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"supernode/dht/wire"
)

// mixMethods are the methods a mix can name, in the order they are shown.
var mixMethods = [...]wire.Method{wire.Ping, wire.FindNode, wire.GetPeers, wire.AnnouncePeer}

const defaultMix = "ping=10,find_node=30,get_peers=50,announce_peer=10"

// mix is the share of each method among the queries, in any unit. It is a pflag.Value.
type mix struct{ weight [wire.Methods]float64 }

// Set reads "ping=10,find_node=30": a method that is not named is not used.
func (m *mix) Set(text string) error {
	var weight [wire.Methods]float64
	var seen [wire.Methods]bool
	sum := 0.0
	for part := range strings.SplitSeq(text, ",") {
		name, number, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return fmt.Errorf("%q: must be METHOD=WEIGHT, as in %s", part, defaultMix)
		}
		method, err := mixMethod(name)
		if err != nil {
			return err
		}
		if seen[method] {
			return fmt.Errorf("%s stands there twice: name each method once", name)
		}
		w, err := strconv.ParseFloat(number, 64)
		if err != nil || !(w >= 0) || math.IsInf(w, 0) {
			return fmt.Errorf("weight %q of %s: must be a number, 0 or more", number, name)
		}
		weight[method], seen[method] = w, true
		sum += w
	}
	if sum == 0 {
		return errors.New("all weights are 0: give at least one method a weight")
	}
	m.weight = weight
	return nil
}

func mixMethod(name string) (wire.Method, error) {
	for _, m := range mixMethods {
		if m.String() == name {
			return m, nil
		}
	}
	return wire.Unknown, fmt.Errorf("unknown method %q: use ping, find_node, get_peers, announce_peer", name)
}

func (m *mix) String() string {
	var b strings.Builder
	for _, method := range mixMethods {
		if w := m.weight[method]; w > 0 {
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%s=%s", method, strconv.FormatFloat(w, 'g', -1, 64))
		}
	}
	return b.String()
}

// Type is what the help calls the flag's value.
func (m *mix) Type() string { return "METHOD=WEIGHT,..." }

// chooser draws methods. The draws are random, since any fixed pattern would meet the fixed round of flows,
// and then some flows would only ever ping.
type chooser [len(mixMethods) - 1]uint64 // below the first the first method, and so on

func (m *mix) chooser() (c chooser) {
	sum := 0.0
	for _, method := range mixMethods {
		sum += m.weight[method]
	}
	below := 0.0
	for i := range c {
		below += m.weight[mixMethods[i]] / sum
		if below >= 1-1e-12 { // what is left is rounding, or no method at all
			c[i] = math.MaxUint64
			continue
		}
		c[i] = uint64(below * (1 << 64))
	}
	return c
}

func (c *chooser) draw(random uint64) wire.Method {
	for i, below := range c {
		if random < below {
			return mixMethods[i]
		}
	}
	return mixMethods[len(c)]
}
