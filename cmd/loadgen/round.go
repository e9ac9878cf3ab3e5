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

// newTrial is a trial with the round it is in, if it walks.
func (e *engine) newTrial(p params) *trial {
	t := newTrial(p, e.layout)
	if p.inOrder {
		t.walk = e.roundOf(p.flows).walk
	}
	return t
}

// roundOf is the round that trials of n flows are in, from its beginning if the last trial that walked had others.
func (e *engine) roundOf(n int) *round {
	if e.round == nil || e.round.flows != n {
		e.round = &round{flows: n, walk: e.layout.newRound(n), infohashes: uint64(e.items.n)}
	}
	return e.round
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

// walked is how far a round has come, since the program began or the number of flows changed. What goes beyond their number
// is a second round.
type walked struct {
	Flows      uint64 `json:"flows"`
	Infohashes uint64 `json:"infohashes"`
}
