package main

import (
	"sync/atomic"
	"time"

	"supernode/dht"
)

const (
	savingBuffers = 8
	savingBuffer  = 64<<10 + dht.SnapshotPart // bytes: a part always fits behind 64 KiB
)

// saving is a state on its way to the disk: the worker fills buffers, the keeper empties them. Neither waits for the
// other but the keeper, and the memory is the buffers'.
type saving struct {
	filled  chan []byte // closed behind the last one of a whole state
	empty   chan []byte
	givenUp atomic.Bool // by the keeper

	// The worker's.
	snapshot *dht.Snapshot
	buf      []byte // nil: none in hand
}

func newSaving() *saving {
	s := &saving{filled: make(chan []byte, savingBuffers), empty: make(chan []byte, savingBuffers)}
	for range savingBuffers {
		s.empty <- make([]byte, 0, savingBuffer)
	}
	return s
}

// save takes up the saving that the keeper asks for, or goes on with it by one part. It says whether there is more to do
// at once. When there is not, because of a slow disk, the keeper will wake the worker.
func (w *worker) save(now dht.Instant) (busy bool) {
	if w.saves.Load() != nil {
		w.saving = w.saves.Swap(nil)
		w.saving.snapshot = dht.NewSnapshot(now, time.Now(), w.homes)
	}
	s := w.saving
	if s == nil {
		return false
	}
	if s.givenUp.Load() {
		w.saving = nil
		return false
	}
	if s.buf == nil {
		select {
		case s.buf = <-s.empty:
		default:
			return false
		}
	}
	var more bool
	s.buf, more = s.snapshot.Append(s.buf)
	if more && cap(s.buf)-len(s.buf) >= dht.SnapshotPart {
		return true
	}
	s.filled <- s.buf // has room for all buffers there are
	s.buf = nil
	if !more {
		close(s.filled)
		w.saving = nil
	}
	return more
}
