package dht

import (
	"encoding/binary"
	"time"

	"supernode/dht/wire"
)

const (
	// refreshPeriod is how often the node looks up its own id in each family, so that it knows, and is known to,
	// those nearest to it (BEP 5 asks for this of every bucket that has not changed for so long).
	refreshPeriod = checkPeriod

	// growPause is the shortest time from one query that is to fill the table to the next, growPauseMax the
	// longest: they come the more seldom the fewer of the nodes they bring are news. growPerNode is how often
	// the same node is asked at most, on average.
	growPause    = 100 * time.Millisecond
	growPauseMax = time.Minute
	growPerNode  = time.Minute
	growRest     = time.Second // after the start

	// growChoices is among how many places in the id space the next query chooses the one where the table is
	// thinnest.
	growChoices = 4

	golden = 0x9E3779B97F4A7C15 // 2^64 divided by the golden ratio
)

// growth fills a table that has room, evenly over the whole id space: one region after the other, a node there is
// asked whom it knows nearby. Ordinary nodes know their own neighbourhood best.
type growth struct {
	next    Instant
	pause   time.Duration
	place   uint64  // in the id space, its first 64 bits; steps of the golden ratio visit it evenly, however many
	refresh Instant // when to look up the own id
}

func (g *growth) init(now Instant) {
	g.pause = growPause
	g.next = now.Add(growRest)
	g.refresh = now + refreshPeriod
}

// learned is told how many nodes an answer brought that were news.
func (g *growth) learned(now Instant, news int) {
	if news > 0 {
		g.pause = max(g.pause/2, growPause)
		g.next = min(g.next, now.Add(g.pause))
	} else {
		g.pause = min(g.pause*5/4, growPauseMax)
	}
}

// nextGrow is when the next query to fill the table is due.
func (n *Node) nextGrow(f family) Instant {
	if t := n.tables[f]; t.count < K || t.count >= t.limit {
		return forever // too few to ask, or no room
	}
	return n.growth[f].next
}

// grow is a node to ask, and for which target, if it is time. Waking up is left to nextGrow.
func (n *Node) grow(now Instant, f family) (at target, id wire.ID, ok bool) {
	if now < n.nextGrow(f) {
		return target{}, wire.ID{}, false
	}
	g, t := &n.growth[f], n.tables[f]
	perNode := growPerNode / time.Duration(t.count)
	g.next = now.Add(max(g.pause, perNode))
	n.rng.Read(id[:])
	thinnest := -1
	for range growChoices {
		g.place += golden
		var place [8]byte
		binary.BigEndian.PutUint64(place[:], g.place)
		nodes := t.bucket(t.bucketOf(place[:])).len()
		if thinnest < 0 || nodes < thinnest {
			thinnest = nodes
			copy(id[:], place[:])
		}
	}
	var nodes [K * wire.CompactNode6]byte
	nearest := t.appendClosest(nodes[:0], &id, asker{id: n.idFor(f)})
	if len(nearest) == 0 {
		return target{}, wire.ID{}, false // all that are left are failing
	}
	return targetAt(f, nearest[20:nodeSize[f]]), id, true
}

// refresh looks up the own id, if it is time. It reports whether it does.
func (n *Node) refresh(now Instant, f family) bool {
	if now < n.nextRefresh(f) {
		return false
	}
	n.growth[f].refresh = now + refreshPeriod
	return n.findSelf(now, f, nil)
}

func (n *Node) nextRefresh(f family) Instant {
	if n.tables[f].count == 0 {
		return forever
	}
	return n.growth[f].refresh
}
