package dht

import (
	"encoding/binary"
	"net/netip"
	"time"

	"supernode/dht/wire"
)

const (
	// checkPeriod is how often every node of the table is pinged: one that has not answered for so long is
	// questionable (BEP 5). The pings of a million nodes are 1,111 a second.
	checkPeriod = Instant(15 * time.Minute)

	// sparse is the size below which a table wants to grow, and a node that is pinged anyway is rather asked
	// for nodes.
	sparse = 256

	// learn bounds the nodes taken from one answer.
	learn = 16

	seedRetryMin = 5 * time.Second
	seedRetryMax = 5 * time.Minute

	// tick is how long the node sleeps between looks at its clocks, idleTick when there is nothing in them.
	tick     = 10 * time.Millisecond
	idleTick = time.Second
)

// seeds are the addresses to ask when a table is (almost) empty.
type seeds struct {
	addrs []netip.AddrPort
	next  int     // position in the current round
	round Instant // when the next round begins
	retry time.Duration
}

// upkeep is the node's recurring work.
type upkeep struct {
	wake  Instant
	hands [families]sweepHand
}

func (u *upkeep) init(now Instant) {
	u.wake = now
	for f := range u.hands {
		u.hands[f].last = now
	}
}

// Bootstrap gives the node addresses to ask for nodes whenever it knows fewer than K of that address's family:
// at once, then at growing intervals. It replaces the addresses of an earlier call. The slice is copied.
func (n *Node) Bootstrap(now Instant, addrs ...netip.AddrPort) {
	n.seeds = seeds{addrs: append([]netip.AddrPort(nil), addrs...), round: now, retry: seedRetryMin}
	n.upkeep.wake = now
}

// NextWake is when Poll wants to be called again at the latest. Handle can make it earlier.
func (n *Node) NextWake() Instant { return n.upkeep.wake }

// Poll appends one datagram that the node itself wants to send behind dst and says where to. When ok is false
// nothing is due before NextWake. Call it until then: after Handle, and at NextWake.
func (n *Node) Poll(now Instant, dst []byte) (out []byte, to netip.AddrPort, ok bool) {
	if now < n.upkeep.wake && n.probes.verify.n == 0 && n.probes.check.n == 0 {
		return dst, netip.AddrPort{}, false
	}
	n.peers.sweep(now)
	n.giveUp(now)
	n.scheduleChecks(now)
	if n.pending.room() {
		if t, ok := n.probes.next(now); ok {
			out, to = n.ask(now, dst, t)
			return out, to, true
		}
		if t, ok := n.nextSeed(now); ok {
			out, to = n.askFor(now, dst, t, askNodes, n.id)
			return out, to, true
		}
	}
	n.upkeep.wake = now.Add(n.rest())
	return dst, netip.AddrPort{}, false
}

func (n *Node) rest() time.Duration {
	if n.pending.count > 0 || n.probes.verify.n > 0 || n.tables[v4].count > 0 || n.tables[v6].count > 0 || n.peers.count > 0 {
		return tick
	}
	return idleTick
}

// giveUp draws the consequence from queries that got no answer.
func (n *Node) giveUp(now Instant) {
	for q, ok := n.pending.expire(now); ok; q, ok = n.pending.expire(now) {
		n.unanswered(&q)
	}
}

// unanswered counts a failure of the node that q went to, and asks it again at once if it has one more chance.
func (n *Node) unanswered(q *query) {
	if n.tables[q.family].failed(q.addr[:addrSize[q.family]]) {
		n.probes.check.push(target{addr: q.addr, family: q.family})
	}
}

// scheduleChecks queues the nodes whose turn it is to be pinged, unless they answered since their last turn.
func (n *Node) scheduleChecks(now Instant) {
	for f := range family(families) {
		t, hand := n.tables[f], &n.upkeep.hands[f]
		if t.count == 0 {
			hand.last = now
			continue
		}
		for steps := hand.due(now, len(t.heads), checkPeriod); steps > 0; steps-- {
			bucket := uint32(hand.next(len(t.heads)))
			if n.probes.check.room() < bucketNodes {
				continue // queries do not leave; these nodes have their turn again in a period
			}
			for s := range t.inBucket(bucket) {
				meta, i := t.metaOf(s)
				if age := now.seconds() - meta.seen[i]; age >= uint32(checkPeriod/Instant(time.Second)/8) {
					n.probes.check.push(targetAt(f, t.blob(s)[20:]))
				}
			}
		}
	}
}

