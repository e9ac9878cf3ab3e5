package dht

import (
	"net/netip"

	"supernode/dht/wire"
)

const (
	// maxReply bounds a reply in bytes (BEP 32), maxAmplification a reply by the length of its query, so that a
	// forged source address gains an attacker little.
	maxReply         = 1024
	maxAmplification = 10

	maxTransaction = 32 // bytes of a "t" that is echoed
)

// Handle consumes one datagram from src and appends at most one reply to dst. It keeps neither in nor dst. A
// result no longer than dst means: stay silent.
//
// src must be an IPv4 or IPv6 address, not an IPv4-mapped one: those are dropped.
func (n *Node) Handle(now Instant, src netip.AddrPort, in, dst []byte) ([]byte, Outcome) {
	if !n.reach.allows(src) {
		return dst, Outcome{Verdict: DropSource}
	}
	var m wire.Message
	if wire.Parse(in, &m) != nil {
		return dst, Outcome{Verdict: DropMalformed}
	}
	if m.Kind != wire.Query {
		return dst, n.accept(now, src, &m)
	}
	if n.limit != nil && !n.limit.pass(now, src.Addr()) {
		return dst, Outcome{Verdict: DropLimited, Method: m.Method}
	}
	if len(m.T) == 0 || len(m.T) > maxTransaction {
		return dst, Outcome{Verdict: DropTransaction, Method: m.Method}
	}
	own := &n.scratch.id
	n.enter()
	*own = *n.idFor(familyOf(src.Addr()))
	if m.ID != nil && wire.ID(m.ID) != *own && !m.ReadOnly && n.trusts(m.ID, src) {
		n.considerAsker(now, src)
	}
	var r wire.Message // not a literal, which would be built elsewhere and copied: it is half a kilobyte
	r.Kind, r.T, r.Version, r.ID = wire.Response, m.T, n.version[:], own[:]
	room := min(maxReply, maxAmplification*len(in))
	code, text := n.answer(now, src, &m, &r, room)
	n.leave()
	if code != 0 {
		e := wire.Message{Kind: wire.Error, T: m.T, Version: n.version[:], Code: int64(code), Text: text}
		return e.Append(dst), Outcome{Verdict: Refused, Method: m.Method, Code: code}
	}
	r.IP = wire.AppendAddr(n.scratch.ip[:0], src)
	return r.Append(dst), Outcome{Verdict: Answered, Method: m.Method}
}

// The texts of the errors the node sends.
var (
	textNoMethod = []byte("q: missing, or not a string")
	textNoID     = []byte("id: missing, or not 20 bytes")
	textNoTarget = []byte("target: missing, or not 20 bytes")
	textNoHash   = []byte("info_hash: missing, or not 20 bytes")
	textToken    = []byte("token: missing, or not one we gave to this address lately")
	textPort     = []byte("port: missing, or not 1 to 65535")
	textSecure   = []byte("id: does not follow from your address (BEP 42)")
	textFull     = []byte("peer store is full, or holds enough peers of this address")
	textMethod   = []byte("method unknown")
)

// answer does what the query m asks and fills in the reply r, of at most room bytes. A code other than zero
// is the error to send instead.
func (n *Node) answer(now Instant, src netip.AddrPort, m, r *wire.Message, room int) (code uint16, text []byte) {
	if m.Name == nil {
		return wire.CodeProtocol, textNoMethod
	}
	if m.ID == nil {
		return wire.CodeProtocol, textNoID
	}
	switch m.Method {
	case wire.Ping:
		return 0, nil
	case wire.FindNode:
		if m.Target == nil {
			return wire.CodeProtocol, textNoTarget
		}
		n.nodes(src, m, r, m.Target)
		return 0, nil
	case wire.GetPeers:
		if m.InfoHash == nil {
			return wire.CodeProtocol, textNoHash
		}
		n.getPeers(now, src, m, r, room)
		return 0, nil
	case wire.SampleInfohashes:
		if m.Target == nil {
			return wire.CodeProtocol, textNoTarget
		}
		n.sampleInfohashes(now, src, m, r, room)
		return 0, nil
	case wire.AnnouncePeer:
		return n.announcePeer(now, src, m)
	case wire.Get:
		return n.get(now, src, m, r, room)
	case wire.Put:
		return n.put(now, src, m)
	}
	// A method we do not have, but with a point in the id space: help its lookup along.
	target := m.Target
	if target == nil {
		target = m.InfoHash
	}
	if target == nil {
		return wire.CodeMethodUnknown, textMethod
	}
	n.nodes(src, m, r, target)
	return 0, nil
}

