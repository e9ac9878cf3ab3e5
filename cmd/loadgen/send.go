package main

import (
	"encoding/binary"

	"supernode/dht/wire"
)

// query queues one query. An announce_peer needs a token: without one it becomes a get_peers, which
// brings one, so that a mix of nothing but announces is half get_peers.
func (e *engine) query(now, due int64) {
	t := e.trial
	method := t.chooser.draw(t.random.Uint64())
	var g *grant
	if method == wire.AnnouncePeer {
		if g = e.tokens.pop(now); g == nil {
			method = wire.GetPeers
		}
	}
	q := slot{due: due, sent: now, method: method, cohort: t.phase == phaseMeasure}
	if g != nil {
		q.flow, q.item = g.flow, g.item // a token is only good for the flow that got it
	} else {
		q.flow = t.walk.flow()
	}
	socket := e.layout.socket(q.flow)
	if socket != e.socket || e.queries.Full() {
		e.flushQueries()
		e.socket = socket
	}
	derive(&e.id, e.seed, kindFlow, q.flow)
	switch method {
	case wire.FindNode:
		e.randomTarget()
	case wire.GetPeers:
		q.item = e.items.draw(t.random.Uint64())
		derive(&e.operand, e.seed, kindInfoHash, q.item)
	case wire.AnnouncePeer:
		derive(&e.operand, e.seed, kindInfoHash, q.item)
	}
	seq := e.table.add(q)
	payload := e.queries.Buffer()
	if g != nil {
		port := e.transport.Local()[socket].Port()
		payload = e.encoder.announcePeer(payload, seq, &e.id, &e.operand, g.token[:g.size], port)
	} else {
		payload = e.encoder.query(payload, method, seq, &e.id, &e.operand)
	}
	e.queries.Add(payload, e.target, e.layout.source(q.flow))
	t.totalSent++
	if q.cohort {
		t.sent[method]++
	}
}

func (e *engine) randomTarget() {
	random := e.trial.random
	binary.NativeEndian.PutUint64(e.operand[0:], random.Uint64())
	binary.NativeEndian.PutUint64(e.operand[8:], random.Uint64())
	binary.NativeEndian.PutUint32(e.operand[16:], uint32(random.Uint64()))
}

func (e *engine) flushQueries() {
	if e.queries.Len() > 0 {
		e.transport.Send(e.queries, e.socket)
	}
}
