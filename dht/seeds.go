package dht

import (
	"net/netip"
	"time"

	"supernode/dht/wire"
)

const (
	seedRetryMin = 5 * time.Second
	seedRetryMax = 5 * time.Minute
)

// seeds are the addresses of one family to ask while its table is (almost) empty, in rounds.
type seeds struct {
	addrs []netip.AddrPort
	next  int           // position in the current round
	round Instant       // when the current round began, or the next one will
	retry time.Duration // from this round to the next
}

// Bootstrap gives the node addresses to ask for nodes whenever it knows fewer than K of that address's family:
// at once, then at growing intervals. It replaces the addresses of an earlier call. The slice is copied.
func (n *Node) Bootstrap(now Instant, addrs ...netip.AddrPort) {
	for f := range n.seeds {
		n.seeds[f] = seeds{round: now, retry: seedRetryMin}
	}
	for _, a := range addrs {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) // resolvers return IPv4 in both forms
		s := &n.seeds[familyOf(a.Addr())]
		s.addrs = append(s.addrs, a)
	}
	n.upkeep.wakeBy(now)
}

// nextSeed is the next bootstrap address of the family's current round, while its table needs nodes.
func (n *Node) nextSeed(now Instant, f family) (target, bool) {
	s := &n.seeds[f]
	if len(s.addrs) == 0 || now < s.round {
		return target{}, false
	}
	for n.tables[f].count < K && s.next < len(s.addrs) {
		addr := s.addrs[s.next]
		s.next++
		if n.reach.allows(addr) {
			var c compactAddr
			return targetAt(f, wire.AppendAddr(c[:0], addr)), true
		}
	}
	if s.next == 0 { // nobody had to be asked
		s.retry = seedRetryMin
	}
	s.next = 0
	s.round = now.Add(s.retry)
	s.retry = min(2*s.retry, seedRetryMax)
	return target{}, false
}
