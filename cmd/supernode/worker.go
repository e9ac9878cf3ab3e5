package main

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"supernode/dht"
	"supernode/dht/wire"
	"supernode/internal/udp"
)

// worker is one OS thread that owns the sockets and the node: nothing else touches either while it runs.
type worker struct {
	transport udp.Transport
	node      *dht.Node
	nodeID    wire.ID // among IPv4 nodes
	nodeID6   wire.ID // among IPv6 nodes
	clock     clock

	in      *udp.Inbox
	replies *udp.Outbox
	own     [2]*udp.Outbox // what the node sends of its own accord, over IPv4 and IPv6
	sockets [2]int         // through which socket that leaves, or -1
	scratch []byte

	tally     tally
	published published

	keeper *keeper                // nil: none
	homes  []dht.Home             // what the node's state is saved under
	saves  atomic.Pointer[saving] // for the worker to take up
	saving *saving                // under way

	stopping atomic.Bool
	seeds    atomic.Pointer[[]netip.AddrPort] // bootstrap addresses for the node to take over
}

func newWorker(transport udp.Transport, c *config) (*worker, error) {
	node, err := newNode(c, transport.Local())
	if err != nil {
		return nil, fmt.Errorf("make node: %w", err)
	}
	w := &worker{
		transport: transport, node: node, nodeID: node.ID(), nodeID6: node.ID6(), clock: clock{time.Now()},
		in: udp.NewInbox(c.batch), replies: udp.NewOutbox(c.batch),
		own:     [2]*udp.Outbox{udp.NewOutbox(c.batch), udp.NewOutbox(c.batch)},
		sockets: [2]int{-1, -1},
		scratch: make([]byte, 0, udp.MaxDatagram),
		homes:   homes(node, c.listen), keeper: c.keeper,
	}
	for i, addr := range transport.Local() {
		if f := family(addr.Addr()); w.sockets[f] < 0 {
			w.sockets[f] = i
		}
	}
	return w, nil
}

// family is 0 for IPv4 and 1 for IPv6.
func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// heartbeat bounds how long the worker rests, so that what is published is never much older.
const heartbeat = time.Second

// run is the loop: receive a batch, handle each datagram, send the replies, let the node speak, rest. It returns
// when stop is called, with nil, or when the sockets fail, and closes them.
func (w *worker) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	rest := time.Duration(0)
	var err error
	for err == nil && !w.stopping.Load() {
		rest, err = w.turn(rest)
	}
	if closeErr := w.transport.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("close sockets: %w", closeErr)
	}
	return err
}

// turn goes round the loop once, after waiting for datagrams for rest at most, and returns how long to rest next.
func (w *worker) turn(rest time.Duration) (time.Duration, error) {
	n, err := w.transport.Receive(w.in, rest)
	if err != nil {
		return 0, fmt.Errorf("receive: %w", err)
	}
	now := w.clock.now()
	if n > 0 {
		w.answer(now)
	}
	if seeds := w.seeds.Swap(nil); seeds != nil {
		w.node.Bootstrap(now, *seeds...)
	}
	rest = w.speak(now)
	if w.save(now) {
		rest = 0
	}
	w.tally.counts, w.tally.at = w.node.Counts(), now
	w.published.offer(&w.tally)
	return rest, nil
}

// answer handles the batch in w.in and sends the replies, each from the address that was asked.
func (w *worker) answer(now dht.Instant) {
	w.tally.batch(w.in.Len())
	for i := range w.in.Len() {
		src, datagram := w.in.Source(i), w.in.Payload(i)
		reply, outcome := w.node.Handle(now, src, datagram, w.replies.Buffer())
		w.tally.datagram(outcome, len(datagram), len(reply))
		if len(reply) > 0 {
			w.replies.Add(reply, src, w.in.Local(i))
		}
	}
	w.transport.Send(w.replies, w.in.Socket())
}

// speak sends what the node wants to say, at most a batch over each family, and returns how long it has nothing
// more to say.
func (w *worker) speak(now dht.Instant) time.Duration {
	rest := time.Duration(0)
	for !w.own[0].Full() && !w.own[1].Full() {
		datagram, to, ok := w.node.Poll(now, w.scratch[:0])
		if !ok {
			rest = min(max(time.Duration(w.node.NextWake()-now), 0), heartbeat)
			break
		}
		f := family(to.Addr())
		if w.sockets[f] < 0 {
			continue // the node does not know which families it has sockets for
		}
		box := w.own[f]
		box.Add(append(box.Buffer(), datagram...), to, netip.Addr{})
		w.tally.asked++
	}
	for f, box := range w.own {
		if box.Len() > 0 {
			w.transport.Send(box, w.sockets[f])
		}
	}
	return rest
}

// bootstrap hands addresses to the node, those it has a socket for; safe from any goroutine.
func (w *worker) bootstrap(seeds []netip.AddrPort) {
	seeds = slices.DeleteFunc(seeds, func(a netip.AddrPort) bool { return w.sockets[family(a.Addr())] < 0 })
	w.seeds.Store(&seeds)
	w.transport.Wake()
}

// stop makes run return; safe from any goroutine.
func (w *worker) stop() {
	w.stopping.Store(true)
	w.transport.Wake()
}
