package sim

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"supernode/dht"
	"supernode/dht/wire"
)

const (
	// patience is how long a client waits for an answer.
	patience = 2 * time.Second

	// questionable is the age from which a contact is asked whether it still lives (BEP 5). Clients look for such
	// contacts once in upkeepPeriod. It is also how often a bucket with free places is looked into.
	questionable = 15 * time.Minute
	upkeepPeriod = time.Minute

	// refreshPeriod is how often a client looks its own id up, half as much more at random; rejoinPeriod how often one
	// that knows nobody asks its bootstrap nodes.
	refreshPeriod = 12 * time.Minute
	rejoinPeriod  = 10 * time.Second

	// mostPings bounds the queries to strangers that wait.
	mostPings = 16
)

// ask is a query of a client: to be sent, or sent and waiting.
type ask struct {
	to     compact
	known  bool    // the id is known, and
	id     wire.ID // this
	method wire.Method
	target wire.ID
	token  string
	lookup *Lookup // whose query it is, or nil
	seed   bool    // to a bootstrap node

	tid uint32
	at  dht.Instant
}

// Bootstrap gives the client addresses to ask while it knows nobody.
func (c *Client) Bootstrap(now dht.Instant, addrs ...netip.AddrPort) {
	c.seeds = slices.Clone(addrs)
	c.refresh = now
}

// Start begins a lookup.
func (c *Client) Start(now dht.Instant, l *Lookup) {
	l.started = now
	var found nearby
	c.table.nearest(&found, &l.Target, compact{})
	for _, near := range found.contact[:found.n] {
		l.hear(&near.id, near.addr, 1)
	}
	for _, first := range l.First {
		addr := compactOf(first.Addr)
		l.hear(&first.ID, addr, 1)
		if next := l.find(addr); next != nil {
			c.send(l, next)
		}
	}
	c.advance(now, l)
}

// send asks a candidate of a lookup.
func (c *Client) send(l *Lookup, next *candidate) {
	next.state = asked
	l.waiting++
	l.Asked++
	c.outbox = append(c.outbox, ask{to: next.addr, known: true, id: next.id, method: l.Method, target: l.Target, lookup: l})
}

// advance sends what a lookup can send now, and ends it when it waits for nothing more.
func (c *Client) advance(now dht.Instant, l *Lookup) {
	if !l.announcing {
		for next := l.next(); next != nil; next = l.next() {
			c.send(l, next)
		}
		if l.waiting > 0 {
			return
		}
		l.announcing = true
		if l.Announce != 0 {
			for near := range l.closest {
				if near.token == "" {
					continue
				}
				l.waiting++
				c.outbox = append(c.outbox, ask{to: near.addr, known: true, id: near.id, method: wire.AnnouncePeer,
					target: l.Target, token: near.token, lookup: l})
			}
		}
	}
	if l.waiting == 0 {
		l.finish(now)
	}
}

// consider pings a node somebody named, or who asked, if there is a place for it in the table.
func (c *Client) consider(id *wire.ID, addr compact) {
	if *id == c.table.own || len(c.outbox)+len(c.pending) >= mostPings || !c.table.wants(id) || c.table.find(id, addr) != nil {
		return
	}
	same := func(a ask) bool { return a.to == addr }
	if slices.ContainsFunc(c.pending, same) || slices.ContainsFunc(c.outbox, same) {
		return
	}
	c.outbox = append(c.outbox, ask{to: addr, known: true, id: *id, method: wire.Ping})
}

// accept takes an answer.
func (c *Client) accept(now dht.Instant, src netip.AddrPort, m *wire.Message) dht.Outcome {
	from := compactOf(src)
	i := slices.IndexFunc(c.pending, func(a ask) bool {
		return len(m.T) == 4 && a.tid == binary.BigEndian.Uint32(m.T) && a.to == from
	})
	if i < 0 {
		return dht.Outcome{Verdict: dht.DropUnsolicited}
	}
	q := c.pending[i]
	c.pending = slices.Delete(c.pending, i, i+1)
	if m.Kind != wire.Response || m.ID == nil {
		c.unanswered(now, &q)
		return dht.Outcome{Verdict: dht.Accepted}
	}
	id := (*wire.ID)(m.ID)
	switch {
	case q.seed:
		c.join(now, m)
		return dht.Outcome{Verdict: dht.Accepted}
	case q.known && q.id != *id:
		c.table.failed(&q.id, from)
	}
	c.table.answered(id, from, seconds(now))
	if q.lookup != nil {
		q.lookup.answer(now, from, m, &c.table.own)
		c.advance(now, q.lookup)
	} else {
		for id, addr := range wire.NodeList(m.Nodes, wire.CompactNode4) {
			c.consider(&id, compactOf(addr))
		}
	}
	return dht.Outcome{Verdict: dht.Accepted}
}