func targetAt(f family, addr []byte) target {
	t := target{family: f}
	copy(t.addr[:], addr)
	return t
}

// nextSeed is the next bootstrap address of the current round, if its family needs nodes.
func (n *Node) nextSeed(now Instant) (target, bool) {
	s := &n.seeds
	if len(s.addrs) == 0 || now < s.round {
		return target{}, false
	}
	for s.next < len(s.addrs) {
		addr := s.addrs[s.next]
		s.next++
		f := familyOf(addr.Addr())
		if n.tables[f].count < K && n.reach.allows(addr) {
			var c compactAddr
			return targetAt(f, wire.AppendAddr(c[:0], addr)), true
		}
	}
	s.next = 0
	s.round = now.Add(s.retry)
	s.retry = min(2*s.retry, seedRetryMax)
	if n.tables[v4].count >= K || n.tables[v6].count >= K {
		s.retry = seedRetryMin
	}
	return target{}, false
}

// ask sends what finds out whether there is a node at t.
func (n *Node) ask(now Instant, dst []byte, t target) ([]byte, netip.AddrPort) {
	if n.tables[t.family].count < sparse {
		var random wire.ID
		n.rng.Read(random[:])
		return n.askFor(now, dst, t, askNodes, random)
	}
	return n.askFor(now, dst, t, askAlive, wire.ID{})
}

// askFor appends a query to t behind dst and enters it among the pending.
func (n *Node) askFor(now Instant, dst []byte, t target, asked purpose, find wire.ID) ([]byte, netip.AddrPort) {
	var tid [4]byte
	q := query{addr: t.addr, family: t.family, asked: asked}
	binary.BigEndian.PutUint32(tid[:], n.pending.add(n.rng, now, q))
	m := wire.Message{Kind: wire.Query, Method: wire.Ping, T: tid[:], Version: n.version[:], ID: n.id[:]}
	if asked == askNodes {
		m.Method, m.Target = wire.FindNode, find[:]
		m.Want = wire.Want4 << t.family
	}
	return m.Append(dst), wire.Addr(t.addr[:addrSize[t.family]])
}

// accept takes an answer to a query of ours, of which there must be one.
func (n *Node) accept(now Instant, src netip.AddrPort, m *wire.Message) Outcome {
	if len(m.T) != 4 {
		return Outcome{Verdict: DropUnsolicited}
	}
	addr := wire.AppendAddr(n.scratch.ip[:0], src)
	q, ok := n.pending.take(binary.BigEndian.Uint32(m.T), addr)
	if !ok {
		return Outcome{Verdict: DropUnsolicited}
	}
	if m.Kind != wire.Response || m.ID == nil {
		n.unanswered(&q)
		return Outcome{Verdict: Accepted}
	}
	if id := wire.ID(m.ID); id != n.id {
		n.tables[q.family].answered(&id, addr, now.seconds())
	}
	if q.asked == askNodes {
		n.learn(now, v4, m.Nodes)
		n.learn(now, v6, m.Nodes6)
	}
	return Outcome{Verdict: Accepted}
}

// learn considers nodes that another node named.
func (n *Node) learn(now Instant, f family, nodes []byte) {
	taken := 0
	for id, addr := range wire.NodeList(nodes, nodeSize[f]) {
		if taken == learn {
			return
		}
		taken++
		if id != n.id && n.reach.allows(addr) {
			n.consider(now, addr)
		}
	}
}

// consider queues a verifying ping to an address that may be a node's, unless it is one we have.
func (n *Node) consider(now Instant, addr netip.AddrPort) {
	if n.probes.verify.room() == 0 {
		return // decided before the table is touched: under load this is the usual case
	}
	f := familyOf(addr.Addr())
	var c compactAddr
	t := targetAt(f, wire.AppendAddr(c[:0], addr))
	table := n.tables[f]
	if _, found, ofHost := table.find(t.addr[:addrSize[f]]); found || ofHost >= hostLimit[f] {
		return
	}
	n.probes.consider(now, table.host(t.addr[:]), t)
}
