package dht

import (
	"encoding/binary"
	"net/netip"

	"supernode/dht/wire"
)

// learn bounds the nodes taken from one answer.
const learn = 16

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
		n.unanswered(now, &q)
		return Outcome{Verdict: Accepted}
	}
	if id := wire.ID(m.ID); id != *n.idFor(q.family) {
		n.tables[q.family].answered(&id, addr, now.seconds())
		n.hear(now, src.Addr(), m.IP)
	} else {
		n.tables[q.family].forget(addr) // ourselves, or somebody who took our id for another
	}
	if q.asked == askNodes {
		nodes := m.Nodes
		if q.family == v6 {
			nodes = m.Nodes6
		}
		n.learn(now, q.family, nodes)
	}
	return Outcome{Verdict: Accepted}
}

// unanswered counts a failure of the node that q went to, and asks it again at once if it has one more chance.
func (n *Node) unanswered(now Instant, q *query) {
	if n.tables[q.family].failed(q.addr[:addrSize[q.family]]) {
		n.probes.check.push(target{addr: q.addr, family: q.family})
		n.upkeep.wakeBy(now)
	}
}

// learn considers nodes that another node named, of the family it was asked for.
func (n *Node) learn(now Instant, f family, nodes []byte) {
	taken := 0
	for id, addr := range wire.NodeList(nodes, nodeSize[f]) {
		if taken == learn {
			return
		}
		taken++
		if id != *n.idFor(f) && n.reach.allows(addr) && n.trusts(id[:], addr) {
			n.consider(now, addr)
		}
	}
}

// consider queues a verifying ping to an address that may be a node's, unless it is one we have, or there is no
// place for it.
func (n *Node) consider(now Instant, addr netip.AddrPort) {
	f := familyOf(addr.Addr())
	table := n.tables[f]
	if n.probes.verify.room() == 0 || table.count >= table.limit {
		return // decided before the table is touched: under load this is the usual case
	}
	var c compactAddr
	t := targetAt(f, wire.AppendAddr(c[:0], addr))
	if _, found, ofHost := table.find(t.addr[:addrSize[f]]); found || ofHost >= hostLimit[f] {
		return
	}
	if n.probes.consider(now, table.host(t.addr[:]), t) && n.probes.verify.n == 1 {
		n.upkeep.wakeBy(now)
	}
}
