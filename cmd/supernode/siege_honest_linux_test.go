package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"supernode/bench/lab"
	"supernode/dht/wire"
	"supernode/internal/udp"
)

const (
	honestHosts = 64

	// honestWindow bounds the queries under way, so that hosts which were not scheduled for a while do not catch up in a
	// burst that the kernel loses.
	honestWindow = 64
)

// honest is a number of hosts that ask, each below the limit, and answer what they are asked. It belongs to the
// goroutine that runs it, and to its maker before and after.
type honest struct {
	to        netip.AddrPort
	transport udp.Transport
	in        *udp.Inbox
	out       *udp.Outbox
	answers   *udp.Outbox
	rng       *rand.Rand
	hosts     [honestHosts]honestHost

	outstanding map[uint32]honestQuery // by transaction id
	order       []uint32               // the same, as they were sent, answered ones included

	sent, unanswered, refused int
}

type honestHost struct {
	addr     netip.Addr
	id       wire.ID
	infohash wire.ID
	token    []byte
}

type honestQuery struct {
	host   int
	method wire.Method
	sent   time.Time
}

func newHonest(t *testing.T, l *lab.Lab) *honest {
	h := &honest{
		to: l.ServerEndpoint(), transport: openInClient(t, l), in: udp.NewInbox(64), out: udp.NewOutbox(honestWindow), answers: udp.NewOutbox(64),
		rng: rand.New(rand.NewPCG(1, 1)), outstanding: map[uint32]honestQuery{},
	}
	for i := range h.hosts {
		host := &h.hosts[i]
		host.addr = netip.AddrFrom4([4]byte{198, 18, byte(i), 1})
		binary.BigEndian.PutUint64(host.id[:], h.rng.Uint64())
		binary.BigEndian.PutUint64(host.infohash[:], h.rng.Uint64())
	}
	return h
}

// run asks until ctx ends, and then waits for what is outstanding.
func (h *honest) run(ctx context.Context) error {
	defer h.transport.Close()
	for began := time.Now(); ctx.Err() == nil || len(h.outstanding) > 0; {
		if ctx.Err() == nil {
			due := int(time.Since(began).Seconds() * siegeHonest)
			for ; h.sent < due && len(h.outstanding) < honestWindow; h.sent++ {
				h.ask()
			}
			h.transport.Send(h.out, 0)
		}
		if _, err := h.transport.Receive(h.in, time.Millisecond); err != nil {
			return fmt.Errorf("honest hosts: %w", err)
		}
		for i := range h.in.Len() {
			if err := h.receive(i); err != nil {
				return fmt.Errorf("honest hosts: %w", err)
			}
		}
		h.transport.Send(h.answers, 0)
		h.giveUp()
	}
	return nil
}

func (h *honest) ask() {
	i := h.rng.IntN(len(h.hosts))
	host := &h.hosts[i]
	method := []wire.Method{wire.Ping, wire.FindNode, wire.GetPeers, wire.AnnouncePeer}[h.rng.IntN(4)]
	if method == wire.AnnouncePeer && host.token == nil {
		method = wire.GetPeers
	}
	var t [4]byte
	binary.BigEndian.PutUint32(t[:], uint32(h.sent))
	target := h.hosts[h.rng.IntN(len(h.hosts))].id
	m := wire.Message{Kind: wire.Query, Method: method, T: t[:], ID: host.id[:]}
	switch method {
	case wire.FindNode:
		m.Target = target[:]
	case wire.GetPeers:
		m.InfoHash = host.infohash[:]
	case wire.AnnouncePeer:
		m.InfoHash, m.Token, m.ImpliedPort = host.infohash[:], host.token, true
		host.token = nil // no older than it need be
	}
	h.out.Add(m.Append(h.out.Buffer()), h.to, host.addr)
	h.outstanding[uint32(h.sent)] = honestQuery{i, method, time.Now()}
	h.order = append(h.order, uint32(h.sent))
}

// receive takes what came for one of the hosts: a query, or the reply to one of its own, that must be right.
func (h *honest) receive(i int) error {
	var m wire.Message
	if err := wire.Parse(h.in.Payload(i), &m); err != nil || len(m.T) != 4 {
		return fmt.Errorf("not a message: %q", h.in.Payload(i))
	}
	if m.Kind == wire.Query {
		h.answer(&m, h.in.Local(i))
		return nil
	}
	t := binary.BigEndian.Uint32(m.T)
	q, ok := h.outstanding[t]
	if !ok {
		return fmt.Errorf("a reply to nothing outstanding: %q", h.in.Payload(i))
	}
	delete(h.outstanding, t)
	host := &h.hosts[q.host]
	if h.in.Source(i) != h.to || h.in.Local(i) != host.addr {
		return fmt.Errorf("reply from %v to %v, for a query of %v to %v", h.in.Source(i), h.in.Local(i), host.addr, h.to)
	}
	if m.Kind == wire.Error {
		h.refused++
		if q.method != wire.AnnouncePeer || m.Code != wire.CodeServer {
			return fmt.Errorf("a valid %v was refused: %d %s", q.method, m.Code, m.Text)
		}
		return nil
	}
	if q.method == wire.GetPeers && m.Token != nil {
		host.token = append([]byte(nil), m.Token...)
	}
	return nil
}

func (h *honest) answer(q *wire.Message, addr netip.Addr) {
	for i := range h.hosts {
		if host := &h.hosts[i]; host.addr == addr && !h.answers.Full() {
			m := wire.Message{Kind: wire.Response, T: q.T, ID: host.id[:]}
			h.answers.Add(m.Append(h.answers.Buffer()), h.to, addr)
		}
	}
}

// giveUp counts queries that have waited for as long as anybody would.
func (h *honest) giveUp() {
	for len(h.order) > 0 {
		q, ok := h.outstanding[h.order[0]]
		if ok && time.Since(q.sent) < 5*time.Second {
			return
		}
		if ok {
			delete(h.outstanding, h.order[0])
			h.unanswered++
		}
		h.order = h.order[1:]
	}
}

// dropped is how many datagrams the kernel dropped at the hosts' socket.
func (h *honest) dropped() int {
	s := h.transport.Stats()
	e := s.SendErrors
	return int(s.BufferDrops + e.Permission + e.NoBuffer + e.Unreachable + e.Other)
}
