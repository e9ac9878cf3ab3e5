package dht

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
	"supernode/internal/transcript"
)

var update = flag.Bool("update", false, "write what the node does into the scripts")

// TestScripts runs the scripts in testdata. A script is a list of commands, one a line; what the node did stands
// indented below each:
//
//	new own=10.0.0.1 max-peers=2   forget everything, make a node
//	recv 1.2.3.4:6881 {...}        the node receives a message (see notation) from this address
//	raw 1.2.3.4:6881 "..."         the same with any bytes, quoted as in Go
//	bootstrap 1.2.3.4:6881 ...     give it addresses to ask
//	item one v=word                name an immutable item, with any value in notation
//	item two seq=1 salt=s v={a:b}  name a mutable one, signed
//	search get_peers @T announce=1 look for a target, and announce a port (options: v4, v6, scrape, noseed, seed, implied)
//	advance 5m                     let time pass, with the node awake whenever it asks to be
//	wait                           let time pass until the node sends something, an hour at most
//	counts                         show what it holds
//
// With -update the scripts are written anew: look at the difference before believing it.
func TestScripts(t *testing.T) {
	transcript.Scripts(t, *update, func(t *testing.T, out *bytes.Buffer) func(string) error {
		s := script{t: t, out: out}
		return s.run
	})
}

type script struct {
	t        *testing.T
	out      *bytes.Buffer
	node     *Node
	now      Instant
	notation notation
}

func (s *script) run(line string) error {
	command, rest, _ := strings.Cut(line, " ")
	if s.node == nil && command != "new" {
		return fmt.Errorf("%s before new", command)
	}
	switch command {
	case "new":
		return s.create(strings.Fields(rest))
	case "recv", "raw":
		from, text, _ := strings.Cut(rest, " ")
		src, err := netip.ParseAddrPort(from)
		if err != nil {
			return err
		}
		var in []byte
		if command == "raw" {
			var raw string
			raw, err = strconv.Unquote(text)
			in = []byte(raw)
		} else {
			in, err = s.notation.encode(text)
		}
		if err != nil {
			return err
		}
		s.receive(src, in)
		s.poll(-1)
	case "bootstrap":
		var addrs []netip.AddrPort
		for _, a := range strings.Fields(rest) {
			addrs = append(addrs, netip.MustParseAddrPort(a))
		}
		s.node.Bootstrap(s.now, addrs...)
		s.poll(-1)
	case "item":
		return s.name(rest)
	case "search":
		if err := s.search(strings.Fields(rest)); err != nil {
			return err
		}
		s.poll(-1)
	case "advance":
		d, err := time.ParseDuration(rest)
		if err != nil {
			return err
		}
		s.advance(d, false)
	case "wait":
		s.advance(time.Hour, true)
	case "counts":
		s.say("%+v", s.node.Counts())
	default:
		return fmt.Errorf("command %q is not known", command)
	}
	return nil
}

func (s *script) say(format string, args ...any) { fmt.Fprintf(s.out, "  "+format+"\n", args...) }

func (s *script) create(options []string) error {
	c := Config{}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		switch name {
		case "own":
			c.Own = append(c.Own, netip.MustParseAddr(value))
		case "max-peers":
			c.MaxPeers, _ = strconv.Atoi(value)
		case "max-items":
			c.MaxItems, _ = strconv.Atoi(value)
		case "max-nodes":
			c.MaxNodes, _ = strconv.Atoi(value)
		case "rate-limit":
			c.RateLimit, _ = strconv.Atoi(value)
		case "allow-private":
			c.AllowPrivate = true
		case "enforce-secure":
			c.EnforceSecure = true
		default:
			return fmt.Errorf("option %q is not known", name)
		}
	}
	s.node, s.now = newNode(s.t, c), 0
	s.notation = notation{me: s.node.ID()}
	return nil
}

func (s *script) search(args []string) error {
	q := Search{
		Peer: func(a netip.AddrPort) { s.say("peer %v", a) },
		Item: func(it Item) { s.say("item %q of sequence %d", it.Value, it.Seq) },
		Done: func(r Result) {
			s.say("done: %d asked, %d answered, %d peers, stored with %d of %d, %d hops", r.Asked, r.Answered, r.Peers, r.Stored, r.Offered, r.Hops)
			for _, c := range r.Closest {
				s.say("closest %s %v", s.notation.showID(c.ID[:]), c.Addr)
			}
		},
	}
	q.Method = wire.MethodByName([]byte(args[0]))
	s.notation.pending = args[1] + " "
	q.Target = wire.ID(s.notation.str())
	var announce Announce
	for _, o := range args[2:] {
		name, value, _ := strings.Cut(o, "=")
		switch name {
		case "v4":
			q.Want |= wire.Want4
		case "v6":
			q.Want |= wire.Want6
		case "scrape":
			q.Scrape = true
		case "noseed":
			q.NoSeed = true
		case "seed":
			announce.Seed = true
		case "implied":
			announce.Implied, q.Announce = true, &announce
		case "announce":
			port, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				return err
			}
			announce.Port, q.Announce = uint16(port), &announce
		default:
			return fmt.Errorf("option %q is not known", name)
		}
	}
	if err := s.node.Search(s.now, q); err != nil {
		s.say("error: %v", err)
	}
	return nil
}

func (s *script) receive(src netip.AddrPort, in []byte) {
	out, o := s.node.Handle(s.now, src, in, nil)
	if len(out) == 0 {
		s.say("silence: %v", o.Verdict)
		return
	}
	var m wire.Message
	require.NoError(s.t, wire.Parse(out, &m))
	if m.Token != nil {
		s.notation.token = m.Token
	}
	s.say("reply %s", s.notation.decode(out))
}

// poll shows what the node sends of its own accord, and when, unless that is negative.
func (s *script) poll(when time.Duration) (sent int) {
	after := ""
	if when >= 0 {
		after = fmt.Sprintf("after %v ", when.Round(time.Second))
	}
	for _, q := range drain(s.t, s.node, s.now) {
		s.notation.tids = append(s.notation.tids, bytes.Clone(q.m.T))
		s.say("%ssend %v %s", after, q.to, s.notation.decode(q.m.Append(nil)))
		sent++
	}
	return sent
}

func (s *script) advance(d time.Duration, untilSent bool) {
	start, end := s.now, s.now.Add(d)
	for s.now < end {
		s.now = min(end, max(s.now, s.node.NextWake()))
		if s.poll(time.Duration(s.now-start)) > 0 && untilSent {
			return
		}
	}
}
