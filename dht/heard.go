package dht

// deaf is how many queries in a row must go unanswered, all to nodes of a family's table, for the node to take its own
// network for down: nobody is blamed then, and the bootstrap addresses are asked although the table is well filled,
// since its nodes may all be gone when the network is back. Strangers do not count: whom a forged query names is silent.
const deaf = K

// maxHeld bounds the failures that wait for a proof that the network is there; further ones are forgiven.
const maxHeld = 32

// heard tells a dead node from a dead network. A query without an answer is held against its node only once somebody
// else has answered after it was sent; until then the failure waits here. So an outage, however long, costs no node
// its place that had not failed before, and a node that is really gone leaves even a small and quiet table.
type heard struct {
	silent int            // queries to nodes of the table that timed out since the last answer
	held   [maxHeld]query // the first of them that went to nodes of the table
	n      int
}

// answered takes note of any answer from the node that q went to, and draws the consequences that were held back.
func (n *Node) answered(now Instant, q *query) {
	h := &n.heard[q.family]
	held := h.n
	h.silent, h.n = 0, 0
	for i := range held {
		if h.held[i].addr != q.addr {
			n.miss(now, &h.held[i])
		}
	}
}

// unanswered takes note of a query that got no answer.
func (n *Node) unanswered(now Instant, q *query) {
	switch q.asked {
	case askMore:
		n.growth[q.family].learned(now, 0)
	case askLookup:
		n.lookupFailed(now, q)
	case askDeposit:
		n.depositAnswered(now, q, false)
	}
	if !n.tables[q.family].has(q.addr[:addrSize[q.family]]) {
		return
	}
	h := &n.heard[q.family]
	h.silent++
	for i := range h.n {
		if h.held[i].addr == q.addr {
			return
		}
	}
	if h.n < len(h.held) {
		h.held[h.n] = *q
		h.n++
	}
}

// refused draws the consequence from an answer to q that is an error, or of no use. Who knows no ping or find_node is
// no node; who refuses anything else may be a good one.
func (n *Node) refused(now Instant, q *query) {
	switch q.asked {
	case askLookup:
		n.lookupFailed(now, q)
	case askDeposit:
		n.depositAnswered(now, q, false)
	default:
		n.miss(now, q)
	}
}

// miss counts a failure of the node that q went to, and asks it again at once if it has one more chance.
func (n *Node) miss(now Instant, q *query) {
	if n.tables[q.family].failed(q.addr[:addrSize[q.family]]) {
		n.probes.check.push(target{addr: q.addr, family: q.family})
		n.upkeep.wakeBy(now)
	}
}
