package sim

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"supernode/dht"
	"supernode/dht/wire"
)

// lookup announces or searches, and lets time pass until that is done.
func (s *script) lookup(command string, args []string) error {
	h := s.hosts[args[0]]
	if h == nil || len(args) != 2 || len(args[1]) != 2 {
		return fmt.Errorf("%s %v: want a host and @X", command, args)
	}
	target := wire.ID(bytes.Repeat([]byte(args[1][1:]), 20))
	done := false
	show := func(l *Lookup) {
		done = true
		s.showLookup(command, l)
	}
	if h.Client != nil {
		l := &Lookup{Target: target, Method: wire.GetPeers, Done: show}
		if command == "announce" {
			l.Announce = h.Addr.Port()
		}
		h.Start(l)
	} else {
		l, started := new(Lookup), s.net.Now()
		q := dht.Search{Method: wire.GetPeers, Target: target}
		if command == "announce" {
			q.Announce = &dht.Announce{Implied: true}
		}
		q.Peer = func(a netip.AddrPort) {
			if len(l.Peers) == 0 {
				l.FirstPeer = time.Duration(s.net.Now() - started)
			}
			l.Peers = append(l.Peers, a)
		}
		q.Done = func(r dht.Result) {
			l.Hops, l.Asked, l.Answered, l.Announced = r.Hops, r.Asked, r.Answered, r.Stored
			l.Took = time.Duration(s.net.Now() - started)
			show(l)
		}
		if err := h.Search(q); err != nil {
			return err
		}
	}
	for range 1200 {
		if done {
			return nil
		}
		s.net.Run(100 * time.Millisecond)
	}
	return fmt.Errorf("%s %v: not done after two minutes", command, args)
}

func (s *script) showLookup(command string, l *Lookup) {
	var peers []string
	for _, p := range l.Peers {
		peers = append(peers, s.names[p])
	}
	slices.Sort(peers)
	took := l.Took.Round(time.Millisecond)
	switch {
	case command == "announce":
		s.say("stored by %d of %d nodes asked, after %v", l.Announced, l.Asked, took)
	case len(peers) == 0:
		s.say("nobody, by %d of %d nodes asked, after %v", l.Answered, l.Asked, took)
	default:
		s.say("%s, at hop %d, after %v; all %d nodes asked after %v", strings.Join(peers, " "), l.Hops,
			l.FirstPeer.Round(time.Millisecond), l.Asked, took)
	}
}
