package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"supernode/dht"
)

// finishLimit bounds the save at the end, so that the command ends in time even if the disk is slow.
const finishLimit = 3500 * time.Millisecond

// run saves w's state every period, until ctx ends.
func (k *keeper) run(ctx context.Context, w *worker) {
	if k == nil {
		return
	}
	defer close(k.ended)
	tick := time.NewTicker(k.period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.report(guarded(func() error { return k.save(ctx, w) }, k.log))
		}
	}
}

// save has the worker write its state into buffers, between its batches, and takes them to the disk.
func (k *keeper) save(ctx context.Context, w *worker) error {
	r, err := k.dir.replace()
	if err != nil {
		return err
	}
	began := time.Now()
	s := newSaving()
	w.saves.Store(s)
	w.transport.Wake()
	for {
		select {
		case buf, ok := <-s.filled:
			if !ok {
				return k.commit(r, s.snapshot, began)
			}
			if _, err := r.Write(buf); err != nil {
				s.givenUp.Store(true)
				r.discard()
				return err
			}
			s.empty <- buf[:0]
			w.transport.Wake() // it may be waiting for this one
		case <-ctx.Done():
			s.givenUp.Store(true)
			r.discard()
			return ctx.Err()
		}
	}
}

func (k *keeper) commit(r *replacement, s *dht.Snapshot, began time.Time) error {
	if err := r.commit(); err != nil {
		return err
	}
	took := time.Since(began)
	k.at.Store(began.UnixNano())
	k.took.Store(int64(took))
	k.bytes.Store(r.bytes)
	k.log.Debug("state saved", "bytes", r.bytes, "took", took, "nodes", s.Nodes(), "peers", s.Peers(), "items", s.Items())
	return nil
}

// report logs the first of a row of failures for all to see: a full disk must not get a line every period.
func (k *keeper) report(err error) {
	switch {
	case errors.Is(err, context.Canceled):
	case err == nil && k.failing:
		k.log.Info("state saved at last")
		k.failing = false
	case err != nil:
		level := slog.LevelWarn
		if k.failing {
			level = slog.LevelDebug
		}
		k.log.Log(context.Background(), level, "state not saved, will be tried again", "dir", k.dir.path, "error", err)
		k.failing = true
	}
}

// finish saves the state of a worker that has ended, and lets go of the directory. Before, the context of run must have
// ended.
func (k *keeper) finish(w *worker) {
	if k == nil {
		return
	}
	done := make(chan error, 1)
	go func() {
		<-k.ended
		done <- errors.Join(guarded(func() error { return k.saveAll(w) }, k.log), k.dir.close())
	}()
	select {
	case err := <-done:
		if err != nil {
			k.log.Warn("state not saved, the last one that was is what the next start finds", "dir", k.dir.path, "error", err)
		}
	case <-time.After(k.limit):
		k.log.Warn("state not saved in time, that of an earlier time stays", "dir", k.dir.path, "limit", k.limit)
	}
}

// saveAll saves the state of a worker that has ended.
func (k *keeper) saveAll(w *worker) error {
	r, err := k.dir.replace()
	if err != nil {
		return err
	}
	began := time.Now()
	s := dht.NewSnapshot(w.clock.now(), began, w.homes)
	buf := make([]byte, 0, savingBuffer)
	for more := true; more; {
		for more && cap(buf)-len(buf) >= dht.SnapshotPart {
			buf, more = s.Append(buf)
		}
		if _, err := r.Write(buf); err != nil {
			r.discard()
			return err
		}
		buf = buf[:0]
	}
	return k.commit(r, s, began)
}
