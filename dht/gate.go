package dht

import (
	"runtime"
	"sync/atomic"
)

// The locks of a node with several workers. Nothing here waits for more than a few microseconds, unless the kernel takes
// the processor from who holds a lock: so who must wait spins.

// gate keeps those who read what the workers share apart from the one who changes it. Each worker reads through a door of
// its own, whose cache line stays with its core as long as nobody closes the gate: to read costs two atomic operations on
// memory that is near. To change something one closes all doors, which is dear, and goes before those who want to read.
//
// The zero gate is that of a single worker, who needs none: all its methods do nothing.
//
// Locks are taken in this order, each at most once: a node's gate, the lock of the sample, a part's gate, the lock of the
// items.
type gate struct {
	doors   []door // a power of two
	closing spin   // held while the gate is closed
}

// maxDoors bounds what it costs to close a gate. Of more workers, several share a door.
const maxDoors = 8

// door is two cache lines, which processors fetch together.
type door struct {
	state atomic.Uint32 // how many are inside, and doorClosed
	_     [124]byte
}

const doorClosed = 1 << 31

// newGate makes a gate for so many workers.
func newGate(workers int) gate {
	if workers == 1 {
		return gate{}
	}
	return gate{doors: make([]door, min(powerOfTwo(workers), maxDoors))}
}

// enter lets worker read until leave. It must not be inside already.
func (g *gate) enter(worker int) {
	if g.doors != nil {
		g.door(worker).enter()
	}
}

func (g *gate) leave(worker int) {
	if g.doors != nil {
		g.door(worker).state.Add(^uint32(0))
	}
}

func (g *gate) door(worker int) *door { return &g.doors[worker&(len(g.doors)-1)] }

func (d *door) enter() {
	for d.state.Add(1)&doorClosed != 0 {
		d.state.Add(^uint32(0))
		for tries := 0; d.state.Load()&doorClosed != 0; tries++ {
			pause(tries)
		}
	}
}

// close waits until nobody reads; then the caller alone may, and may change things, until open. It must not be inside.
func (g *gate) close() {
	if g.doors == nil {
		return
	}
	g.closing.lock()
	for i := range g.doors {
		g.doors[i].state.Or(doorClosed)
	}
	for i := range g.doors {
		for tries := 0; g.doors[i].state.Load() != doorClosed; tries++ {
			pause(tries)
		}
	}
}

func (g *gate) open() {
	if g.doors == nil {
		return
	}
	for i := range g.doors {
		g.doors[i].state.And(^uint32(doorClosed))
	}
	g.closing.unlock()
}

// spin is a lock for what is short, and seldom wanted by two. One worker alone need not lock it.
type spin struct {
	_    [128]byte // who stands beside it is read by those who do not want it
	held atomic.Bool
	_    [124]byte
}

func (s *spin) lock() {
	for !s.held.CompareAndSwap(false, true) {
		for tries := 0; s.held.Load(); tries++ {
			pause(tries)
		}
	}
}

func (s *spin) unlock() { s.held.Store(false) }

// patience is how often a lock is looked at, a microsecond or two in all, before it is assumed that whoever holds it is
// not running, and perhaps waits for this processor.
const patience = 1 << 10

func pause(tries int) {
	if tries%patience == patience-1 {
		runtime.Gosched()
	}
}