// nodes fills in the nodes closest to target, of the families the query wants (BEP 32).
func (n *Node) nodes(src netip.AddrPort, m, r *wire.Message, target []byte) {
	want := m.Want
	if want == 0 {
		want = wire.Want4 << familyOf(src.Addr())
	}
	asker := asker{id: (*wire.ID)(m.ID), addr: wire.AppendAddr(n.scratch.ip[:0], src)}
	if want&wire.Want4 != 0 {
		r.Nodes = n.tables[v4].appendClosest(n.scratch.nodes[:0], (*wire.ID)(target), asker)
	}
	if want&wire.Want6 != 0 {
		r.Nodes6 = n.tables[v6].appendClosest(n.scratch.nodes6[:0], (*wire.ID)(target), asker)
	}
}

// replyOverhead is what a get_peers reply holds at most beside nodes, values and "t": keys, lengths, id, ip,
// token, version.
const replyOverhead = 160

// getPeers fills in peers, nodes, a token, and filters if asked to. Whose announce would be refused gets no token, so
// that nobody announces in vain.
func (n *Node) getPeers(now Instant, src netip.AddrPort, m, r *wire.Message, room int) {
	infohash, f := (*wire.ID)(m.InfoHash), familyOf(src.Addr())
	if m.Scrape {
		n.scrape(now, f, m, r)
	}
	n.nodes(src, m, r, m.InfoHash)
	room -= replyOverhead + len(m.T) + len(r.Nodes) + len(r.Nodes6)
	if r.BFsd != nil {
		room -= scrapeSize
	}
	part, random := n.part(infohash), n.rng.Uint64()
	part.enter(n.worker)
	values, stale := part.someValues(n.scratch.values[:0], now, infohash, f, m.NoSeed, random, room)
	takes := n.trusts(m.ID, src) && part.takes(infohash, src.Addr())
	part.leave(n.worker)
	if stale >= staleRecords {
		part.close()
		values = part.appendValues(n.scratch.values[:0], now, infohash, f, m.NoSeed, random, room)
		part.open()
	}
	if len(values) > 0 {
		r.Values = values
	}
	if takes {
		n.tokens.put(&n.scratch.token, now, src.Addr(), m.InfoHash)
		r.Token = n.scratch.token[:]
	}
}

func (n *Node) announcePeer(now Instant, src netip.AddrPort, m *wire.Message) (code uint16, text []byte) {
	if m.InfoHash == nil {
		return wire.CodeProtocol, textNoHash
	}
	port := src.Port()
	if !m.ImpliedPort {
		if m.Has&wire.HasPort == 0 || m.Port < 1 || m.Port > 65535 {
			return wire.CodeProtocol, textPort
		}
		port = uint16(m.Port)
	}
	if !n.trusts(m.ID, src) {
		return wire.CodeProtocol, textSecure
	}
	infohash := (*wire.ID)(m.InfoHash)
	if !n.tokens.valid(m.Token, now, src.Addr(), infohash) {
		return wire.CodeProtocol, textToken
	}
	part := n.part(infohash)
	part.close()
	stored := part.announce(now, infohash, netip.AddrPortFrom(src.Addr(), port), m.Seed)
	part.open()
	if !stored {
		return wire.CodeServer, textFull
	}
	return 0, nil
}
