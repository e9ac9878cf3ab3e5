package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"time"

	"supernode/dht"
	"supernode/internal/pin"
	"supernode/internal/udp"
)

// The crew are all the workers of a process. Each has a thread, sockets and counters of its own; they share the nodes. The
// kernel gives each the queries of its own sources. The first does besides what is to be done but once: it lets the
// nodes speak, writes the state, and says who the nodes are.

// countEvery is how often the first of several workers counts what is stored, when it has no time to do so in every turn:
// it has to ask for a lock of each part of the store.
const countEvery = 100 * time.Millisecond

// awake is the end of the rest of a worker that does not rest.
const awake = math.MinInt64

// hire makes w the first of a crew, with a mate for each of the transports behind the first, which is w's. With several
// and a list of processors, each gets one of these, in turn.
func (w *worker) hire(transports []udp.Transport, c *config) {
	for i, transport := range transports[1:] {
		m := &worker{
			number: i + 1, transport: transport, clock: w.clock, cpu: noCPU, priority: c.priority,
			in: udp.NewInbox(c.batch), replies: udp.NewOutbox(c.batch),
		}
		for _, r := range w.residents {
			m.residents = append(m.residents, resident{site: r.site, node: r.node.Workers()[m.number]})
		}
		m.lodge()
		w.crew = append(w.crew, m)
	}
	for i, m := range w.crew {
		m.crew = w.crew
		if len(w.crew) > 1 && len(c.cpu) > 0 {
			m.cpu = c.cpu[i%len(c.cpu)]
		}
	}
}

// noCPU is the processor of a worker that may run on any.
const noCPU = -1

// tryCPUs finds out, on a thread that ends with it, whether threads may be kept on each of the processors.
func tryCPUs(cpus pin.List) error {
	tried := make(chan error)
	go func() {
		runtime.LockOSThread()
		for _, cpu := range cpus {
			if err := pin.Thread(cpu); err != nil {
				tried <- usageError{fmt.Errorf("--cpu %s: %w", cpus.String(), err)}
				return
			}
		}
		tried <- nil
	}()
	return <-tried
}

// runAll runs the crew until it is told to stop, or one fails: then it stops the others.
func (w *worker) runAll(log *slog.Logger) (err error) {
	ended := make(chan error, len(w.crew))
	for _, m := range w.crew {
		go func() { ended <- guarded(m.run, log) }()
	}
	for range w.crew {
		failed := <-ended
		if errors.As(failed, new(panicError)) {
			return failed // it may hold what the others wait for
		}
		err = errors.Join(err, failed)
		w.stop()
	}
	return err
}

// receive waits for datagrams for rest at most. The first of several has to be woken if the nodes want to speak earlier
// than they did when it went to rest, since a mate may have made them.
func (w *worker) receive(rest time.Duration) (int, error) {
	if len(w.crew) == 1 || w.number > 0 || rest == 0 {
		return w.transport.Receive(w.in, rest)
	}
	now := w.clock.now()
	w.restsUntil.Store(int64(now.Add(rest)))
	for i := range w.residents { // what a mate changed before it could see that
		rest = min(rest, max(0, time.Duration(w.residents[i].node.NextWake()-now)))
	}
	defer w.restsUntil.Store(awake)
	return w.transport.Receive(w.in, rest)
}

// nudge wakes the first worker if the nodes want to speak while it rests.
func (w *worker) nudge() {
	first := w.crew[0]
	for i := range w.residents {
		until := first.restsUntil.Load()
		if int64(w.residents[i].node.NextWake()) < until && first.restsUntil.CompareAndSwap(until, awake) {
			first.transport.Wake()
		}
	}
}

// total is what the whole crew has counted.
func (w *worker) total() tally {
	t := w.published.read()
	for _, m := range w.crew[1:] {
		other := m.published.read()
		t.add(&other)
	}
	return t
}

// stats are those of the sockets of the whole crew.
func (w *worker) stats() (total udp.Stats) {
	for _, m := range w.crew {
		total.Add(m.transport.Stats())
	}
	return total
}

// count brings the tally up to date about what is stored.
func (w *worker) count(now dht.Instant, idle bool) {
	if len(w.crew) > 1 && !idle && now < w.counted.Add(countEvery) {
		return
	}
	w.tally.counts, w.counted = w.counts(), now
}
