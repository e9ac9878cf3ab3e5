package dht

import (
	"fmt"
	"net/netip"
	"slices"

	"supernode/dht/wire"
)

// deposit is an announce_peer or a put to one of the nodes nearest to the target, who gave a token for it.
type deposit struct {
	addr   compactAddr
	family family
	sent   bool
	done   bool
	tid    uint32
	token  []byte
}

// prepareDeposits completes the result of the walks, and decides what is left with whom.
func (n *Node) prepareDeposits(l *lookup) {
	l.depositing = true
	var nearest *candidate
	for f := range l.walks {
		w := &l.walks[f]
		for c := range w.closest {
			addr := wire.Addr(c.addr[:addrSize[f]])
			l.result.Closest = append(l.result.Closest, Responder{ID: c.id, Addr: addr, Token: c.token})
			if nearest == nil || w.compare(&c.id, &nearest.id) < 0 {
				nearest = c
			}
			if c.token != nil {
				l.deposits = append(l.deposits, deposit{addr: c.addr, family: family(f), token: c.token})
			}
		}
	}
	if nearest != nil {
		l.result.Hops = int(nearest.depth) + 1
	}
	slices.SortStableFunc(l.result.Closest, func(a, b Responder) int { return l.walks[v4].compare(&a.ID, &b.ID) })
	if !l.hasDeposit() {
		l.deposits = nil
	}
	l.result.Offered = len(l.deposits)
}

// hasDeposit says whether there is something to leave with others.
func (l *lookup) hasDeposit() bool {
	if l.Put != nil {
		if l.put = l.Put(l.result.Item); l.put != nil {
			if err := l.put.check(&l.Target); err != nil {
				l.put, l.result.StoreError = nil, fmt.Errorf("put: %w", err)
			}
		}
	}
	return l.put != nil || l.Announce != nil
}

// nextDeposit appends the next announce or put behind dst.
func (n *Node) nextDeposit(now Instant, dst []byte, l *lookup) (out []byte, to netip.AddrPort, ok bool) {
	l.due = forever
	for i := range l.deposits {
		d := &l.deposits[i]
		if d.sent {
			continue
		}
		l.due = now
		d.sent = true
		m := wire.Message{Token: d.token}
		if l.put != nil {
			m.Method = wire.Put
			m.Value = l.put.Value
			if l.put.Key != nil {
				m.Key, m.Sig, m.Seq, m.Has = l.put.Key, l.put.Sig, l.put.Seq, wire.HasSeq
				if len(l.put.Salt) > 0 {
					m.Salt = l.put.Salt
				}
				if l.put.CAS != nil {
					m.CAS, m.Has = *l.put.CAS, m.Has|wire.HasCAS
				}
			}
		} else {
			m.Method, m.InfoHash = wire.AnnouncePeer, l.Target[:]
			m.Port, m.Has = int64(l.Announce.Port), wire.HasPort // also when implied: old nodes do not know that
			m.ImpliedPort, m.Seed = l.Announce.Implied, l.Announce.Seed
		}
		q := query{addr: d.addr, family: d.family, asked: askDeposit, lookup: l.slot}
		out, to, d.tid = n.send(now, dst, q, &m)
		return out, to, true
	}
	return dst, netip.AddrPort{}, false
}

// deposited says whether every announce or put was answered or given up.
func (l *lookup) deposited() bool {
	for i := range l.deposits {
		if !l.deposits[i].done {
			return false
		}
	}
	return true
}

// depositAnswered is told what became of the announce or put q.
func (n *Node) depositAnswered(now Instant, q *query, stored bool) {
	l := n.lookupOf(q)
	if l == nil {
		return
	}
	for i := range l.deposits {
		if d := &l.deposits[i]; d.sent && !d.done && d.tid == q.tid {
			d.done = true
			if stored {
				l.result.Stored++
			}
			l.due = now
			n.upkeep.wakeBy(now)
			return
		}
	}
}
