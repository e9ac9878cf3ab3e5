package dht

import (
	"bytes"
	"net/netip"
	"slices"

	"supernode/dht/wire"
)

const (
	// walkCandidates bounds what a walk remembers: the nearest, of which only the first few are ever asked.
	walkCandidates = 96

	// walkSubnet bounds the candidates of one /24 (IPv6: /48) of the public internet, so that whoever owns one
	// cannot surround a target. Laboratories live in one subnet.
	walkSubnet = 2
)

// walk is a lookup's way through the nodes of one address family.
type walk struct {
	family     family
	target     *wire.ID
	candidates []candidate // nearest to the target first
	asked      int         // queries sent
}

// candidate is a node that was named to us, and may not exist.
type candidate struct {
	id       wire.ID
	addr     compactAddr
	state    candidateState
	nameless bool  // a bootstrap address: its id is not known, and taken for the farthest there is
	depth    uint8 // queries it took to hear of it
	tid      uint32
	at       Instant // when it was asked
	token    []byte
}

type candidateState uint8

const (
	fresh candidateState = iota
	asked
	answered
	failed
)

// add takes a candidate, unless its address is known, its subnet is well represented, or enough are nearer. Of a
// subnet with more than it may have, the nearest stay: whoever is named first must not keep out who is nearer, which
// could then not be found through anybody. One that was asked already stays in any case, since it may yet answer.
//
// Two candidates may have the same id as long as neither has answered: refusing the second would let anyone
// keep a node out by naming its id with an address of his own.
func (w *walk) add(c candidate) {
	public := realmOf(wire.Addr(c.addr[:addrSize[w.family]]).Addr()) == public
	inSubnet, farthest := 0, -1 // farthest of those that were not asked
	for i := range w.candidates {
		have := &w.candidates[i]
		if have.addr == c.addr || have.state == answered && have.id == c.id {
			return
		}
		if public && !c.nameless && !have.nameless && have.state != failed && w.sameSubnet(have, &c) {
			inSubnet++
			if have.state == fresh {
				farthest = i
			}
		}
	}
	if inSubnet >= walkSubnet {
		if farthest < 0 || w.compare(&c.id, &w.candidates[farthest].id) >= 0 {
			return
		}
		w.candidates = slices.Delete(w.candidates, farthest, farthest+1)
	}
	w.insert(c)
}

// addNameless takes a bootstrap address.
func (w *walk) addNameless(addr netip.AddrPort) {
	c := candidate{nameless: true}
	wire.AppendAddr(c.addr[:0], addr)
	for i := range c.id {
		c.id[i] = ^w.target[i]
	}
	w.add(c)
}

func (w *walk) insert(c candidate) {
	at, _ := slices.BinarySearchFunc(w.candidates, &c, func(have candidate, c *candidate) int {
		if w.compare(&have.id, &c.id) <= 0 { // behind its equals
			return -1
		}
		return 1
	})
	if len(w.candidates) == walkCandidates {
		last := len(w.candidates) - 1
		for last >= at && w.candidates[last].state == asked {
			last--
		}
		if last < at {
			return
		}
		w.candidates = slices.Delete(w.candidates, last, last+1)
	}
	w.candidates = slices.Insert(w.candidates, at, c)
}

func (w *walk) sameSubnet(a, b *candidate) bool {
	return subnetOf(w.family, a.addr[:]) == subnetOf(w.family, b.addr[:])
}

// compare says which of two ids is nearer to the target: the first, if it is negative.
func (w *walk) compare(a, b *wire.ID) int {
	var da, db wire.ID
	for i := range da {
		da[i], db[i] = a[i]^w.target[i], b[i]^w.target[i]
	}
	return bytes.Compare(da[:], db[:])
}

// next is the candidate to ask now, or nil. Then due is when to look again if nothing happens before, and done says
// that the K nearest who do not fail have answered, or all there are.
func (w *walk) next(now Instant) (c *candidate, due Instant, done bool) {
	due, done = forever, true
	nearest, waiting := 0, 0 // nearest counts those who answered or may be expected to, up to K
	for i := range w.candidates {
		switch have := &w.candidates[i]; have.state {
		case fresh:
			if nearest < K && w.asked < lookupQueries {
				nearest++
				done = false
				if c == nil {
					c = have
				}
			}
		case asked:
			done = done && nearest >= K
			if slow := have.at.Add(lookupSlow); slow > now {
				due = min(due, slow)
				nearest++
				waiting++
			}
		case answered:
			nearest++
		}
	}
	if waiting >= lookupParallel {
		c = nil
	}
	return c, due, done
}

// find is the candidate that was asked with this transaction id and has not answered, or nil.
func (w *walk) find(tid uint32) *candidate {
	for i := range w.candidates {
		if c := &w.candidates[i]; c.state == asked && c.tid == tid {
			return c
		}
	}
	return nil
}

// answered records the answer of c, which may move. It reports whether c stays, which it does not if another node
// answered under that id.
func (w *walk) answered(c *candidate, id *wire.ID, token []byte) bool {
	for i := range w.candidates {
		if have := &w.candidates[i]; have.state == answered && have.id == *id {
			return false
		}
	}
	c.state, c.nameless = answered, false
	if len(token) > 0 && len(token) <= maxToken {
		c.token = bytes.Clone(token)
	}
	if c.id != *id { // it is what it says it is, or a node that has changed its id
		moved := *c
		moved.id = *id
		at := slices.IndexFunc(w.candidates, func(have candidate) bool { return have.addr == moved.addr })
		w.candidates = slices.Delete(w.candidates, at, at+1)
		w.insert(moved)
	}
	return true
}

// closest are the K nearest that answered.
func (w *walk) closest(yield func(*candidate) bool) {
	count := 0
	for i := range w.candidates {
		if c := &w.candidates[i]; c.state == answered {
			if count == K || !yield(c) {
				return
			}
			count++
		}
	}
}
