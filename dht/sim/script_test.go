package sim

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"supernode/internal/transcript"
)

var update = flag.Bool("update", false, "write what the network does into the scripts")

// TestScripts runs the scripts in testdata. A script is a list of commands, one a line; what happened stands indented
// below each:
//
//	network seed=1 delay=20ms jitter=0s tail=0s loss=0.05   forget everything, make a network
//	node a b                 hosts with nodes of package dht join, under these names
//	client c1..c20           hosts with ordinary clients; c1, c2, ... c20
//	... bootstrap=a nat v6   options of both: told of host a, behind a NAT, at an IPv6 address (nodes only)
//	leave a c1..c3           hosts vanish
//	announce c1 @H           a host announces its port for the info_hash of twenty times H
//	search c2 @H             a host searches for peers
//	run 10m                  let time pass
//	counts a c1              show what hosts hold
//	names a c1               show whether a host's node names another to who looks for it
//	traffic                  show the share of the datagrams that arrived, of those sent since the last time
//
// With -update the scripts are written anew: look at the difference before believing it.
func TestScripts(t *testing.T) {
	transcript.Scripts(t, *update, func(t *testing.T, out *bytes.Buffer) func(string) error {
		s := script{t: t, out: out}
		return func(command string) error { return s.run(strings.Fields(command)) }
	})
}

type script struct {
	t               *testing.T
	out             *bytes.Buffer
	net             *Network
	hosts           map[string]*Host
	names           map[netip.AddrPort]string
	sent, delivered int // when traffic was shown
}

func (s *script) say(format string, args ...any) { fmt.Fprintf(s.out, "  "+format+"\n", args...) }

func (s *script) run(words []string) error {
	command, args := words[0], words[1:]
	if s.net == nil && command != "network" {
		return fmt.Errorf("%s before network", command)
	}
	switch command {
	case "network":
		return s.create(args)
	case "node", "client":
		return s.join(command, args)
	case "run":
		d, err := time.ParseDuration(args[0])
		s.net.Run(d)
		return err
	case "announce", "search":
		return s.lookup(command, args)
	case "traffic":
		s.say("%.0f %% arrived", 100*float64(s.net.Delivered-s.delivered)/float64(s.net.Sent-s.sent))
		s.sent, s.delivered = s.net.Sent, s.net.Delivered
		return nil
	}
	var hosts []*Host
	for _, name := range expand(args) {
		h := s.hosts[name]
		if h == nil {
			return fmt.Errorf("host %s is not known", name)
		}
		hosts = append(hosts, h)
	}
	switch command {
	case "leave":
		for _, h := range hosts {
			h.Leave()
		}
	case "counts":
		for _, h := range hosts {
			s.counts(h)
		}
	case "names":
		if knows(s.t, hosts[0], hosts[1]) {
			s.say("yes")
		} else {
			s.say("no")
		}
	default:
		return fmt.Errorf("command %q is not known", command)
	}
	return nil
}

// expand replaces each a1..a3 by a1, a2 and a3.
func expand(words []string) (names []string) {
	for _, w := range words {
		first, last, ok := strings.Cut(w, "..")
		if !ok {
			names = append(names, w)
			continue
		}
		stem := strings.TrimRight(first, "0123456789")
		from, _ := strconv.Atoi(strings.TrimPrefix(first, stem))
		to, _ := strconv.Atoi(strings.TrimPrefix(last, stem))
		for i := from; i <= to; i++ {
			names = append(names, stem+strconv.Itoa(i))
		}
	}
	return names
}

func (s *script) create(options []string) (err error) {
	c := Config{Seed: 1, Delay: 20 * time.Millisecond}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		switch name {
		case "seed":
			c.Seed, err = strconv.ParseUint(value, 10, 64)
		case "loss":
			c.Loss, err = strconv.ParseFloat(value, 64)
		case "delay":
			c.Delay, err = time.ParseDuration(value)
		case "jitter":
			c.Jitter, err = time.ParseDuration(value)
		case "tail":
			c.Tail, err = time.ParseDuration(value)
		default:
			err = fmt.Errorf("option %q is not known", name)
		}
		if err != nil {
			return err
		}
	}
	s.net, s.hosts, s.names = New(c), map[string]*Host{}, map[netip.AddrPort]string{}
	s.sent, s.delivered = 0, 0
	return nil
}

func (s *script) join(kind string, args []string) error {
	var names, options []string
	for _, a := range args {
		if a == "nat" || a == "v6" || strings.Contains(a, "=") {
			options = append(options, a)
		} else {
			names = append(names, a)
		}
	}
	for _, name := range expand(names) {
		addr := Addr4(len(s.names))
		if slices.Contains(options, "v6") {
			addr = Addr6(len(s.names))
		}
		var h *Host
		var err error
		if kind == "node" {
			h, err = s.net.Join(addr, config)
		} else {
			h, err = s.net.JoinClient(addr)
		}
		if err != nil {
			return err
		}
		s.hosts[name], s.names[addr] = h, name
		for _, o := range options {
			if known, ok := strings.CutPrefix(o, "bootstrap="); ok {
				h.Bootstrap(s.hosts[known].Addr)
			} else if o == "nat" {
				h.BehindNAT()
			}
		}
	}
	return nil
}

func (s *script) counts(h *Host) {
	if h.Client != nil {
		s.say("%s: %d nodes, %d peers", s.names[h.Addr], h.Client.Nodes(), h.Client.Peers())
	} else {
		s.say("%s: %d nodes, %d peers", s.names[h.Addr], nodes(h), h.Node.Counts().Peers)
	}
}
