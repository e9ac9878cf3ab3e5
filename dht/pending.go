package dht

import (
	"math/rand/v2"
	"time"
)

const (
	// queryTimeout is how long an answer to a query of ours is waited for.
	queryTimeout = 5 * time.Second

	// minPending is the least bound of our queries younger than queryTimeout, answered or not: 50 a second.
	minPending = 1 << 8
)

// query is one query of ours that waits for its answer.
type query struct {
	addr   compactAddr
	tid    uint32
	inUse  bool
	family family
	asked  purpose
	lookup uint16 // slot of the lookup it was sent for
}

// purpose is why a query was sent, which decides what its answer is good for.
type purpose uint8

const (
	askAlive   purpose = iota // ping: is this node there (still)?
	askNodes                  // find_node: that, and whom does it know?
	askMore                   // find_node: to fill the table
	askLookup                 // of a lookup, in search of its target
	askDeposit                // of a lookup: announce_peer or put
)

// compactAddr holds a compact address of either family at its front.
type compactAddr [18]byte

// pending holds the queries that wait. A transaction id is 32 random bits, nothing of which an outsider can
// guess, whose low bits are also the query's slot: a number whose slot is taken is simply drawn again.
type pending struct {
	slots []query // twice as many as order, a power of two
	order []sent  // ring of queries in the order they were sent, answered ones included
	head  int
	used  int // entries in the ring
	count int // slots in use
}

type sent struct {
	tid uint32
	at  Instant
}

// init bounds the queries for tables of so many nodes each: enough to ping two full ones twice a period, with as
// much to spare for strangers. For a million nodes that is 16,384, or 3,000 queries a second.
func (p *pending) init(maxNodes int) {
	limit := powerOfTwo(max(minPending, maxNodes/64))
	p.slots = make([]query, 2*limit)
	p.order = make([]sent, limit)
}

func (p *pending) room() bool { return p.used < len(p.order) }

func (p *pending) slot(tid uint32) *query { return &p.slots[tid&uint32(len(p.slots)-1)] }

// until is when the oldest query has waited long enough; ok is false if there is none.
func (p *pending) until() (t Instant, ok bool) {
	return p.order[p.head].at.Add(queryTimeout), p.used > 0
}

// add enters a query and chooses its transaction id. There must be room.
func (p *pending) add(rng *rand.ChaCha8, now Instant, q query) (tid uint32) {
	for {
		tid = uint32(rng.Uint64())
		if !p.slot(tid).inUse {
			break
		}
	}
	q.tid, q.inUse = tid, true
	*p.slot(tid) = q
	p.order[(p.head+p.used)%len(p.order)] = sent{tid, now}
	p.used++
	p.count++
	return tid
}

// waits says whether an answer with this transaction id from addr is waited for.
func (p *pending) waits(tid uint32, addr []byte) bool {
	q := p.slot(tid)
	return q.inUse && q.tid == tid && string(q.addr[:addrSize[q.family]]) == string(addr)
}

// take removes the query that an answer with this transaction id from addr belongs to.
func (p *pending) take(tid uint32, addr []byte) (query, bool) {
	if !p.waits(tid, addr) {
		return query{}, false
	}
	q := p.slot(tid)
	q.inUse = false
	p.count--
	return *q, true
}

// expire removes one query that has waited too long.
func (p *pending) expire(now Instant) (query, bool) {
	for p.used > 0 && p.order[p.head].at.Add(queryTimeout) <= now {
		tid := p.order[p.head].tid
		p.head = (p.head + 1) % len(p.order)
		p.used--
		if q := p.slot(tid); q.inUse && q.tid == tid {
			q.inUse = false
			p.count--
			return *q, true
		}
	}
	return query{}, false
}
