package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"supernode/dht"
	"supernode/dht/wire"
	"supernode/internal/pin"
	"supernode/internal/udp"
)

// clientVersion is "v" in our messages: "SN" and a protocol-visible version.
var clientVersion = [4]byte{'S', 'N', 0, 1}

// Socket buffers, of which the kernel gives twice as much for its own bookkeeping: some 5,000 queries, which is what
// arrives while the worker is not scheduled for a moment. More would do harm: in overload a queue is always full, and
// every answer would be late by all that waits in it.
const (
	receiveBuffer = 2 << 20
	sendBuffer    = 2 << 20
)

var openers = map[string]func([]netip.AddrPort, udp.Options) (udp.Transport, error){
	"mmsg": udp.OpenMmsg,
	"net":  udp.OpenNet,
}

func newRunCommand(stderr io.Writer) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the node (the default)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.settle()
			if err != nil {
				return err
			}
			c.listenChosen, c.stateChosen = cmd.Flags().Changed("listen"), cmd.Flags().Changed("state-dir")
			return serve(cmd.Context(), c, newLogger(stderr, c))
		},
	}
	o.register(cmd.Flags())
	return cmd
}

func newLogger(w io.Writer, c *config) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.level}
	if c.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// serve runs a node until ctx ends.
func serve(ctx context.Context, c *config, log *slog.Logger) (err error) {
	// With a single P, Go's monitor thread takes it from the worker whenever that waits for datagrams, and to do so
	// looks every 20 µs (runtime/proc.go, retake): a quarter of the time of a node that is pinned to one core. With
	// another, idle P it has nothing to take and sleeps.
	runtime.GOMAXPROCS(max(c.workers+1, runtime.GOMAXPROCS(0)))
	if err := pin.Process(c.cpu); err != nil {
		return usageError{fmt.Errorf("--cpu %s: %w", c.cpu.String(), err)}
	}
	if c.workers > 1 {
		if err := tryCPUs(c.cpu); err != nil {
			return err
		}
	}
	transports, err := openTransports(c, log)
	if err != nil {
		return addressError(fmt.Errorf("--listen: %w", err))
	}
	guard, err := startGuard(c.conntrack, transports[0].Local(), log)
	if err != nil {
		return errors.Join(err, closeAll(transports))
	}
	defer func() { err = errors.Join(err, guard.close()) }()
	if c.keeper, err = openKeeper(ctx, c, log); err != nil {
		return errors.Join(err, closeAll(transports))
	}
	w, err := newWorker(transports[0], c)
	if err != nil {
		return errors.Join(err, closeAll(transports))
	}
	w.guard = guard
	w.hire(transports, c)
	old, err := c.keeper.restore(w.clock.now(), w.homes)
	if ctx.Err() != nil {
		log.Info("stopped before it was ready")
		return closeAll(transports)
	}
	if err != nil {
		return errors.Join(err, closeAll(transports))
	}
	web, err := startWeb(c, w, log)
	if err != nil {
		return errors.Join(err, closeAll(transports))
	}
	for i, addr := range transports[0].Local() {
		log.Info("listening", "addr", addr, "id", w.tally.selves[i].hexID(), "io", c.io)
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.runAll(log) }()
	give := func(seeds []netip.AddrPort) { w.bootstrap(slices.Concat(seeds, old)) }
	if len(old) > 0 {
		give(nil)
	}
	go newBootstrapper(c.bootstrap, give, log).run(ctx)
	go c.keeper.run(ctx, w)
	go guard.run(ctx)
	go logMoves(ctx, w.moved, log)
	log.Info("ready", "version", versionText(), "http", web.addr(), "workers", len(w.crew))
	notify("READY=1", log)

	select {
	case <-ctx.Done():
		log.Info("stopping")
		w.stop()
		notify("STOPPING=1", log)
		err = <-ended
	case err = <-ended:
	}
	cancel()
	var last sync.WaitGroup
	last.Go(web.stop)
	if !errors.As(err, new(panicError)) { // what a worker that panicked knows may be wrong
		c.keeper.finish(w)
	}
	last.Wait()
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// guarded makes an error of a panic in run. Left to Go it would end the process with status 2, which says that the
// command line is wrong and keeps supervisors from starting it again.
func guarded(run func() error, log *slog.Logger) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic, please report it", "panic", p, "stack", string(debug.Stack()))
			err = panicError{p}
		}
	}()
	return run()
}

// panicError is a panic that was caught.
type panicError struct{ cause any }

func (e panicError) Error() string { return fmt.Sprintf("panic: %v", e.cause) }

// openTransports binds the sockets of each worker. On a host without IPv6 the default listens on IPv4 alone; an address that was
// asked for is an error.
func openTransports(c *config, log *slog.Logger) ([]udp.Transport, error) {
	open := func() ([]udp.Transport, error) {
		o := udp.Options{Batch: c.batch, ReceiveBuffer: receiveBuffer, SendBuffer: sendBuffer}
		if c.workers > 1 {
			return udp.OpenMmsgGroup(c.listen, o, c.workers)
		}
		transport, err := openers[c.io](c.listen, o)
		return []udp.Transport{transport}, err
	}
	transports, err := open()
	noIPv6 := errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)
	if noIPv6 && !c.listenChosen {
		log.Warn("no IPv6 on this host, listening on IPv4 only", "error", err)
		c.listen = slices.DeleteFunc(c.listen, func(a netip.AddrPort) bool { return a.Addr().Is6() })
		return open()
	}
	return transports, err
}

func closeAll(transports []udp.Transport) (err error) {
	for _, transport := range transports {
		err = errors.Join(err, transport.Close())
	}
	return err
}

// addressError makes a failure to bind an error of usage, which it is: another address, or more rights, mend it.
// Not so if the machine has run out of something.
func addressError(err error) error {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS} {
		if errors.Is(err, errno) {
			return err
		}
	}
	return usageError{err}
}

// newNode makes the node of a site. share is the node whose stored peers it serves, or nil.
func newNode(c *config, local []netip.AddrPort, s site, share *dht.Node) (*dht.Node, error) {
	cfg := dht.Config{
		ID: s.ids[0], ID6: s.ids[1], Version: clientVersion,
		MaxNodes: c.maxNodes, MaxPeers: c.maxPeers, MaxItems: c.maxItems, Workers: c.workers,
		AllowPrivate: c.allowPrivate, RateLimit: c.rateLimit, EnforceSecure: c.enforceBEP42, Share: share,
	}
	rand.Read(cfg.Seed[:])
	for _, addr := range local {
		cfg.Own = append(cfg.Own, addr.Addr())
	}
	return dht.New(cfg)
}

// randomID takes an id from the system's random source, which never fails.
func randomID() (id wire.ID) {
	rand.Read(id[:])
	return id
}

// clock makes Instants: time since the process began, which no change of the wall clock disturbs.
type clock struct{ start time.Time }

func (c clock) now() dht.Instant { return dht.Instant(time.Since(c.start)) }
