package dht

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"

	"supernode/dht/wire"
)

const (
	// checkPeriod is how often every node of the table is pinged: one that has not answered for so long is
	// questionable (BEP 5). The pings of a million nodes are 1,111 a second.
	checkPeriod = Instant(15 * time.Minute)

	// freshSeconds is the age below which an answer spares its node the ping of this turn.
	freshSeconds = uint32(checkPeriod / Instant(time.Second) / 8)

	// checkBuckets bounds the buckets that one call looks at.
	checkBuckets = 512

	// sparse is the size below which a table wants to grow, and a node that is pinged anyway is rather asked
	// for nodes.
	sparse = 256

	// tick is the shortest rest between calls that found nothing to send: what falls due within it is done
	// together, and late by at most so much. maxRest is the longest.
	tick    = 10 * time.Millisecond
	maxRest = time.Minute
)

// upkeep is the node's recurring work.
type upkeep struct {
	wake  atomic.Int64        // an Instant
	hands [families]sweepHand // going round the buckets
	round [families]int       // nodes in the table when its hand last came round
}

func (u *upkeep) init(now Instant) {
	u.wake.Store(int64(now))
	for f := range u.hands {
		u.hands[f].last = now
	}
}

// wakeBy makes NextWake no later than t. Workers may do so at the same time, but none while Poll decides.
func (u *upkeep) wakeBy(t Instant) {
	for wake := u.wake.Load(); int64(t) < wake && !u.wake.CompareAndSwap(wake, int64(t)); {
		wake = u.wake.Load()
	}
}

// NextWake is when Poll wants to be called again at the latest. Handle and Bootstrap can make it earlier. After a
// Poll that had nothing to send it lies in the future. It may be called from any goroutine.
func (n *Node) NextWake() Instant { return Instant(n.upkeep.wake.Load()) }

// Poll appends one datagram that the node itself wants to send behind dst and says where to. When ok is false
// nothing is due before NextWake. Call it until then, whenever NextWake has come.
func (n *Node) Poll(now Instant, dst []byte) (out []byte, to netip.AddrPort, ok bool) {
	if now < n.NextWake() {
		return dst, netip.AddrPort{}, false
	}
	n.sweep(now)
	n.gate.close()
	defer n.gate.open()
	return n.poll(now, dst)
}

func (n *Node) poll(now Instant, dst []byte) (out []byte, to netip.AddrPort, ok bool) {
	n.giveUp(now)
	n.scheduleChecks(now)
	if n.pending.room() {
		if out, to, ok := n.pollLookups(now, dst); ok {
			return out, to, true
		}
		if n.startOwn(now) {
			return n.poll(now, dst)
		}
		if t, ok := n.nextProbe(now); ok {
			out, to = n.ask(now, dst, t)
			return out, to, true
		}
		for f := range family(families) {
			if t, target, ok := n.grow(now, f); ok {
				out, to = n.askFor(now, dst, t, askMore, target)
				return out, to, true
			}
		}
	}
	n.upkeep.wake.Store(int64(max(n.nextWork(now), now.Add(tick))))
	return dst, netip.AddrPort{}, false
}

// nextWork is when there will be something to do, if nothing happens before.
func (n *Node) nextWork(now Instant) Instant {
	next := now.Add(maxRest)
	if t, ok := n.pending.until(); ok {
		next = min(next, t)
	}
	next = min(next, n.sweepAt())
	if !n.pending.room() {
		return next // the rest is for sending
	}
	if n.probesWait() {
		return now
	}
	next = min(next, n.nextLookup())
	for f := range family(families) {
		next = min(next, n.nextBootstrap(f), n.nextRefresh(f), n.nextGrow(f))
		if t, hand := n.tables[f], &n.upkeep.hands[f]; t.count > 0 {
			_, nodes := n.nextCheck(f)
			next = min(next, hand.when(nodes, n.dueInRound(f), checkPeriod))
		}
	}
	return next
}

// giveUp draws the consequence from queries that got no answer.
func (n *Node) giveUp(now Instant) {
	for q, ok := n.pending.expire(now); ok; q, ok = n.pending.expire(now) {
		n.unanswered(now, &q)
	}
}

// scheduleChecks queues the nodes whose turn it is to be pinged, unless they answered lately. The hand goes from bucket
// to bucket but earns nodes, so that as many are due in one second as in the next, however ids are spread. When
// queries do not leave fast enough the hand stands still, and what it owes is made up for later.
func (n *Node) scheduleChecks(now Instant) {
	for f := range family(families) {
		t, hand := n.tables[f], &n.upkeep.hands[f]
		hand.turn(now, n.dueInRound(f), checkPeriod)
		if t.count == 0 {
			hand.owed = 0
			continue
		}
		for range checkBuckets {
			bucket, nodes := n.nextCheck(f)
			if hand.owed < float64(nodes) || n.probes.check.room() < nodes {
				break
			}
			n.checkBucket(now, f, bucket)
			hand.owed -= float64(nodes)
			if int(bucket) < hand.position || int(bucket) == len(t.heads)-1 {
				n.upkeep.round[f] = t.count
			}
			hand.position = (int(bucket) + 1) % len(t.heads)
		}
	}
}

// dueInRound is how many nodes are checked in a period: those that left meanwhile must not slow the hand down.
func (n *Node) dueInRound(f family) int { return max(n.tables[f].count, n.upkeep.round[f]) }

// nextCheck is the bucket whose turn it is, and how many nodes it has. The table must not be empty.
func (n *Node) nextCheck(f family) (bucket uint32, nodes int) {
	t := n.tables[f]
	bucket = t.directory.next(uint32(n.upkeep.hands[f].position))
	return bucket, t.bucket(bucket).len()
}

func (n *Node) checkBucket(now Instant, f family, bucket uint32) {
	t := n.tables[f]
	for s := range t.inBucket(bucket) {
		if now.seconds()-t.seen(s) >= freshSeconds {
			n.probes.check.push(targetAt(f, t.blob(s)[20:]))
		}
	}
}

func targetAt(f family, addr []byte) target {
	t := target{family: f}
	copy(t.addr[:], addr)
	return t
}

// ask sends what finds out whether there is a node at t.
func (n *Node) ask(now Instant, dst []byte, t target) ([]byte, netip.AddrPort) {
	if n.tables[t.family].count < sparse {
		var random wire.ID
		n.rng.Read(random[:])
		return n.askFor(now, dst, t, askNodes, random)
	}
	return n.askFor(now, dst, t, askAlive, wire.ID{})
}

// askFor appends a query to t behind dst and enters it among the pending.
func (n *Node) askFor(now Instant, dst []byte, t target, asked purpose, find wire.ID) ([]byte, netip.AddrPort) {
	m := wire.Message{Method: wire.Ping}
	if asked != askAlive {
		m.Method, m.Target = wire.FindNode, find[:]
		m.Want = wire.Want4 << t.family
	}
	out, to, _ := n.send(now, dst, query{addr: t.addr, family: t.family, asked: asked}, &m)
	return out, to
}

// send completes the query m, appends it behind dst, and enters q among the pending, of which there must be room for
// one more.
func (n *Node) send(now Instant, dst []byte, q query, m *wire.Message) (out []byte, to netip.AddrPort, tid uint32) {
	tid = n.pending.add(n.rng, now, q)
	t := &n.scratch.tid
	binary.BigEndian.PutUint32(t[:], tid)
	m.Kind, m.T, m.Version, m.ID, m.ReadOnly = wire.Query, t[:], n.version[:], n.idFor(q.family)[:], n.quiet
	return m.Append(dst), wire.Addr(q.addr[:addrSize[q.family]]), tid
}
