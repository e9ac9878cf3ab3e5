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
func openKeeper(ctx context.Context, c *config, log *slog.Logger) (*keeper, error) {
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
	err := k.open(ctx, path)
	if err == nil || ctx.Err() != nil {
		return k, nil
	}
	if !c.stateChosen {
		log.Warn("running without saved state: give --state-dir a directory of its own, or none", "dir", path, "error", err)
		return nil, nil
	}
	mend := "must be a directory that supernode may write to, or none"
	switch {
	case errors.Is(err, errStateLocked):
		mend = "choose another directory, or none"
	case errors.Is(err, errNoFile):
		mend = "move it away, or choose another directory"
	}
	return nil, usageError{fmt.Errorf("--state-dir %q: %w: %s", path, err, mend)}
}

func (k *keeper) open(ctx context.Context, path string) (err error) {
	if k.dir, err = openStateDir(path); err != nil {
		return err
	}
	if err = k.read(ctx); err != nil {
		return errors.Join(err, k.dir.close())
	}
	return nil
}

// read opens the saved state and checks it. One that is of no use is put aside: the node starts without.
func (k *keeper) read(ctx context.Context) error {
	file, err := k.dir.open()
	if file == nil {
		return err
	}
	saved, err := dht.OpenState(interruptible{file, ctx})
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

// interruptible is a file that ends in an error when ctx does: to read a large state takes seconds.
type interruptible struct {
	*os.File
	ctx context.Context
}

func (f interruptible) Read(b []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.File.Read(b)
}

// restore gives the nodes of homes what was saved, and returns a few addresses to begin with if that is too old. An
// error is a panic; that the state could not be read a second time is only worth a warning.
func (k *keeper) restore(now dht.Instant, homes []dht.Home) (old []netip.AddrPort, err error) {
	if k == nil || k.saved == nil {
		return nil, nil
	}
	defer k.file.Close()
	age := time.Since(k.saved.Created)
	k.log.Info("restoring state", "dir", k.dir.path, "age", age.Round(time.Second))
	var r dht.Restored
	err = guarded(func() (err error) { r, err = k.saved.Restore(now, age, homes); return err }, k.log)
	if errors.As(err, new(panicError)) {
		return nil, fmt.Errorf("restore state: %w: move %s away to start without it", err, k.dir.file())
	}
	if err != nil { // it was read once already
		k.log.Warn("saved state restored in part", "error", err)
	}
	if info, err := k.file.Stat(); err == nil {
		k.bytes.Store(info.Size())
	}
	k.log.Info("state restored", "nodes", r.Nodes, "peers", r.Peers,
		"items", r.Items, "saved_nodes", k.saved.Nodes, "saved_peers", k.saved.Peers, "saved_items", k.saved.Items)
	k.at.Store(k.saved.Created.UnixNano())
	k.saved = nil
	return r.Old, nil
}
