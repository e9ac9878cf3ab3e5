package dht

import (
	"math"
	"net/netip"
	"time"

	"supernode/dht/wire"
)

const (
	ownSearches = 2 * families // of the node itself: one to bootstrap and one to refresh, in each family

	// lookupParallel is how many queries of a lookup wait for their answers in each family (the alpha of
	// Kademlia), those not counted that have waited for lookupSlow: for them another one is asked as well.
	lookupParallel = 4
	lookupSlow     = time.Second

	// lookupQueries and lookupLife end a lookup that strangers could make endless by naming ever nearer nodes.
	lookupQueries = 200 // in each family
	lookupLife    = time.Minute

	forever = Instant(math.MaxInt64)
)

// lookups are the searches that run.
type lookups struct {
	slots [MaxSearches + ownSearches]*lookup
	count int
	own   int // of these, the node's
	turn  int // slot whose turn it is to send
	pace  pace
}

// running is how many lookups of a kind run, and how many may.
func (l *lookups) running(upkeep bool) (running, limit int) {
	if upkeep {
		return l.own, ownSearches
	}
	return l.count - l.own, MaxSearches
}

// init paces lookups to half of the node's own queries, so that its upkeep is never starved.
func (l *lookups) init(queries int, now Instant) {
	half := float64(queries / 2)
	l.pace = newPace(half/queryTimeout.Seconds(), half, now)
}

// lookup is a search that runs.
type lookup struct {
	Search
	slot   uint16
	walks  [families]walk
	upkeep bool    // the node's own, which may happen for as long as it lives
	due    Instant // when it wants to be looked at, if nothing happens before
	ends   Instant
	found  map[netip.AddrPort]struct{} // peers delivered
	result Result

	put        *Put // what to store, if it is an item
	depositing bool
	deposits   []deposit
}

// search starts a lookup, the node's own (upkeep) or an embedder's.
func (n *Node) search(now Instant, s Search, upkeep bool) error {
	if running, limit := n.lookups.running(upkeep); running == limit {
		return ErrTooManySearches
	}
	if s.Want == 0 {
		s.Want = wire.Want4 | wire.Want6
	}
	l := &lookup{Search: s, upkeep: upkeep, due: now, ends: now.Add(lookupLife)}
	for f := range family(families) {
		w := &l.walks[f]
		*w = walk{family: f, target: &l.Target}
		if s.Want&(wire.Want4<<f) != 0 {
			n.begin(w)
		}
	}
	for slot, other := range n.lookups.slots {
		if other == nil {
			l.slot, n.lookups.slots[slot] = uint16(slot), l
			break
		}
	}
	n.lookups.count++
	if upkeep {
		n.lookups.own++
	}
	n.upkeep.wakeBy(now)
	return nil
}

// begin gives a walk the nodes of the table that are nearest to its target, and the bootstrap addresses if these
// are too few, or do not answer.
func (n *Node) begin(w *walk) {
	t := n.tables[w.family]
	nobody := asker{id: n.idFor(w.family)}
	nodes := t.appendClosest(n.scratch.nodes6[:0], w.target, nobody)
	for len(nodes) > 0 {
		w.add(candidate{id: wire.ID(nodes), addr: targetAt(w.family, nodes[20:nodeSize[t.family]]).addr})
		nodes = nodes[nodeSize[t.family]:]
	}
	if !n.needsSeeds(w.family) {
		return
	}
	for _, addr := range n.seeds[w.family].addrs {
		if n.reach.allows(addr) {
			w.addNameless(addr)
		}
	}
}

// startOwn starts the node's own searches that are due. It reports whether there were any.
func (n *Node) startOwn(now Instant) (started bool) {
	for f := range family(families) {
		bootstrapped := n.bootstrap(now, f)
		refreshed := n.refresh(now, f)
		started = started || bootstrapped || refreshed
	}
	return started
}

// nextLookup is when a lookup has something to do, if nothing happens before.
func (n *Node) nextLookup() Instant {
	next := forever
	if n.lookups.count > 0 {
		for _, l := range n.lookups.slots {
			if l != nil {
				next = min(next, l.due)
			}
		}
	}
	return next
}

// pollLookups sends the next query of a lookup. They take turns.
func (n *Node) pollLookups(now Instant, dst []byte) (out []byte, to netip.AddrPort, ok bool) {
	if n.lookups.count == 0 {
		return dst, netip.AddrPort{}, false
	}
	for range n.lookups.slots {
		l := n.lookups.slots[n.lookups.turn]
		n.lookups.turn = (n.lookups.turn + 1) % len(n.lookups.slots)
		if l == nil || l.due > now {
			continue
		}
		if out, to, ok = n.step(now, dst, l); ok {
			return out, to, true
		}
	}
	return dst, netip.AddrPort{}, false
}

