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

// hostile is everybody who attacks, from all the addresses that the client's namespace has: a flood of valid queries from
// random addresses, another from a single one, announces that fill the store, guessed tokens, rubbish, answers to
// nothing, and nodes that join under random ids and name nodes that do not exist.
type hostile struct {
	to        netip.AddrPort
	transport udp.Transport
	in        *udp.Inbox
	out       *udp.Outbox
	rng       *rand.Rand
	id        wire.ID
	sent      int

	// Not more than a batch is under way: what the kernel loses of a burst attacks nobody. The reply to a ping behind the
	// batch tells that the node is through with it.
	marker string // "t" of that ping, empty if there is none
	marked time.Time
}

const siegeBatch = 64

func newHostile(t *testing.T, l *lab.Lab) *hostile {
	return &hostile{
		to: l.ServerEndpoint(), transport: openInClient(t, l), in: udp.NewInbox(64), out: udp.NewOutbox(4 * siegeBatch), rng: rand.New(rand.NewPCG(2, 2)),
	}
}

func (h *hostile) run(ctx context.Context) error {
	defer h.transport.Close()
	for began := time.Now(); ctx.Err() == nil; {
		due := int(time.Since(began).Seconds() * siegeAttack)
		if h.marker == "" && due > h.sent {
			for range min(due-h.sent, siegeBatch) {
				h.attack()
			}
			h.mark()
		} else if time.Since(h.marked) > 2*time.Second {
			h.marker = "" // lost
		}
		h.transport.Send(h.out, 0)
		if _, err := h.transport.Receive(h.in, time.Millisecond); err != nil {
			return fmt.Errorf("hostile hosts: %w", err)
		}
		for i := range h.in.Len() {
			h.receive(i)
		}
	}
	return nil
}

// random is one of the 131,072 addresses, those of honest hosts excepted.
func (h *hostile) random() netip.Addr {
	return netip.AddrFrom4([4]byte{198, byte(18 + h.rng.IntN(2)), byte(h.rng.IntN(256)), byte(2 + h.rng.IntN(253))})
}

// attack sends one datagram.
func (h *hostile) attack() {
	for i := 0; i < len(h.id); i += 4 {
		binary.BigEndian.PutUint32(h.id[i:], h.rng.Uint32())
	}
	m := wire.Message{Kind: wire.Query, Method: wire.Ping, T: h.id[:2], ID: h.id[:], Target: h.id[:], InfoHash: h.id[:]}
	from := h.random()
	switch h.rng.IntN(8) {
	case 0:
		m.Method, m.Want = wire.FindNode, wire.Want4|wire.Want6
	case 1:
		m.Method, m.Token, m.ImpliedPort = wire.AnnouncePeer, h.id[:8], true
	case 2, 3:
		m.Method, m.T = wire.GetPeers, m.InfoHash // which the reply echoes beside the token
	case 4:
		from = netip.AddrFrom4([4]byte{198, 19, 0, 1})
	case 5:
		m.Kind, m.T = wire.Response, h.id[:4]
	case 6:
		m.T = []byte{}
	}
	datagram := m.Append(h.out.Buffer())
	if h.rng.IntN(8) == 0 {
		datagram = datagram[:h.rng.IntN(len(datagram))]
	}
	h.send(datagram, from)
}

func (h *hostile) mark() {
	h.marker, h.marked = fmt.Sprint("marker ", h.sent), time.Now()
	m := wire.Message{Kind: wire.Query, Method: wire.Ping, T: []byte(h.marker), ID: h.id[:], ReadOnly: true}
	h.send(m.Append(h.out.Buffer()), h.random())
}

func (h *hostile) send(datagram []byte, from netip.Addr) {
	h.out.Add(datagram, h.to, from)
	h.sent++
}

// receive makes the most of what comes: a token is used, a query answered with lies, by every other host.
func (h *hostile) receive(i int) {
	var m wire.Message
	if wire.Parse(h.in.Payload(i), &m) != nil {
		return
	}
	if string(m.T) == h.marker {
		h.marker = ""
	}
	if h.rng.IntN(2) == 0 || h.out.Len() >= siegeBatch {
		return
	}
	me := h.in.Local(i)
	id := wire.ID{}
	binary.BigEndian.PutUint64(id[:], h.rng.Uint64())
	switch {
	case m.Kind == wire.Query:
		var lies []byte
		for range 16 {
			lies = wire.AppendNode(lies, id, netip.AddrPortFrom(h.random(), uint16(1+h.rng.IntN(65535))))
		}
		answer := wire.Message{Kind: wire.Response, T: m.T, ID: id[:], Nodes: lies}
		h.send(answer.Append(h.out.Buffer()), me)
	case m.Token != nil:
		announce := wire.Message{
			Kind: wire.Query, Method: wire.AnnouncePeer, T: m.T, ID: id[:], InfoHash: m.T, Token: m.Token, ImpliedPort: true,
		}
		h.send(announce.Append(h.out.Buffer()), me)
	}
}
