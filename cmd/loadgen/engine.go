package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"supernode/dht/wire"
	"supernode/internal/udp"
)

const (
	batch = 64 // datagrams a system call

	// The kernel's buffers of each socket. Room for the answers that come while the generator waits for its
	// processor: 8 MiB hold some 10,000.
	receiveBuffer = 8 << 20
	sendBuffer    = 4 << 20

	// netQueue bounds the memory of --io net, which keeps a queue of datagrams for each socket.
	netQueue = 4096
)

// engine is everything that outlives a trial: sockets, flows, the table of queries. It belongs to one
// goroutine, locked to its thread; only halt may be called from others. Several threads have an engine each, see crew.
type engine struct {
	transport udp.Transport
	in        *udp.Inbox
	queries   *udp.Outbox // to the target
	answers   *udp.Outbox // to the target's own queries
	socket    int         // that queries is for

	target   netip.AddrPort
	unzoned  netip.AddrPort // target, for comparing
	layout   *layout
	items    *popularity // info_hashes
	seed     uint64      // of ids and info_hashes
	timeout  time.Duration
	payload  payload
	epoch    time.Time
	table    *outstanding
	tokens   tokens
	round    *round // nil before the first trial that walks
	encoder  *encoder
	trial    *trial // nil between trials
	ignored  tally  // counted into between trials
	feed     *feed  // the trial's, if it is watched
	events   events
	halted   atomic.Bool
	message  wire.Message // the datagram at hand
	reply    wire.Message
	id       wire.ID // scratch: on the stack these would move to the heap at each call
	operand  wire.ID
	external [wire.CompactAddr6]byte
}

// events are told as they happen. They may be nil.
type events struct {
	measuring func() error
	measured  func() error
}

// newEngine opens the sockets of the part p of the flows. Times are since epoch.
func newEngine(ctx context.Context, c *config, target netip.AddrPort, p part, epoch time.Time) (*engine, error) {
	l, err := planFlows(c.flows, target.Addr(), c.sources.Prefix, oneSocketManyAddresses(c.io), p)
	if err != nil {
		return nil, err
	}
	if c.sources.IsValid() {
		if err := l.probe(c.sources.Prefix); err != nil {
			return nil, err
		}
	}
	transport, err := openTransport(ctx, c.io, l, target)
	if err != nil {
		return nil, fmt.Errorf("open the sockets of --flows %d: %w", c.flows, err)
	}
	return &engine{
		transport: transport,
		in:        udp.NewLongInbox(batch, maxReplyBytes),
		queries:   udp.NewOutbox(batch),
		answers:   udp.NewOutbox(batch),
		target:    target,
		unzoned:   netip.AddrPortFrom(target.Addr().WithZone(""), target.Port()),
		layout:    l,
		seed:      c.seed,
		timeout:   c.timeout,
		payload:   c.payload,
		epoch:     epoch,
		table:     newOutstanding(c.slots(c.timeout), int64(c.timeout), rand.Uint32()),
		encoder:   newEncoder(),
	}, nil
}

// now is the time on the engine's clock.
func (e *engine) now() int64 { return int64(time.Since(e.epoch)) }

// halt ends the trial early, and makes idle return.
func (e *engine) halt() {
	e.halted.Store(true)
	e.transport.Wake()
}

// idleTurn bounds the wait between trials, in which nothing is due: so that a wake-up that is lost costs a second, and not the run.
const idleTurn = time.Second

// idle answers the target's queries between trials, so that it does not take the flows for dead. It
// returns whenever woken, and once in a while.
func (e *engine) idle() error {
	n, err := e.transport.Receive(e.in, idleTurn)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	e.handle(n, e.now())
	return nil
}

// prepare makes ready for a trial: all memory is there when it returns. items are the info_hashes' popularity, of which
// engines that run together share the table. f may be nil.
func (e *engine) prepare(p params, items *popularity, f *feed) {
	e.timeout = p.timeout
	if size := p.slots(e.timeout); size > len(e.table.slots) {
		issued := e.table.issued
		e.table = newOutstanding(size, int64(e.timeout), e.table.head)
		e.table.issued = issued // answers to these are late, not unheard of
	}
	e.table.abandon()
	e.table.timeout = int64(e.timeout)
	e.tokens.clear()
	e.items, e.feed = items, f
	e.trial = newTrial(p, e.layout)
	e.joinRound()
}

// run runs the trial that was prepared, from the time begin on. What it returns is of the whole, or of the part before halt.
func (e *engine) run(begin int64) (*trial, error) {
	t := e.trial
	defer func() {
		if e.feed != nil {
			e.feed.finish(t, e.now())
		}
		e.trial, e.feed = nil, nil
	}()
	e.start(begin)
	for t.phase != phaseDone {
		if err := e.pass(); err != nil {
			return nil, err
		}
	}
	if t.inOrder {
		t.progress = e.round.progress()
	}
	return t, nil
}

// pass goes round the loop once: send what is due, sleep until more is due or something arrives, receive it.
func (e *engine) pass() error {
	now := e.now()
	e.trial.totalLost += uint64(e.table.expire(now))
	if err := e.advance(now); err != nil {
		return err
	}
	wake := e.send(now)
	if now = e.now(); e.feed != nil {
		wake = min(wake, e.feed.publish(e.trial, now))
	}
	n, err := e.transport.Receive(e.in, time.Duration(max(0, wake-now)))
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	if n > 0 {
		now = e.now()
		e.trial.totalLost += uint64(e.table.expire(now))
		e.handle(n, now)
	}
	return nil
}
