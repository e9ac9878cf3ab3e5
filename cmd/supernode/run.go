package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"supernode/dht"
	"supernode/internal/pin"
	"supernode/internal/udp"
)

// clientVersion is "v" in our messages: "SN" and a protocol-visible version.
var clientVersion = [4]byte{'S', 'N', 0, 1}

// Socket buffers hold what arrives while the worker is busy or not scheduled: some 16,000 queries.
const (
	receiveBuffer = 16 << 20
	sendBuffer    = 4 << 20
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
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.settle()
			if err != nil {
				return err
			}
			c.listenChosen = cmd.Flags().Changed("listen")
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
func serve(ctx context.Context, c *config, log *slog.Logger) error {
	if err := pin.Process(c.cpu); err != nil {
		return usageError{fmt.Errorf("--cpu %s: %w", c.cpu.String(), err)}
	}
	transport, err := openTransport(c, log)
	if err != nil {
		return addressError("listen", err)
	}
	w, err := newWorker(transport, c)
	if err != nil {
		return errors.Join(err, transport.Close())
	}
	web, err := startWeb(c, w, log)
	if err != nil {
		return errors.Join(addressError("http", err), transport.Close())
	}
	for _, addr := range transport.Local() {
		log.Info("listening", "addr", addr, "io", c.io)
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.run() }()
	go keepBootstrapping(ctx, c.bootstrap, w, log)
	log.Info("ready", "id", fmt.Sprintf("%x", w.nodeID), "version", versionText(), "http", web.addr())
	if err := notifyReady(); err != nil {
		log.Warn("systemd was not told that we are ready", "error", err)
	}

	select {
	case <-ctx.Done():
		log.Info("stopping")
		w.stop()
		err = <-ended
	case err = <-ended:
	}
	web.stop()
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// openTransport binds the sockets. On a host without IPv6 the default listens on IPv4 alone; an address that was
// asked for is an error.
func openTransport(c *config, log *slog.Logger) (udp.Transport, error) {
	open := func() (udp.Transport, error) {
		return openers[c.io](c.listen, udp.Options{
			Batch: c.batch, ReceiveBuffer: receiveBuffer, SendBuffer: sendBuffer,
		})
	}
	transport, err := open()
	noIPv6 := errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)
	if noIPv6 && !c.listenChosen {
		log.Warn("no IPv6 on this host, listening on IPv4 only", "error", err)
		c.listen = slices.DeleteFunc(c.listen, func(a netip.AddrPort) bool { return a.Addr().Is6() })
		return open()
	}
	return transport, err
}

// addressError makes a failure to bind an error of usage, which it is: another address, or more rights, mend it.
func addressError(flag string, err error) error {
	for _, errno := range []syscall.Errno{syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, syscall.EACCES} {
		if errors.Is(err, errno) {
			return usageError{fmt.Errorf("--%s: %w", flag, err)}
		}
	}
	return fmt.Errorf("--%s: %w", flag, err)
}

func newNode(c *config, local []netip.AddrPort) (*dht.Node, error) {
	cfg := dht.Config{
		Version:  clientVersion,
		MaxNodes: c.maxNodes, MaxPeers: c.maxPeers,
		AllowPrivate: c.allowPrivate,
	}
	if _, err := rand.Read(cfg.Seed[:]); err != nil {
		return nil, fmt.Errorf("read random seed: %w", err)
	}
	for _, addr := range local {
		cfg.Own = append(cfg.Own, addr.Addr())
	}
	return dht.New(cfg)
}

// clock makes Instants: time since the process began, which no change of the wall clock disturbs.
type clock struct{ start time.Time }

func (c clock) now() dht.Instant { return dht.Instant(time.Since(c.start)) }

// notifyReady tells systemd, if it is there, that the node answers (sd_notify(3)).
func notifyReady() error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	return writeUnixgram(path, "READY=1")
}
