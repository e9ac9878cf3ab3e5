package main

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"supernode/dht"
	"supernode/dht/wire"
	"supernode/internal/pin"
	"supernode/internal/udp"
)

// worker is one OS thread that owns its sockets and its view of the nodes: nothing else touches either while it runs.
type worker struct {
	number    int       // in crew
	crew      []*worker // all of them
	cpu       int       // to run on, or noCPU
	transport udp.Transport
	residents []resident
	at        []*resident // by socket
	clock     clock
	priority  string // of the thread, as --priority says it

	in      *udp.Inbox
	replies *udp.Outbox

	tally     tally
	published published
	stopping  atomic.Bool

	// Of the first worker.
	scratch    []byte
	moved      chan move    // what has become of a node
	restsUntil atomic.Int64 // an Instant, or awake
	counted    dht.Instant  // when it last was

	guard  *guard                 // nil: none
	keeper *keeper                // nil: none
	homes  []dht.Home             // by socket; what the state is saved under
	saves  atomic.Pointer[saving] // for the worker to take up
	saving *saving                // under way

	seeds atomic.Pointer[[]netip.AddrPort] // bootstrap addresses for the nodes to take over
}

// resident is a node at its site.
type resident struct {
	site
	node *dht.Node
	own  [2]*udp.Outbox // what the node sends of its own accord, over IPv4 and IPv6
}

// newWorker makes the first worker, and the only one unless it hires others.
func newWorker(transport udp.Transport, c *config) (*worker, error) {
	w := &worker{
		transport: transport, moved: make(chan move, 16), clock: clock{time.Now()}, cpu: noCPU,
		in: udp.NewInbox(c.batch), replies: udp.NewOutbox(c.batch),
		scratch: make([]byte, 0, udp.MaxDatagram),
		keeper:  c.keeper, priority: c.priority,
	}
	w.crew = []*worker{w}
	w.restsUntil.Store(awake)
	if err := w.settle(c); err != nil {
		return nil, err
	}
	w.lodge()
	for socket, r := range w.at {
		w.homes = append(w.homes, dht.Home{Node: r.node, Listen: c.listen[socket]})
	}
	w.tally.selves = w.selves()
	w.published.offer(&w.tally)
	return w, nil
}

// lodge finds out which node is at home at each socket.
func (w *worker) lodge() {
	w.at = make([]*resident, len(w.transport.Local()))
	for i := range w.residents {
		for _, socket := range w.residents[i].sockets {
			if socket >= 0 {
				w.at[socket] = &w.residents[i]
			}
		}
	}
}

// settle makes a node for each site. What the first one stores, all serve.
func (w *worker) settle(c *config) error {
	local := w.transport.Local()
	var first *dht.Node
	saved := func(socket int, other wire.ID) wire.ID { return c.keeper.id(c.listen[socket], other) }
	for _, s := range sitesOf(local, saved, randomID) {
		node, err := newNode(c, local, s, first)
		if err != nil {
			return fmt.Errorf("make node: %w", err)
		}
		if first == nil {
			first = node
		}
		w.residents = append(w.residents, resident{
			site: s, node: node, own: [2]*udp.Outbox{udp.NewOutbox(c.batch), udp.NewOutbox(c.batch)},
		})
	}
	return nil
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
	var err error
	if w.cpu == noCPU {
		defer runtime.UnlockOSThread() // last of all: Go gives the thread to others
	} else {
		err = pin.Thread(w.cpu)
	}
	defer ahead(w.priority)()
	rest := time.Duration(0)
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
	n, err := w.receive(rest)
	if err != nil {
		return 0, fmt.Errorf("receive: %w", err)
	}
	now := w.clock.now()
	if n > 0 {
		w.answer(now)
	}
	if w.number > 0 {
		w.nudge()
		w.publish(now)
		return heartbeat, nil
	}
	if seeds := w.seeds.Swap(nil); seeds != nil {
		for i := range w.residents {
			w.residents[i].bootstrap(now, *seeds)
		}
	}
	rest = heartbeat
	for i := range w.residents {
		rest = min(rest, w.speak(now, &w.residents[i]))
	}
	if w.save(now) {
		rest = 0
	}
	w.notice()
	w.count(now, n == 0)
	w.publish(now)
	return rest, nil
}

func (w *worker) publish(now dht.Instant) {
	w.tally.at = now
	w.published.offer(&w.tally)
}

// answer handles the batch in w.in and sends the replies, each from the address that was asked.
func (w *worker) answer(now dht.Instant) {
	w.tally.batch(w.in.Len())
	node := w.at[w.in.Socket()].node
	for i := range w.in.Len() {
		if i%dht.Ahead == 0 {
			w.expect(node, i)
		}
		src, datagram := w.in.Source(i), w.in.Payload(i)
		reply, outcome := node.Handle(now, src, datagram, w.replies.Buffer())
		w.tally.datagram(outcome, len(datagram), len(reply))
		if len(reply) > 0 {
			w.replies.Add(reply, src, w.in.Local(i))
		}
	}
	burnFor(w.in.Len()) // nothing, but for self-tests of the benchmarks
	w.transport.Send(w.replies, w.in.Socket())
}

// expect lets the node look ahead at the datagrams from number first on.
func (w *worker) expect(node *dht.Node, first int) {
	for i := first; i < min(first+dht.Ahead, w.in.Len()); i++ {
		node.Expect(w.in.Source(i), w.in.Payload(i))
	}
	node.Foresee()
}

// counts adds up what the nodes hold. Peers are stored once for all of them.
func (w *worker) counts() dht.Counts {
	total := w.residents[0].node.Counts()
	for _, r := range w.residents[1:] {
		c := r.node.Counts()
		total.Nodes4 += c.Nodes4
		total.Nodes6 += c.Nodes6
		total.Pending += c.Pending
	}
	return total
}

// speak sends what a node wants to say, at most a batch over each family, and returns how long it has nothing more
// to say.
func (w *worker) speak(now dht.Instant, r *resident) time.Duration {
	rest := time.Duration(0)
	for !r.own[0].Full() && !r.own[1].Full() {
		datagram, to, ok := r.node.Poll(now, w.scratch[:0])
		if !ok {
			rest = min(max(time.Duration(r.node.NextWake()-now), 0), heartbeat)
			break
		}
		f := family(to.Addr())
		if r.sockets[f] < 0 {
			continue // the node does not know which families it has sockets for
		}
		box := r.own[f]
		box.Add(append(box.Buffer(), datagram...), to, netip.Addr{})
		w.tally.asked++
	}
	for f, box := range r.own {
		if box.Len() > 0 {
			w.transport.Send(box, r.sockets[f])
		}
	}
	return rest
}

// bootstrap hands the node the addresses that it has a socket for.
func (r *resident) bootstrap(now dht.Instant, seeds []netip.AddrPort) {
	var reachable []netip.AddrPort
	for _, addr := range seeds {
		if r.sockets[family(addr.Addr())] >= 0 {
			reachable = append(reachable, addr)
		}
	}
	r.node.Bootstrap(now, reachable...)
}

// bootstrap hands addresses to the nodes; safe from any goroutine.
func (w *worker) bootstrap(seeds []netip.AddrPort) {
	w.seeds.Store(&seeds)
	w.transport.Wake()
}

// stop makes run return, of all the crew; safe from any goroutine.
func (w *worker) stop() {
	for _, m := range w.crew {
		m.stopping.Store(true)
		m.transport.Wake()
	}
}