// join looks the own id up among the nodes a bootstrap node named, which itself does not become a contact.
func (c *Client) join(now dht.Instant, m *wire.Message) {
	l := &Lookup{Target: c.table.own, Method: wire.FindNode}
	for id, addr := range wire.NodeList(m.Nodes, wire.CompactNode4) {
		if id != c.table.own {
			l.First = append(l.First, Contact{id, addr})
		}
	}
	c.Start(now, l)
}

func (c *Client) unanswered(now dht.Instant, q *ask) {
	if q.known {
		c.table.failed(&q.id, q.to)
	}
	if q.lookup != nil {
		q.lookup.answer(now, q.to, nil, nil)
		c.advance(now, q.lookup)
	}
}

// NextWake is as [dht.Node.NextWake].
func (c *Client) NextWake() dht.Instant {
	if len(c.outbox) > 0 {
		return 0
	}
	wake := min(c.upkeep, c.refresh)
	if len(c.pending) > 0 {
		wake = min(wake, c.pending[0].at.Add(patience))
	}
	return wake
}

// Poll is the second of the two doors, as [dht.Node.Poll].
func (c *Client) Poll(now dht.Instant, dst []byte) (out []byte, to netip.AddrPort, ok bool) {
	for len(c.pending) > 0 && c.pending[0].at.Add(patience) <= now {
		q := c.pending[0]
		c.pending = slices.Delete(c.pending, 0, 1)
		c.unanswered(now, &q)
	}
	if now >= c.upkeep {
		c.upkeep = now.Add(upkeepPeriod)
		c.forget(now)
		c.question(now)
	}
	if now >= c.refresh {
		c.renew(now)
	}
	if len(c.outbox) == 0 {
		return dst, netip.AddrPort{}, false
	}
	q := c.outbox[0]
	c.outbox = slices.Delete(c.outbox, 0, 1)
	q.tid, q.at = c.rng.Uint32(), now
	var tid [4]byte
	binary.BigEndian.PutUint32(tid[:], q.tid)
	m := wire.Message{Kind: wire.Query, Method: q.method, T: tid[:], ID: c.table.own[:]}
	switch q.method {
	case wire.FindNode:
		m.Target = q.target[:]
	case wire.GetPeers:
		m.InfoHash = q.target[:]
	case wire.AnnouncePeer:
		m.InfoHash, m.Token = q.target[:], []byte(q.token)
		m.Port, m.Has = int64(q.lookup.Announce), wire.HasPort
	}
	c.pending = append(c.pending, q)
	return m.Append(dst), wire.Addr(q.to[:]), true
}

// question asks the contacts nobody has heard of for long whether they live, and for others of their bucket. In a
// bucket with free places it looks an id up, not too often: that is how one who knows his neighbours only gets to know
// the rest of the network.
func (c *Client) question(now dht.Instant) {
	for b, bucket := range c.table.buckets {
		renewed := &c.table.renewed[b]
		if len(bucket) < dht.K && c.table.count > 0 && (*renewed == 0 || seconds(now)-*renewed >= uint32(questionable/time.Second)) {
			*renewed = seconds(now) + 1
			c.Start(now, &Lookup{Target: c.table.within(b, c.rng), Method: wire.FindNode})
		}
		for i := range bucket {
			if near := &bucket[i]; near.fails > 0 || seconds(now)-near.seen >= uint32(questionable/time.Second) {
				c.outbox = append(c.outbox, ask{to: near.addr, known: true, id: near.id, method: wire.FindNode,
					target: c.table.within(b, c.rng)})
			}
		}
	}
}

// renew looks the own id up, or asks the bootstrap nodes if nobody is known.
func (c *Client) renew(now dht.Instant) {
	if c.table.count > 0 {
		c.refresh = now.Add(refreshPeriod + time.Duration(c.rng.Int64N(int64(refreshPeriod/2))))
		c.Start(now, &Lookup{Target: c.table.own, Method: wire.FindNode})
		return
	}
	c.refresh = now.Add(rejoinPeriod)
	for _, addr := range c.seeds {
		c.outbox = append(c.outbox, ask{to: compactOf(addr), method: wire.FindNode, target: c.table.own, seed: true})
	}
}
