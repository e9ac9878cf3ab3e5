package dht

import (
	"encoding/binary"
	"net/netip"
	"time"

	"supernode/dht/wire"
)

// learn bounds the nodes taken from one answer.
const learn = 16

// accept takes an answer to a query of ours, of which there must be one.
func (n *Node) accept(now Instant, src netip.AddrPort, m *wire.Message) Outcome {
	if len(m.T) != 4 {
		return Outcome{Verdict: DropUnsolicited}
	}
	tid, addr := binary.BigEndian.Uint32(m.T), wire.AppendAddr(n.scratch.ip[:0], src)
	n.enter()
	waits := n.pending.waits(tid, addr)
	n.leave()
	if !waits { // whoever floods us with answers is not to close the gate
		return Outcome{Verdict: DropUnsolicited}
	}
	n.gate.close()
	defer n.gate.open()
	q, ok := n.pending.take(tid, addr)
	if !ok {
		return Outcome{Verdict: DropUnsolicited}
	}
	n.answered(now, &q)
	if m.Kind != wire.Response || m.ID == nil {
		n.refused(now, &q)
		return Outcome{Verdict: Accepted}
	}
	if id := wire.ID(m.ID); id != *n.idFor(q.family) {
		n.tables[q.family].answered(&id, addr, now.seconds())
		n.hear(now, src.Addr(), m.IP)
	} else {
		n.tables[q.family].forget(addr) // ourselves, or somebody who took our id for another
	}
	switch q.asked {
	case askNodes:
		n.learn(now, q.family, nodesOf(m, q.family))
	case askMore:
		n.growth[q.family].learned(now, n.learn(now, q.family, nodesOf(m, q.family)))
	case askLookup:
		n.lookupAnswered(now, &q, m)
	case askDeposit:
		n.depositAnswered(now, &q, true)
	}
	n.upkeep.wakeBy(n.nextGrow(q.family))
	return Outcome{Verdict: Accepted}
}

func nodesOf(m *wire.Message, f family) []byte {
	if f == v6 {
		return m.Nodes6
	}
	return m.Nodes
}

// learn considers nodes that another node named, of the family it was asked for, and returns how many of them are
// news.
func (n *Node) learn(now Instant, f family, nodes []byte) (news int) {
	taken := 0
	for id, addr := range wire.NodeList(nodes, nodeSize[f]) {
		if taken == learn {
			break
		}
		taken++
		if id != *n.idFor(f) && n.reach.allows(addr) && n.trusts(id[:], addr) && n.consider(now, addr) {
			news++
		}
	}
	return news
}

// consider queues a verifying ping to an address that was named as a node's. It reports whether it did.
func (n *Node) consider(now Instant, addr netip.AddrPort) bool {
	return n.considerAfter(n.named(), nil, considerAgain, now, addr)
}

// considerAsker is consider for the source of a query.
func (n *Node) considerAsker(now Instant, src netip.AddrPort) {
	pause := considerAgain
	if n.tables[familyOf(src.Addr())].count < fewNodes {
		pause = considerCaller
	}
	n.considerAfter(&n.newcomers, &n.newcomers.looks, pause, now, src)
}

// considerAfter queues a verifying ping to an address that may be a node's, unless it is one we have, its host was
// asked something within the pause, or there is no place for it. It reports whether it did.
//
// Every query comes by here. So the questions are in the order of what they cost: the table is searched last, and not
// for clients that do not answer, who were asked lately.
func (n *Node) considerAfter(among *newcomers, looks *pace, pause time.Duration, now Instant, addr netip.AddrPort) bool {
	f := familyOf(addr.Addr())
	table := n.tables[f]
	if among.verify.room() == 0 || table.count >= table.limit {
		return false
	}
	var c compactAddr
	t := targetAt(f, wire.AppendAddr(c[:0], addr))
	last, entry := among.place(now, table.host(t.addr[:]), f)
	if within(pause, *last, entry) || looks != nil && !looks.pass(now) {
		return false
	}
	if _, found, ofHost := table.find(t.addr[:addrSize[f]]); found || ofHost >= hostLimit[f] {
		if !lives(*last, entry) {
			*last = aged(entry, considerAgain-knownAgain)
		}
		return false
	}
	*last = entry
	among.verify.push(t)
	if among.verify.n == 1 {
		n.upkeep.wakeBy(now)
	}
	return true
}
