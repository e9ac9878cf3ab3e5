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

// seeds are the addresses of one family to ask while its table is (almost) empty, in rounds: in each, the node looks
// up its own id with their help, which also makes it known to those nearest to it.
type seeds struct {
	addrs   []netip.AddrPort
	round   Instant       // when the next round begins
	retry   time.Duration // from that round to the next
	running bool          // the look-up of the last round
}

// maxSeeds bounds the bootstrap addresses of a family.
const maxSeeds = 32

// Bootstrap gives the node addresses to ask for nodes whenever it knows fewer than K of that address's family, or
// those it knows have all fallen silent: at once, then at growing intervals. A node that knows enough, such as one whose
// table was restored, begins with those instead. It replaces the addresses of an earlier call. The slice is copied;
// of each family the first 32 are used.
func (n *Node) Bootstrap(now Instant, addrs ...netip.AddrPort) {
	n.gate.close()
	defer n.gate.open()
	for f := range n.seeds {
		n.seeds[f] = seeds{round: now, retry: seedRetryMin}
		if n.tables[f].count >= K {
			n.growth[f].refresh = now
		}
	}
	for _, a := range addrs {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) // resolvers return IPv4 in both forms
		if s := &n.seeds[familyOf(a.Addr())]; len(s.addrs) < maxSeeds {
			s.addrs = append(s.addrs, a)
		}
	}
	n.upkeep.wakeBy(now)
}

// needsSeeds says whether the table of a family is not enough to find others with.
func (n *Node) needsSeeds(f family) bool {
	return len(n.seeds[f].addrs) > 0 && (n.tables[f].count < K || n.heard[f].silent >= deaf)
}

// bootstrap begins a round, if it is time. It reports whether it did.
func (n *Node) bootstrap(now Instant, f family) bool {
	if now < n.nextBootstrap(f) {
		return false
	}
	s := &n.seeds[f]
	if !n.needsSeeds(f) {
		s.round, s.retry = now.Add(seedRetryMin), seedRetryMin
		return false
	}
	s.running = n.findSelf(now, f, func(Result) { n.seeds[f].running = false })
	s.round = now.Add(s.retry)
	s.retry = min(2*s.retry, seedRetryMax)
	return s.running
}

// nextBootstrap is when the next round begins.
func (n *Node) nextBootstrap(f family) Instant {
	if s := &n.seeds[f]; len(s.addrs) > 0 && !s.running {
		return s.round
	}
	return forever // the end of the look-up wakes the node
}

// findSelf looks up the node's own id in a family. It reports whether there was a free slot to do so.
func (n *Node) findSelf(now Instant, f family, done func(Result)) bool {
	s := Search{Method: wire.FindNode, Target: *n.idFor(f), Want: wire.Want4 << f, Done: done}
	return n.search(now, s, true) == nil
}
