package sim

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"supernode/dht"
	"supernode/dht/wire"
)

const (
	peerLifetime = 30 * time.Minute
	tokenPeriod  = 5 * time.Minute
	mostValues   = 50 // peers in an answer
)

// Client is an ordinary DHT client, the kind of which the network mostly consists, as BEP 5 describes it and as the
// common ones do it, over IPv4: a tree of buckets of eight nodes, of which it knows those near its own id best;
// iterative lookups; a ping to a stranger who asks, if there is a place for him; nodes not heard of for a quarter
// of an hour are asked again, and dropped after two failures; the own neighbourhood is looked up anew as often.
//
// It is simple where that cannot be told from outside, and honest: the peers it stores have no bound.
type Client struct {
	rng    *rand.Rand
	table  tree
	peers  map[wire.ID][]announced
	secret uint64

	seeds   []netip.AddrPort
	outbox  []ask // to send now
	pending []ask // sent, in this order
	upkeep  dht.Instant
	refresh dht.Instant
}

// announced is a stored peer.
type announced struct {
	addr compact
	till dht.Instant
}

func newClient(now dht.Instant, source rand.Source) *Client {
	c := &Client{rng: rand.New(source)}
	var id wire.ID
	for i := range id {
		id[i] = byte(c.rng.Uint32())
	}
	c.table = newTree(id)
	c.secret = c.rng.Uint64()
	c.upkeep = now.Add(time.Duration(c.rng.Int64N(int64(upkeepPeriod))))
	c.refresh = never
	return c
}

// ID is the client's id.
func (c *Client) ID() wire.ID { return c.table.own }

// Nodes is how many nodes the client knows, Peers how many peers it stores.
func (c *Client) Nodes() int { return c.table.count }

// Peers is how many peers the client stores, expired ones included until the next upkeep.
func (c *Client) Peers() (n int) {
	for _, swarm := range c.peers {
		n += len(swarm)
	}
	return n
}

func compactOf(a netip.AddrPort) (c compact) {
	wire.AppendAddr(c[:0], a)
	return c
}

// Handle is the first of the two doors, as [dht.Node.Handle].
func (c *Client) Handle(now dht.Instant, src netip.AddrPort, in, dst []byte) ([]byte, dht.Outcome) {
	var m wire.Message
	if !src.Addr().Is4() || wire.Parse(in, &m) != nil {
		return dst, dht.Outcome{Verdict: dht.DropMalformed}
	}
	if m.Kind != wire.Query {
		return dst, c.accept(now, src, &m)
	}
	from := compactOf(src)
	r := wire.Message{Kind: wire.Response, T: m.T, ID: c.table.own[:], IP: from[:]}
	var nodes [dht.K * wire.CompactNode4]byte
	var token [8]byte
	var code int64 = wire.CodeProtocol
	switch {
	case m.ID == nil:
	case m.Method == wire.Ping:
		code = 0
	case m.Method == wire.FindNode && m.Target != nil:
		code = 0
		r.Nodes = c.appendNearest(nodes[:0], (*wire.ID)(m.Target), from)
	case m.Method == wire.GetPeers && m.InfoHash != nil:
		code = 0
		r.Nodes = c.appendNearest(nodes[:0], (*wire.ID)(m.InfoHash), from)
		r.Values = c.values(now, wire.ID(m.InfoHash))
		r.Token = c.token(token[:0], from, int64(now)/int64(tokenPeriod))
	case m.Method == wire.AnnouncePeer && m.InfoHash != nil && c.valid(now, m.Token, from):
		code = 0
		c.store(now, &m, src)
	}
	if code != 0 {
		e := wire.Message{Kind: wire.Error, T: m.T, Code: code, Text: []byte("not understood")}
		return e.Append(dst), dht.Outcome{Verdict: dht.Refused, Method: m.Method, Code: uint16(code)}
	}
	if !m.ReadOnly {
		c.heard(now, (*wire.ID)(m.ID), from)
	}
	return r.Append(dst), dht.Outcome{Verdict: dht.Answered, Method: m.Method}
}

// heard notes that a node asked something: one that is known lives, another may be worth a ping.
func (c *Client) heard(now dht.Instant, id *wire.ID, from compact) {
	if known := c.table.find(id, from); known != nil {
		known.seen = seconds(now)
	} else {
		c.consider(id, from)
	}
}

func (c *Client) appendNearest(dst []byte, target *wire.ID, asker compact) []byte {
	var found nearby
	c.table.nearest(&found, target, asker)
	for _, near := range found.contact[:found.n] {
		dst = append(append(dst, near.id[:]...), near.addr[:]...)
	}
	return dst
}

// values are the peers stored for an info_hash, in the form of wire.Message.Values; nil, if there are none.
func (c *Client) values(now dht.Instant, infohash wire.ID) (values []byte) {
	swarm := c.peers[infohash]
	for i := range min(len(swarm), mostValues) {
		if p := &swarm[(i+int(now&0xffff))%len(swarm)]; now < p.till {
			values = wire.AppendString(values, p.addr[:])
		}
	}
	return values
}

func (c *Client) store(now dht.Instant, m *wire.Message, src netip.AddrPort) {
	port := uint16(m.Port)
	if m.ImpliedPort {
		port = src.Port()
	}
	peer := announced{compactOf(netip.AddrPortFrom(src.Addr(), port)), now.Add(peerLifetime)}
	if c.peers == nil {
		c.peers = map[wire.ID][]announced{}
	}
	infohash := wire.ID(m.InfoHash)
	swarm := c.peers[infohash]
	if i := slices.IndexFunc(swarm, func(p announced) bool { return p.addr == peer.addr }); i >= 0 {
		swarm[i] = peer
		return
	}
	c.peers[infohash] = append(swarm, peer)
}

// forget drops peers that have expired.
func (c *Client) forget(now dht.Instant) {
	for infohash, swarm := range c.peers {
		swarm = slices.DeleteFunc(swarm, func(p announced) bool { return p.till <= now })
		if len(swarm) == 0 {
			delete(c.peers, infohash)
		} else {
			c.peers[infohash] = swarm
		}
	}
}

// token makes the token of a period of time for an address. It only has to tell addresses and periods apart.
func (c *Client) token(dst []byte, to compact, period int64) []byte {
	h := c.secret ^ uint64(period)
	for _, b := range to[:4] {
		h = (h ^ uint64(b)) * 0x9e3779b97f4a7c15
	}
	for shift := 0; shift < 64; shift += 8 {
		dst = append(dst, byte(h>>shift))
	}
	return dst
}

// valid says whether a token is one that was given to the address in this period or the last.
func (c *Client) valid(now dht.Instant, token []byte, from compact) bool {
	var want [8]byte
	period := int64(now) / int64(tokenPeriod)
	return string(token) == string(c.token(want[:0], from, period)) ||
		string(token) == string(c.token(want[:0], from, period-1))
}

func seconds(now dht.Instant) uint32 { return uint32(now / dht.Instant(time.Second)) }
