package dht

import (
	"math/rand/v2"
	"time"
)

const (
	// queryTimeout is how long an answer to a query of ours is waited for.
	queryTimeout = 5 * time.Second

	// pendingLimit bounds our queries younger than queryTimeout, answered or not: about 3,000 a second.
	pendingLimit = 1 << 14
	pendingSlots = 2 * pendingLimit
)

// query is one query of ours that waits for its answer.
type query struct {
	addr   compactAddr
	tid    uint32
	inUse  bool
	family family
	asked  purpose
}

// purpose is why a query was sent, which decides what its answer is good for.
type purpose uint8

const (
	askAlive purpose = iota // ping: is this node there (still)?
	askNodes                // find_node: that, and whom does it know?
)

// compactAddr holds a compact address of either family at its front.
type compactAddr [18]byte

// pending holds the queries that wait. A transaction id is 32 random bits, nothing of which an outsider can
// guess, whose low bits are also the query's slot: a number whose slot is taken is simply drawn again.
type pending struct {
	slots []query
	order []sent // ring of queries in the order they were sent, answered ones included
	head  int
	used  int // entries in the ring
	count int // slots in use
}

type sent struct {
	tid uint32
	at  Instant
}

func (p *pending) init() {
	p.slots = make([]query, pendingSlots)
	p.order = make([]sent, pendingLimit)
}

func (p *pending) room() bool { return p.used < len(p.order) }

// add enters a query and chooses its transaction id. There must be room.
func (p *pending) add(rng *rand.ChaCha8, now Instant, q query) (tid uint32) {
	for {
		tid = uint32(rng.Uint64())
		if !p.slots[tid%pendingSlots].inUse {
			break
		}
	}
	q.tid, q.inUse = tid, true
	p.slots[tid%pendingSlots] = q
	p.order[(p.head+p.used)%len(p.order)] = sent{tid, now}
	p.used++
	p.count++
	return tid
}

// take removes the query that an answer with this transaction id from addr belongs to.
func (p *pending) take(tid uint32, addr []byte) (query, bool) {
	q := &p.slots[tid%pendingSlots]
	if !q.inUse || q.tid != tid || string(q.addr[:addrSize[q.family]]) != string(addr) {
		return query{}, false
	}
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
		if q := &p.slots[tid%pendingSlots]; q.inUse && q.tid == tid {
			q.inUse = false
			p.count--
			return *q, true
		}
	}
	return query{}, false
}
