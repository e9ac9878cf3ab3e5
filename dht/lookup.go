package dht

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"supernode/dht/wire"
)

const (
	// MaxSearches bounds the searches of an embedder that run at a time; the node's own come on top.
	MaxSearches = 64
	ownSearches = 2 * families // one to bootstrap and one to refresh, in each family

	// lookupParallel is how many queries of a lookup wait for their answers in each family (the alpha of
	// Kademlia), those not counted that have waited for lookupSlow: for them another one is asked as well.
	lookupParallel = 4
	lookupSlow     = time.Second

	// lookupQueries and lookupLife end a lookup that strangers could make endless by naming ever nearer nodes.
	lookupQueries = 200 // in each family
	lookupLife    = time.Minute

	// maxFound bounds the distinct peers that one search remembers and delivers, maxToken a token that is
	// worth keeping, in bytes.
	maxFound = 1 << 14
	maxToken = 64

	forever = Instant(math.MaxInt64)
)

// ErrTooManySearches is what Search returns while MaxSearches run: try again after one is done.
var ErrTooManySearches = errors.New("too many searches: wait until one is done")

// Search is an iterative lookup: it asks the nodes nearest to a target for nodes that are nearer, until the K
// nearest have answered, and collects what they have.
//
// The functions are called from inside Handle (Peer, Item) and Poll (Put, Done). They must not call these two,
// but may start another search. Those that are nil are not called. Slices in it must not change before Done.
type Search struct {
	// Method is wire.FindNode, wire.GetPeers or wire.Get, and Target the id, info_hash or BEP 44 target.
	Method wire.Method
	Target wire.ID

	// Want is the set of address families to search in; zero means both. A family of which the node knows
	// nobody, and has no bootstrap addresses, is searched in vain and at no cost.
	Want wire.Want

	// Peer is given each distinct peer that a get_peers search finds, as soon as it is found, up to 16,384 of them.
	Peer func(netip.AddrPort)

	// NoSeed asks for peers that still download, Scrape for the size of the swarm (BEP 33).
	NoSeed, Scrape bool

	// Announce, if not nil, ends a get_peers search by announcing the embedder as a peer.
	Announce *Announce

	// Salt belongs to a mutable item: it is part of what its target was made of (BEP 44).
	Salt []byte

	// Item is given an item that a get search finds once it is verified, and again whenever a newer one is found.
	Item func(Item)

	// Put, if not nil, ends a get search: it is given the newest item found, or nil, and returns what to store
	// with the nodes nearest to the target, or nil for nothing.
	Put func(newest *Item) *Put

	// Done is called once, at the end. Every search ends, after a minute at most, and a few seconds more if it
	// stores something.
	Done func(Result)
}

// Announce says what peer to announce: the node's own address as others see it, with Port or, if Implied is set,
// the port that the node's queries come from. Seed marks one who has all of it (BEP 33).
type Announce struct {
	Port    uint16
	Implied bool
	Seed    bool
}

// Responder is a node that answered a search.
type Responder struct {
	ID    wire.ID
	Addr  netip.AddrPort
	Token []byte // nil if it gave none
}

// Result is what a search came to. Its slices belong to whom it is given.
type Result struct {
	// Closest are the nodes that answered, nearest to the target first, at most K of each family.
	Closest []Responder

	// Hops is the number of queries one after the other that led to the nearest of them: 1 if the node knew
	// it before.
	Hops int

	Asked, Answered int // queries of the lookup itself
	Peers           int // distinct peers delivered

	// Swarm is what a Scrape found out.
	Swarm Swarm

	// Item is the newest item found, or nil.
	Item *Item

	// Stored is how many nodes confirmed the announce or the put, of those Offered it. StoreError says why
	// nothing was offered although there was something to put.
	Stored, Offered int
	StoreError      error
}

// Search starts a lookup, which Handle and Poll then drive. Errors name the field that makes no sense, or are
// ErrTooManySearches.
func (n *Node) Search(now Instant, s Search) error {
	if err := s.check(); err != nil {
		return err
	}
	return n.search(now, s, MaxSearches)
}

func (s *Search) check() error {
	switch {
	case s.Method != wire.FindNode && s.Method != wire.GetPeers && s.Method != wire.Get:
		return fmt.Errorf("search: Method %v: must be find_node, get_peers or get", s.Method)
	case s.Announce != nil && s.Method != wire.GetPeers:
		return fmt.Errorf("search: Announce: needs Method get_peers, not %v", s.Method)
	case s.Announce != nil && s.Announce.Port == 0 && !s.Announce.Implied:
		return errors.New("search: Announce: Port must not be 0 unless Implied is set")
	case s.Put != nil && s.Method != wire.Get:
		return fmt.Errorf("search: Put: needs Method get, not %v", s.Method)
	case len(s.Salt) > MaxSalt:
		return fmt.Errorf("search: Salt of %d bytes: must not be longer than %d", len(s.Salt), MaxSalt)
	}
	return nil
}

// lookups are the searches that run.
type lookups struct {
	slots [MaxSearches + ownSearches]*lookup
	count int
	turn  int // slot whose turn it is to send
	pace  pace
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

func (n *Node) search(now Instant, s Search, limit int) error {
	if n.lookups.count >= limit {
		return ErrTooManySearches
	}
	if s.Want == 0 {
		s.Want = wire.Want4 | wire.Want6
	}
	l := &lookup{Search: s, upkeep: limit > MaxSearches, due: now, ends: now.Add(lookupLife)}
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
		w.add(candidate{id: wire.ID(nodes), addr: targetAt(w.family, nodes[20:t.blobSize]).addr})
		nodes = nodes[t.blobSize:]
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
		if _, known, _ := t.find(addr); known || !n.probes.lately(now, t.host(addr), f) {
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
	n.probes.remember(now, n.tables[f].host(c.addr[:]), f)
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
	for f := range l.walks {
		w := &l.walks[f]
		l.result.Asked += w.asked
		for i := range w.candidates {
			if c := &w.candidates[i]; c.state == fresh && !c.nameless {
				n.consider(now, wire.Addr(c.addr[:addrSize[f]]))
			}
		}
	}
	if l.Done != nil {
		l.Done(l.result)
	}
}
