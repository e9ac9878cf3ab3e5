package main

import (
	"encoding/binary"

	"supernode/dht/wire"
)

// query queues one query. An announce_peer needs a token: without one it becomes a get_peers, which
// brings one, so that a mix of nothing but announces is half get_peers.
func (e *engine) query(now, due int64) {
	t := e.trial
	q := slot{due: due, sent: now, cohort: t.phase == phaseMeasure}
	if t.segments != nil {
		q.segment = t.segmentOf(due)
	}
	if e.payload.foreign() {
		q.flow = t.walk.flow()
		seq, buffer := e.issue(q)
		e.queries.Add(e.payload.append(buffer, seq), e.target, e.layout.source(q.flow))
		return
	}
	q.method = t.chooser.draw(t.random.Uint64())
	if q.method == wire.AnnouncePeer {
		if g := e.tokens.pop(now); g != nil {
			e.announce(q, g)
			return
		}
		q.method = wire.GetPeers
	}
	q.flow = t.walk.flow()
	switch q.method {
	case wire.FindNode:
		e.randomTarget()
	case wire.GetPeers:
		q.item = e.item()
		derive(&e.operand, e.seed, t.universe, q.item)
	}
	seq, buffer := e.issue(q)
	e.queries.Add(e.encoder.query(buffer, q.method, seq, &e.id, &e.operand), e.target, e.layout.source(q.flow))
}

// announce queues the announce_peer that g allows. A token is only good for the flow that got it.
func (e *engine) announce(q slot, g *grant) {
	q.method, q.flow, q.item = wire.AnnouncePeer, g.flow, g.item
	derive(&e.operand, e.seed, kindInfoHash, q.item)
	seq, buffer := e.issue(q)
	port := e.transport.Local()[e.socket].Port()
	e.queries.Add(e.encoder.announcePeer(buffer, seq, &e.id, &e.operand, g.token[:g.size], port), e.target, e.layout.source(q.flow))
}

// issue remembers and counts a query that is about to be queued, and makes ready what it takes: the socket, its flow's
// id, and the buffer for it, which is valid until the next Add.
func (e *engine) issue(q slot) (seq uint32, buffer []byte) {
	t := e.trial
	if socket := e.layout.socket(q.flow); socket != e.socket || e.queries.Full() {
		e.flushQueries()
		e.socket = socket
	}
	derive(&e.id, e.seed, kindFlow, e.layout.first+q.flow)
	t.totalSent++
	if q.cohort {
		t.sent[q.method]++
		if t.segments != nil {
			t.segments[q.segment].sent++
		}
	}
	return e.table.add(q), e.queries.Buffer()
}

// item is the number of the info_hash to ask for.
func (e *engine) item() uint32 {
	if e.trial.inOrder {
		return e.round.item()
	}
	return e.items.draw(e.trial.random.Uint64())
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
