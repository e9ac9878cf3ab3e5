package main

import (
	"encoding/binary"
	"net/netip"

	"supernode/dht/wire"
)

// handle deals with the n datagrams of the Inbox, which came by time now. Between trials it only answers
// queries.
func (e *engine) handle(n int, now int64) {
	socket := e.in.Socket()
	for i := range n {
		e.datagram(socket, e.in.Payload(i), e.in.Source(i), e.in.Local(i), now)
	}
	if e.answers.Len() > 0 {
		e.transport.Send(e.answers, socket)
	}
}

func (e *engine) datagram(socket int, payload []byte, source netip.AddrPort, local netip.Addr, now int64) {
	t := &e.ignored
	if e.trial != nil {
		t = &e.trial.tally
	}
	flow, ok := e.layout.flowOf(socket, local)
	if !ok || !e.isTarget(source) {
		t.stray++
		return
	}
	if e.payload.foreign() {
		e.foreignReply(flow, payload, now, t)
		return
	}
	m := &e.message
	if err := wire.Parse(payload, m); err != nil {
		t.unparseable++
		return
	}
	if m.Kind == wire.Query {
		if e.serve(flow, source, local) {
			t.served++
		}
		return
	}
	if e.trial != nil {
		e.answer(flow, len(payload), now)
	}
}

// foreignReply deals with a reply to a query of another kind than the DHT's.
func (e *engine) foreignReply(flow uint32, reply []byte, now int64, t *tally) {
	seq, code := e.payload.read(reply)
	if code == notReply {
		t.unparseable++
		return
	}
	if e.trial == nil {
		return
	}
	if e.payload.size == 2 {
		seq = e.table.recent(uint16(seq), flow)
	}
	if q := e.match(seq, flow, now); q != nil && q.cohort {
		if code != 0 {
			e.trial.errors.add(code, 1)
		}
		e.trial.replies[q.method].add(len(reply), 0, 0, code != 0)
	}
}

// isTarget compares without the zone, which backends write differently.
func (e *engine) isTarget(a netip.AddrPort) bool {
	if a == e.unzoned {
		return true
	}
	return a.Addr().Zone() != "" && netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()) == e.unzoned
}

// answer deals with the response or error in e.message, a datagram of so many bytes.
func (e *engine) answer(flow uint32, size int, now int64) {
	t, m := e.trial, &e.message
	if len(m.T) != 4 {
		t.unmatched++
		return
	}
	q := e.match(binary.BigEndian.Uint32(m.T), flow, now)
	if q == nil {
		return
	}
	if q.cohort {
		if m.Kind == wire.Error {
			t.errors.add(m.Code, 1)
		}
		nodes, peers, wrong := judge(q.method, m)
		t.replies[q.method].add(size, nodes, peers, wrong)
	}
	if q.method == wire.GetPeers && m.Token != nil {
		e.tokens.push(now, q.flow, q.item, m.Token)
	}
}

// match counts a reply to query seq that came to flow, and returns the query that it is the answer to: nil if it is
// late, a duplicate, or to nothing.
func (e *engine) match(seq, flow uint32, now int64) *slot {
	t := e.trial
	q, v := e.table.answer(seq, flow)
	switch v {
	case verdictLate:
		t.late++
	case verdictUnmatched:
		t.unmatched++
	case verdictWrongFlow:
		t.wrongFlow++
	case verdictDuplicate:
		if q.cohort {
			t.duplicate++
		}
	case verdictAnswer:
		e.answered(q, now)
		return q
	}
	return nil
}

func (e *engine) answered(q *slot, now int64) {
	t := e.trial
	t.totalAnswered++
	if t.phase == phaseMeasure {
		t.answersInInterval++
	}
	if q.cohort {
		t.answered[q.method]++
		record(t.latency, now-q.due)
		if t.segments != nil {
			s := &t.segments[q.segment]
			s.answered++
			record(s.latency, now-q.due)
		}
		if e.feed != nil {
			record(e.feed.current.latency, now-q.due)
		}
	}
}
