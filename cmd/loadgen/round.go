package main

import "supernode/dht/wire"

// round takes flows and info_hashes one after the other (--walk), so that a node can be filled with all of them without
// asking for any twice. It lasts longer than a trial: the next one that walks goes on where this one ended.
type round struct {
	flows      int // of the trials that it is for
	walk       *walk
	infohashes uint64 // that are ours
	next       uint64 // info_hashes taken so far
	part       part   // which are ours: of all threads' every so many
}

// joinRound puts a trial that walks into the round of its flows and info_hashes: from its beginning if the last trial
// that walked had others.
func (e *engine) joinRound() {
	t := e.trial
	if !t.inOrder {
		return
	}
	flows, infohashes := t.part.share(t.flows), uint64(t.part.share(t.infohashes))
	if r := e.round; r == nil || r.flows != flows || r.infohashes != infohashes {
		e.round = &round{flows: flows, walk: e.layout.newRound(flows), infohashes: infohashes, part: t.part}
	}
	t.walk = e.round.walk
}

// item is the number of the next info_hash.
func (r *round) item() uint32 {
	i := r.next % r.infohashes
	r.next++
	return uint32(i)*uint32(r.part.threads()) + uint32(r.part.index)
}

// progress is how far a round has come.
func (r *round) progress() progress {
	return progress{flows: tour{r.walk.taken, uint64(r.flows)}, infohashes: tour{r.next, r.infohashes}}
}

// progress is how far rounds have come, those of all threads together. Nil rounds have none.
type progress struct{ flows, infohashes tour }

// tour is how many have been taken, of so many.
type tour struct{ taken, of uint64 }

// add joins the tour of another thread. What one thread takes a second time does not make up for what the other has not
// yet taken once, so that no more than all are taken before all are.
func (t *tour) add(o tour) {
	if t.of == 0 || o.of == 0 {
		t.taken, t.of = t.taken+o.taken, t.of+o.of
		return
	}
	rounds := min(t.taken/t.of, o.taken/o.of)
	t.taken = min(t.taken, (rounds+1)*t.of) + min(o.taken, (rounds+1)*o.of)
	t.of += o.of
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
