package dht

import "time"

const (
	// verifyRate and verifyBurst pace the pings that strangers can cause, so that a flood of forged queries
	// cannot make this node one in turn.
	verifyRate  = 1000 // a second
	verifyBurst = 100

	// minCheckRate is the least pace of the pings to nodes of the tables. It only matters after a stall, when
	// many are owed and must not leave at once.
	minCheckRate = 100 // a second

	// minProbeQueue and maxProbeQueue bound the addresses that wait for a query; a table of a thousand nodes or more
	// has the most. The least is room for two full buckets.
	minProbeQueue = 2 * bucketNodes
	maxProbeQueue = 1 << 10

	// minRemembered and maxRemembered bound how many hosts lately considered for a ping are told apart.
	minRemembered = 1 << 8
	maxRemembered = 1 << 15

	// considerAgain is how long a host that was asked something is left in peace when others name it: many of the
	// nodes that are named are gone, and who is named may have nothing to do with it.
	considerAgain = 10 * time.Minute

	// knownAgain is how long the source of queries that was found in the table is not looked for there again.
	knownAgain = time.Minute

	// lookRate and lookBurst pace the searches of the table for sources of queries. Four times as many as there are
	// pings for them are enough to find those who are worth one, and a busy node is asked by fifty times as many: each
	// search would cost it as much as half an answer.
	lookRate  = 4 * verifyRate // a second
	lookBurst = 2 * maxProbeQueue

	// considerCaller is how long it is left in peace instead when it queries us and the table has fewer than fewNodes.
	// It was down, perhaps, when it was asked first, as hosts of a cluster are that boots, and is there now. Or the
	// query is forged; but then the reply to it has just gone the same way, and so does one to every other, next to
	// which one ping a minute is nothing. In a larger table one host does not matter, and hosts behind NATs, who can
	// answer right after they have asked and never else, would always be back in it a minute after they left it.
	considerCaller = time.Minute
	fewNodes       = 8 * K
)

// target is an address to send a query to.
type target struct {
	addr   compactAddr
	family family
}

// targets is a bounded queue.
type targets struct {
	ring []target
	head int
	n    int
}

func (q *targets) init(size int) { q.ring = make([]target, size) }

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

// pace lets so many pass in a second, and a burst after a rest.
type pace struct {
	rate, burst float64
	budget      float64 // how many may pass now
	last        Instant // when the budget was right
}

func newPace(rate, burst float64, now Instant) pace {
	return pace{rate: rate, burst: burst, budget: burst, last: now}
}

// pass reports whether another one may pass, and counts it.
func (p *pace) pass(now Instant) bool {
	earned := float64(max(now-p.last, 0)) * p.rate / float64(time.Second)
	p.budget, p.last = min(p.budget+earned, p.burst), now
	if p.budget < 1 {
		return false
	}
	p.budget--
	return true
}

// probes decides when addresses that deserve a ping get one.
type probes struct {
	check targets // nodes of the tables; strangers wait with the workers that heard of them
	turn  int     // whose strangers are next

	verifyPace, checkPace pace
}

func (p *probes) init(maxNodes int, now Instant) {
	p.check.init(probeQueue(maxNodes))
	p.verifyPace = newPace(verifyRate, verifyBurst, now)
	checkRate := max(minCheckRate, 3*float64(maxNodes)/time.Duration(checkPeriod).Seconds())
	p.checkPace = newPace(checkRate, checkRate/4, now)
}

func probeQueue(maxNodes int) int { return min(max(maxNodes, minProbeQueue), maxProbeQueue) }

// newcomers are the addresses that a worker heard of, and which of them deserve a ping. Each worker has its own, since
// every query comes by here. What nodes name, whoever handles it, is the business of the first.
type newcomers struct {
	verify targets
	looks  pace     // searches of the table for sources of queries
	recent []uint64 // by host hash: 40 bits of the hash and the time in seconds, modulo 2^24; a power of two
	key    hashKey
}

func (p *newcomers) init(maxNodes int, key hashKey, now Instant) {
	p.looks = newPace(lookRate, lookBurst, now)
	p.verify.init(probeQueue(maxNodes))
	p.recent = make([]uint64, powerOfTwo(min(max(maxNodes, minRemembered), maxRemembered)))
	p.key = key
}

// fetch asks for the memory that place will point to, and does not wait for it.
func (p *newcomers) fetch(host uint64, f family) {
	fetch(&p.recent[p.key.hash64(host^uint64(f))&uint64(len(p.recent)-1)], 8)
}

// stampBits are the bits of an entry in recent that are a time.
const stampBits = 24

// place is where a host is remembered, and what stands there if it is asked something now.
func (p *newcomers) place(now Instant, host uint64, f family) (last *uint64, entry uint64) {
	hash := p.key.hash64(host ^ uint64(f))
	return &p.recent[hash&uint64(len(p.recent)-1)], hash>>stampBits<<stampBits | uint64(now.seconds())&(1<<stampBits-1)
}

// remember notes that a host is asked something.
func (p *newcomers) remember(now Instant, host uint64, f family) {
	last, entry := p.place(now, host, f)
	*last = entry
}

// lately says whether a host was asked something within considerAgain, and not so many others since that it is forgotten.
func (p *newcomers) lately(now Instant, host uint64, f family) bool {
	last, entry := p.place(now, host, f)
	return within(considerAgain, *last, entry)
}

// within says whether last is an entry of the same host as entry, and no older than the pause.
func within(pause time.Duration, last, entry uint64) bool {
	return last>>stampBits == entry>>stampBits && (entry-last)&(1<<stampBits-1) < uint64(pause/time.Second)
}

// lives says whether last, whosever it is, still means something at the time of entry.
func lives(last, entry uint64) bool {
	return last != 0 && (entry-last)&(1<<stampBits-1) < uint64(considerAgain/time.Second)
}

// aged is entry as if it had been made so long before.
func aged(entry uint64, by time.Duration) uint64 {
	const stamps = 1<<stampBits - 1
	return entry&^stamps | (entry-uint64(by/time.Second))&stamps
}

// named are the strangers that nodes name and lookups ask. The gate must be closed.
func (n *Node) named() *newcomers { return &n.workers[0].newcomers }

// probesWait reports that there are addresses to query, even if none is due yet.
func (n *Node) probesWait() bool {
	for _, w := range n.workers {
		if w.newcomers.verify.n > 0 {
			return true
		}
	}
	return n.probes.check.n > 0
}

// nextProbe is the address to query next, if one is due: nodes of the tables go first.
func (n *Node) nextProbe(now Instant) (target, bool) {
	p := &n.probes
	if p.check.n > 0 && p.checkPace.pass(now) {
		return p.check.pop(), true
	}
	for range n.workers {
		verify := &n.workers[p.turn].newcomers.verify
		p.turn = (p.turn + 1) % len(n.workers)
		if verify.n > 0 {
			if p.verifyPace.pass(now) {
				return verify.pop(), true
			}
			break
		}
	}
	return target{}, false
}
