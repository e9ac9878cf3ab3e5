package dht

import (
	"encoding/binary"
	"net/netip"
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
	wake  Instant
	hands [families]sweepHand // going round the buckets
}

func (u *upkeep) init(now Instant) {
	u.wake = now
	for f := range u.hands {
		u.hands[f].last = now
	}
}

// wakeBy makes NextWake no later than t.
func (u *upkeep) wakeBy(t Instant) { u.wake = min(u.wake, t) }

// NextWake is when Poll wants to be called again at the latest. Handle and Bootstrap can make it earlier. After a
// Poll that had nothing to send it lies in the future.
func (n *Node) NextWake() Instant { return n.upkeep.wake }

// Poll appends one datagram that the node itself wants to send behind dst and says where to. When ok is false
// nothing is due before NextWake. Call it until then, whenever NextWake has come.
func (n *Node) Poll(now Instant, dst []byte) (out []byte, to netip.AddrPort, ok bool) {
	if now < n.upkeep.wake {
		return dst, netip.AddrPort{}, false
	}
	n.peers.sweep(now)
	n.items.sweep(now)
	n.giveUp(now)
	n.scheduleChecks(now)
	if n.pending.room() {
		if t, ok := n.probes.next(now); ok {
			out, to = n.ask(now, dst, t)
			return out, to, true
		}
		for f := range family(families) {
			if t, ok := n.nextSeed(now, f); ok {
				out, to = n.askFor(now, dst, t, askNodes, *n.idFor(f))
				return out, to, true
			}
		}
	}
	n.upkeep.wake = max(n.nextWork(now), now.Add(tick))
	return dst, netip.AddrPort{}, false
}

// nextWork is when there will be something to do, if nothing happens before.
func (n *Node) nextWork(now Instant) Instant {
	next := now.Add(maxRest)
	if t, ok := n.pending.until(); ok {
		next = min(next, t)
	}
	if t, ok := n.peers.sweepAt(); ok {
		next = min(next, t)
	}
	if t, ok := n.items.sweepAt(); ok {
		next = min(next, t)
	}
	if !n.pending.room() {
		return next // the rest is for sending
	}
	if n.probes.waiting() {
		return now
	}
	for f := range family(families) {
		if s := &n.seeds[f]; len(s.addrs) > 0 {
			next = min(next, s.round)
		}
		if t, hand := n.tables[f], &n.upkeep.hands[f]; t.count > 0 {
			next = min(next, hand.when(t.emptyFrom(hand.position)+1, len(t.heads), checkPeriod))
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

// scheduleChecks queues the nodes whose turn it is to be pinged, unless they answered lately. When queries do
// not leave fast enough the hand stands still, and what it owes is made up for later.
func (n *Node) scheduleChecks(now Instant) {
	for f := range family(families) {
		t, hand := n.tables[f], &n.upkeep.hands[f]
		hand.turn(now, len(t.heads), checkPeriod)
		if t.count == 0 {
			hand.owed = 0
			continue
		}
		for range checkBuckets {
			empty, owed := t.emptyFrom(hand.position), int(hand.owed)
			if empty >= owed {
				hand.move(owed, len(t.heads))
				break
			}
			if n.probes.check.room() < bucketNodes {
				break
			}
			hand.move(empty, len(t.heads))
			n.checkBucket(now, f, uint32(hand.position))
			hand.move(1, len(t.heads))
		}
	}
}

func (n *Node) checkBucket(now Instant, f family, bucket uint32) {
	t := n.tables[f]
	for s := range t.inBucket(bucket) {
		if meta, i := t.metaOf(s); now.seconds()-meta.seen[i] >= freshSeconds {
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
	var tid [4]byte
	q := query{addr: t.addr, family: t.family, asked: asked}
	binary.BigEndian.PutUint32(tid[:], n.pending.add(n.rng, now, q))
	m := wire.Message{Kind: wire.Query, Method: wire.Ping, T: tid[:], Version: n.version[:], ID: n.idFor(t.family)[:]}
	if asked == askNodes {
		m.Method, m.Target = wire.FindNode, find[:]
		m.Want = wire.Want4 << t.family
	}
	return m.Append(dst), wire.Addr(t.addr[:addrSize[t.family]])
}
