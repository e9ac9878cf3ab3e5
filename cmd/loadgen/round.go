package main

import "supernode/dht/wire"

// round takes flows and info_hashes one after the other (--walk), so that a node can be filled with all of them without
// asking for any twice. It lasts longer than a trial: the next one that walks goes on where this one ended.
type round struct {
	flows      int // of the trials that it is for
	walk       *walk
	infohashes uint64
	next       uint64 // info_hashes taken so far
}

// joinRound puts a trial that walks into the round of its flows and info_hashes: from its beginning if the last trial
// that walked had others.
func (e *engine) joinRound() {
	t, infohashes := e.trial, uint64(e.items.n)
	if !t.inOrder {
		return
	}
	if r := e.round; r == nil || r.flows != t.flows || r.infohashes != infohashes {
		e.round = &round{flows: t.flows, walk: e.layout.newRound(t.flows), infohashes: infohashes}
	}
	t.walk = e.round.walk
}

// item is the number of the next info_hash.
func (r *round) item() uint32 {
	i := r.next % r.infohashes
	r.next++
	return uint32(i)
}

// settle uses up the tokens that come after a round's last query was due, so that the next trial need not begin with
// info_hashes that were asked for and never announced. These announces belong to nobody's cohort.
func (e *engine) settle(now int64) {
	if e.trial.mix.weight[wire.AnnouncePeer] == 0 {
		return
	}
	for range batch {
		g := e.tokens.pop(now)
		if g == nil {
			break
		}
		e.announce(slot{due: now, sent: now}, g)
	}
	e.flushQueries()
}

// walked is how far a round has come, since the program began or other numbers were asked for. What goes beyond their number
// is a second round.
type walked struct {
	Flows      uint64 `json:"flows"`
	Infohashes uint64 `json:"infohashes"`
}
