package dht

import "time"

const (
	// verifyRate and verifyBurst pace the pings that strangers can cause, so that a flood of forged queries
	// cannot make this node one in turn.
	verifyRate  = 1000 // a second
	verifyBurst = 100

	probeQueue = 1024

	// remembered is how many hosts lately considered for a ping are told apart, and considerAgain how long one
	// of them is left in peace.
	remembered    = 1 << 15
	considerAgain = 10 * time.Minute
)

// target is an address to send a query to.
type target struct {
	addr   compactAddr
	family family
}

// targets is a bounded queue.
type targets struct {
	ring [probeQueue]target
	head int
	n    int
}

func (q *targets) room() int { return len(q.ring) - q.n }

// push adds t; it is dropped when the queue is full.
func (q *targets) push(t target) {
	if q.n < len(q.ring) {
		q.ring[(q.head+q.n)%len(q.ring)] = t
		q.n++
	}
}

func (q *targets) pop() target {
	t := q.ring[q.head]
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return t
}

// probes decides which addresses deserve a ping.
type probes struct {
	verify targets // strangers, at verifyRate
	check  targets // nodes of the table, paced by the upkeep

	recent []uint64 // by host hash: 40 bits of the hash and the time in seconds, modulo 2^24
	key    hashKey

	budget   float64 // verifying pings that may be sent now
	refilled Instant
}

func (p *probes) init(key hashKey, now Instant) {
	p.recent = make([]uint64, remembered)
	p.key = key
	p.refilled = now
}

// consider queues a stranger's address for a verifying ping, unless the queue is full or the host was
// considered lately.
func (p *probes) consider(now Instant, host uint64, t target) {
	if p.verify.room() == 0 {
		return
	}
	const stampBits = 24
	hash := p.key.hash64(host ^ uint64(t.family))
	entry := hash>>stampBits<<stampBits | uint64(now.seconds())&(1<<stampBits-1)
	last := &p.recent[hash%remembered]
	if *last>>stampBits == entry>>stampBits && (entry-*last)&(1<<stampBits-1) < uint64(considerAgain/time.Second) {
		return
	}
	*last = entry
	p.verify.push(t)
}

// next is the address to query next, if one is due.
func (p *probes) next(now Instant) (target, bool) {
	if p.check.n > 0 {
		return p.check.pop(), true
	}
	if p.verify.n == 0 {
		return target{}, false
	}
	earned := float64(now-p.refilled) * verifyRate / float64(time.Second)
	p.budget = min(p.budget+earned, verifyBurst)
	p.refilled = now
	if p.budget < 1 {
		return target{}, false
	}
	p.budget--
	return p.verify.pop(), true
}
