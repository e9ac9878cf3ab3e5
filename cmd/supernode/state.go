package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"supernode/dht"
	"supernode/dht/wire"
)

// finishLimit bounds the save at the end, so that the command ends in time even if the disk is slow.
const finishLimit = 3500 * time.Millisecond

// keeper keeps what the node knows in a file: read at the start, written every period and at the end. A nil keeper
// keeps nothing.
type keeper struct {
	dir    *stateDir
	period time.Duration
	limit  time.Duration // of the save at the end
	log    *slog.Logger

	file  *os.File   // of saved
	saved *dht.State // what was there at the start; nil: nothing

	failing bool          // the last save went wrong
	ended   chan struct{} // closed when run has returned

	// Of the last save, for metrics; at is zero before the first.
	at, took, bytes atomic.Int64 // ns since 1970, ns, bytes
}

// openKeeper locks the state's directory and reads the state. A directory that was asked for must do; without the one
// that was not, the node runs all the same.
func openKeeper(c *config, log *slog.Logger) (*keeper, error) {
	path := c.stateDir
	if path == none {
		return nil, nil
	}
	if !c.stateChosen {
		path = defaultStateDir(os.Getenv, os.Geteuid() == 0)
	}
	if path == "" {
		if c.stateChosen {
			return nil, wrong("state-dir", path, "must be a directory, or none")
		}
		log.Warn("running without saved state: no home directory to keep it in, --state-dir names one")
		return nil, nil
	}
	k := &keeper{period: c.statePeriod, limit: finishLimit, log: log, ended: make(chan struct{})}
	err := k.open(path)
	if err == nil {
		return k, nil
	}
	if !c.stateChosen {
		log.Warn("running without saved state: give --state-dir a directory of its own, or none", "dir", path, "error", err)
		return nil, nil
	}
	mend := "must be a directory that supernode may write to, or none"
	if errors.Is(err, errStateLocked) {
		mend = "choose another directory, or none"
	}
	return nil, usageError{fmt.Errorf("--state-dir %q: %w: %s", path, err, mend)}
}

func (k *keeper) open(path string) (err error) {
	if k.dir, err = openStateDir(path); err != nil {
		return err
	}
	if err = k.read(); err != nil {
		return errors.Join(err, k.dir.close())
	}
	return nil
}

// read opens the saved state and checks it. One that is of no use is put aside: the node starts without.
func (k *keeper) read() error {
	file, err := k.dir.open()
	if file == nil {
		return err
	}
	saved, err := dht.OpenState(file)
	if err == nil {
		k.file, k.saved = file, saved
		return nil
	}
	file.Close()
	var bad dht.StateError
	if !errors.As(err, &bad) {
		return err
	}
	name, err := k.dir.setAside(time.Now())
	if err != nil {
		return err
	}
	k.log.Warn("saved state cannot be used, starting without", "reason", bad.Error(), "kept_as", name)
	return nil
}

// id is the id that the node had at this listening address, or else the other.
func (k *keeper) id(listen netip.AddrPort, other wire.ID) wire.ID {
	if k != nil && k.saved != nil {
		if id, ok := k.saved.ID(listen); ok {
			return id
		}
	}
	return other
}

// restore gives the nodes of homes what was saved, and returns a few addresses to begin with if that is too old.
func (k *keeper) restore(now dht.Instant, homes []dht.Home) []netip.AddrPort {
	if k == nil || k.saved == nil {
		return nil
	}
	defer k.file.Close()
	age := time.Since(k.saved.Created)
	r, err := k.saved.Restore(now, age, homes)
	if err != nil { // it was read once already
		k.log.Warn("saved state restored in part", "error", err)
	}
	k.log.Info("state restored", "dir", k.dir.path, "age", age.Round(time.Second), "nodes", r.Nodes, "peers", r.Peers,
		"items", r.Items, "saved_nodes", k.saved.Nodes, "saved_peers", k.saved.Peers, "saved_items", k.saved.Items)
	k.at.Store(k.saved.Created.UnixNano())
	k.saved = nil
	return r.Old
}

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
			k.report(k.save(ctx, w))
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
		done <- errors.Join(k.saveAll(w), k.dir.close())
	}()
	select {
	case err := <-done:
		if err != nil {
			k.log.Warn("state not saved, that of an earlier time stays", "dir", k.dir.path, "error", err)
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
