package dht

import (
	"net/netip"
	"time"

	"supernode/dht/wire"
)

const (
	// staleSeconds is the age of its last answer from which on a saved node is not taken into the table: two turns of
	// pings without an answer are what a running node drops it for.
	staleSeconds = 2 * int64(checkPeriod/Instant(time.Second))

	// maxAway is longer than anything lives, in seconds, and clockSlack how far a state may lie in the future.
	maxAway    = 1 << 31
	clockSlack = time.Minute

	// maxOld bounds the stale nodes that are kept per address family, to ask for others.
	maxOld = 64
)

// Restored says what became of a saved state.
type Restored struct {
	Nodes int // now in the tables
	Peers int // now stored
	Items int // likewise

	// Old are a few of the nodes, an even choice, that answered too long ago to be handed out. They may well be there
	// still: give them to Bootstrap beside others.
	Old []netip.AddrPort
}

// Restore puts what the state holds into the nodes of homes, which should be new, as if it had been learned in time
// before now: the state's creation lies away before it. If it lies more than a minute behind, the clock was changed, and
// nothing is taken to have lived until now. Ids are not restored, since they are needed before there is a
// node: see State.ID and Config.ID.
//
// The nodes of a home go to the one with the same address, else to the first of their family. What expired while
// nobody was there stays away, and what the nodes would not take from the network, or have no room for, is left out;
// of more nodes than a table holds, an even choice.
//
// An error means that r could not be read again; part of the state may have been restored.
func (s *State) Restore(now Instant, away time.Duration, homes []Home) (Restored, error) {
	if len(homes) == 0 {
		return Restored{}, nil
	}
	r := &restorer{state: s, now: now, homes: homes, quotas: map[*table]*quota{}}
	switch {
	case away < -clockSlack: // a clock that went back says nothing about ages
		r.away = maxAway
	case away > 0:
		r.away = min(int64(away/time.Second)+1, maxAway)
	}
	for _, h := range s.Homes {
		if to := r.homeFor(h.Listen); to != nil {
			t := to.table()
			if r.quotas[t] == nil {
				r.quotas[t] = &quota{limit: uint64(t.limit)}
			}
			r.quotas[t].total += uint64(h.Nodes)
		}
	}
	err := s.walk(r)
	for f := range r.old {
		r.restored.Old = append(r.restored.Old, r.old[f].addrs...)
	}
	return r.restored, err
}

// restorer is the stateVisitor that restores.
type restorer struct {
	state    *State
	now      Instant
	away     int64 // seconds
	homes    []Home
	quotas   map[*table]*quota
	old      [families]reservoir
	to       *Home // where nodes go now; nil: nowhere
	restored Restored
}

// homeFor is where the nodes of a saved home go, nil if there is no home of its family.
func (r *restorer) homeFor(listen netip.AddrPort) (first *Home) {
	for i := range r.homes {
		h := &r.homes[i]
		if homeAddr(h.Listen) == listen {
			return h
		}
		if first == nil && h.family() == familyOf(listen.Addr()) {
			first = h
		}
	}
	return first
}

func (r *restorer) home(h SavedHome) { r.to = r.homeFor(h.Listen) }

func (r *restorer) node(id *wire.ID, addr []byte, age flagged) {
	if r.to == nil {
		return
	}
	t, n := r.to.table(), r.to.Node
	chosen := r.quotas[t].next()
	at := wire.Addr(addr)
	if *id == *n.idFor(t.family) || !n.reach.allows(at) {
		return
	}
	seconds := age.seconds() + r.away
	if seconds > staleSeconds {
		r.old[t.family].add(at, n.rng.Uint64())
		return
	}
	// Seconds wrap around, and so may this: only differences of times are ever looked at.
	if chosen && t.restore(id, addr, r.now.seconds()-uint32(seconds), age.flag()) {
		r.restored.Nodes++
	}
}

// restore is answered for a node that did so at an earlier time, and has failed once since if failing says so.
func (t *table) restore(id *wire.ID, addr []byte, seen uint32, failing bool) bool {
	if !t.answered(id, addr, seen) {
		return false
	}
	if failing {
		t.failed(addr)
	}
	return true
}

func (r *restorer) swarm(infohash *wire.ID, f family, records []byte) {
	var at *Home
	for i := range r.homes {
		if r.homes[i].family() == f {
			at = &r.homes[i]
			break
		}
	}
	if at == nil {
		return // peers are handed out over their own family
	}
	size := addrSize[f] + flaggedSize
	for ; len(records) > 0; records = records[size:] {
		peer, rest := wire.Addr(records[:addrSize[f]]), readFlagged(records[addrSize[f]:])
		left := min(time.Duration(rest.seconds()-r.away)*time.Second, peerLifetime)
		if left > 0 && at.Node.reach.allows(peer) && at.Node.part(infohash).restore(r.now, infohash, peer, left, rest.flag()) {
			r.restored.Peers++
		}
	}
}

// item is stored with the first of the homes, as all share one store. Its signature is checked: a state may have been in
// other hands.
func (r *restorer) item(it item, age flagged) {
	store := r.homes[0].Node.items
	if store.restore(r.now, time.Duration(age.seconds()+r.away)*time.Second, it) {
		r.restored.Items++
	}
}

// quota lets limit of total pass, evenly.
type quota struct{ limit, total, seen uint64 }

func (q *quota) next() bool {
	i := q.seen
	q.seen++
	return q.total <= q.limit || (i+1)*q.limit/q.total > i*q.limit/q.total
}

// reservoir keeps maxOld addresses of all that are added, each with the same chance.
type reservoir struct {
	addrs []netip.AddrPort
	added uint64
}

func (s *reservoir) add(addr netip.AddrPort, random uint64) {
	s.added++
	if len(s.addrs) < maxOld {
		s.addrs = append(s.addrs, addr)
	} else if i := random % s.added; i < maxOld {
		s.addrs[i] = addr
	}
}