// step sends the next query of l, or ends it, or finds out when it is due again.
func (n *Node) step(now Instant, dst []byte, l *lookup) (out []byte, to netip.AddrPort, ok bool) {
	if !l.depositing {
		l.due = l.ends
		ended := true
		for f := range l.walks {
			c, due, done := n.nextCandidate(now, l, family(f))
			if c != nil && now < l.ends {
				if !n.lookups.pace.pass(now) {
					l.due = now.Add(lookupSlow / 10)
					return dst, netip.AddrPort{}, false
				}
				l.due = now
				out, to = n.askCandidate(now, dst, l, c, family(f))
				return out, to, true
			}
			l.due = min(l.due, due)
			ended = ended && done
		}
		if !ended && now < l.ends {
			return dst, netip.AddrPort{}, false
		}
		n.prepareDeposits(l)
	}
	if out, to, ok = n.nextDeposit(now, dst, l); ok || !l.deposited() {
		return out, to, ok
	}
	n.finish(now, l)
	return dst, netip.AddrPort{}, false
}

// nextCandidate is next of a walk, but that a lookup which nobody asked for passes over strangers who were lately asked
// something and are no nodes yet: a liar may name the same victim again and again.
func (n *Node) nextCandidate(now Instant, l *lookup, f family) (c *candidate, due Instant, done bool) {
	t := n.tables[f]
	for {
		c, due, done = l.walks[f].next(now)
		if c == nil || !l.upkeep || c.nameless {
			return c, due, done
		}
		addr := c.addr[:addrSize[f]]
		if t.has(addr) || n.trusts(c.id[:], wire.Addr(addr)) && !n.named().lately(now, t.host(addr), f) {
			return c, due, done
		}
		c.state = failed
	}
}

// askCandidate appends the query of lookup l to its candidate c behind dst.
func (n *Node) askCandidate(now Instant, dst []byte, l *lookup, c *candidate, f family) ([]byte, netip.AddrPort) {
	m := wire.Message{Method: l.Method, Want: l.Want}
	switch l.Method {
	case wire.GetPeers:
		m.InfoHash, m.NoSeed, m.Scrape = l.Target[:], l.NoSeed, l.Scrape
	default:
		m.Target = l.Target[:]
	}
	q := query{addr: c.addr, family: f, asked: askLookup, lookup: l.slot}
	c.state, c.at = asked, now
	l.walks[f].asked++
	if t := n.tables[f]; !t.has(c.addr[:addrSize[f]]) {
		n.named().remember(now, t.host(c.addr[:]), f)
	}
	out, to, tid := n.send(now, dst, q, &m)
	c.tid = tid
	return out, to
}

// lookupOf is the lookup that q was sent for, unless it is over.
func (n *Node) lookupOf(q *query) *lookup { return n.lookups.slots[q.lookup] }

// lookupAnswered takes the answer m, a response with an id, to the query q of a lookup.
func (n *Node) lookupAnswered(now Instant, q *query, m *wire.Message) {
	l := n.lookupOf(q)
	if l == nil {
		return
	}
	w := &l.walks[q.family]
	c := w.find(q.tid)
	if c == nil {
		return // of an earlier lookup that had the slot
	}
	l.due = now
	n.upkeep.wakeBy(now)
	depth := c.depth + 1
	id := wire.ID(m.ID)
	if id == *n.idFor(q.family) || !w.answered(c, &id, m.Token) {
		c.state = failed
		return
	}
	l.result.Answered++
	for f, nodes := range [families][]byte{m.Nodes, m.Nodes6} {
		if l.Want&(wire.Want4<<f) != 0 {
			n.follow(&l.walks[f], nodes, depth)
		}
	}
	n.gather(l, m)
}

// follow makes candidates of the nodes that a node named.
func (n *Node) follow(w *walk, nodes []byte, depth uint8) {
	taken := 0
	for id, addr := range wire.NodeList(nodes, nodeSize[w.family]) {
		if taken == learn {
			return
		}
		taken++
		if id != *n.idFor(w.family) && n.reach.allows(addr) {
			var c compactAddr
			w.add(candidate{id: id, addr: targetAt(w.family, wire.AppendAddr(c[:0], addr)).addr, depth: depth})
		}
	}
}

// lookupFailed is told of a query of a lookup that was not answered, or by an error.
func (n *Node) lookupFailed(now Instant, q *query) {
	l := n.lookupOf(q)
	if l == nil {
		return
	}
	if c := l.walks[q.family].find(q.tid); c != nil {
		c.state, l.due = failed, now
		n.upkeep.wakeBy(now)
	}
}

// finish ends l. Candidates that nobody had time to ask may be nodes worth to have.
func (n *Node) finish(now Instant, l *lookup) {
	n.lookups.slots[l.slot] = nil
	n.lookups.count--
	if l.upkeep {
		n.lookups.own--
	}
	for f := range l.walks {
		w := &l.walks[f]
		l.result.Asked += w.asked
		for i := range w.candidates {
			c := &w.candidates[i]
			addr := wire.Addr(c.addr[:addrSize[f]])
			if c.state == fresh && !c.nameless && n.trusts(c.id[:], addr) {
				n.consider(now, addr)
			}
		}
	}
	if l.Done != nil {
		l.Done(l.result)
	}
}
