package main

import (
	"bytes"
	"encoding/binary"

	"supernode/dht/wire"
)

// template is an encoded query that lacks only its transaction id, node id and target, which all have a
// fixed length and therefore a fixed place.
type template struct {
	encoded        []byte
	t, id, operand int // where they belong; operand is 0 for a ping
}

// newTemplate encodes a ping, find_node or get_peers. It finds the places by encoding marks in them.
func newTemplate(method wire.Method) template {
	t := []byte{0xf1, 0xf2, 0xf3, 0xf4}
	id := bytes.Repeat([]byte{0xfd}, len(wire.ID{}))
	operand := bytes.Repeat([]byte{0xfe}, len(wire.ID{}))
	m := wire.Message{Kind: wire.Query, Method: method, T: t, ID: id}
	switch method {
	case wire.FindNode:
		m.Target = operand
	case wire.GetPeers:
		m.InfoHash = operand
	}
	encoded := m.Append(nil)
	return template{
		encoded: encoded,
		t:       bytes.Index(encoded, t),
		id:      bytes.Index(encoded, id),
		operand: max(bytes.Index(encoded, operand), 0),
	}
}

// append writes the query behind dst.
func (p *template) append(dst []byte, seq uint32, id, operand *wire.ID) []byte {
	start := len(dst)
	dst = append(dst, p.encoded...)
	b := dst[start:]
	binary.BigEndian.PutUint32(b[p.t:], seq)
	copy(b[p.id:], id[:])
	if p.operand > 0 {
		copy(b[p.operand:], operand[:])
	}
	return dst
}

// encoder writes queries. It is made once; nothing it does allocates.
type encoder struct {
	templates [wire.Methods]template
	announce  wire.Message // its token has no fixed length
	t         [4]byte
}

func newEncoder() *encoder {
	e := &encoder{}
	for _, method := range [...]wire.Method{wire.Ping, wire.FindNode, wire.GetPeers} {
		e.templates[method] = newTemplate(method)
	}
	e.announce = wire.Message{Kind: wire.Query, Method: wire.AnnouncePeer, ImpliedPort: true, Has: wire.HasPort}
	return e
}

// query writes a ping, find_node or get_peers behind dst. operand is the target or the info_hash.
func (e *encoder) query(dst []byte, method wire.Method, seq uint32, id, operand *wire.ID) []byte {
	return e.templates[method].append(dst, seq, id, operand)
}

// announcePeer writes an announce_peer behind dst. port is given, too, for nodes that know no implied_port.
func (e *encoder) announcePeer(dst []byte, seq uint32, id, infoHash *wire.ID, token []byte, port uint16) []byte {
	binary.BigEndian.PutUint32(e.t[:], seq)
	m := &e.announce
	m.T, m.ID, m.InfoHash, m.Token, m.Port = e.t[:], id[:], infoHash[:], token, int64(port)
	return m.Append(dst)
}
