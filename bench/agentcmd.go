package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"supernode/bench/remote"
	"supernode/bench/trial"
)

// agentOptions are the flags of "bench agent".
type agentOptions struct {
	listen    string
	stdio     bool
	port      uint16
	pid       int
	serverCmd string
	secret    string
	consent   bool
	once      bool
}

func agentCommand() *cobra.Command {
	var o agentOptions
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Stand beside a server on another host, for bench conntrack --remote",
		Long: `agent runs on the host of a UDP server, and lets bench conntrack --remote, on another host, measure it there. Between
trials it switches connection tracking for the server's port by nftables rules of its own, which go with it however it ends.
It obeys whoever knows the secret in --secret-file, and can be told nothing else. Needs root and Linux 5.12. See docs/remote.md.`,
		Example: `  bench agent --listen :7070 --port 6881 --pid 4711 --secret-file secret --i-consent-to-rules
  bench agent --listen :7070 --port 53 --server-cmd '/usr/sbin/mydns --bind {addr}' --secret-file secret --i-consent-to-rules`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.listen, "listen", "", "`ADDR:PORT` (TCP) to wait at for the harness; one session at a time")
	f.BoolVar(&o.stdio, "stdio", false, "speak with the harness over standard input and output instead, for one session")
	f.Uint16Var(&o.port, "port", 0, "`N`: the server's UDP port")
	f.IntVar(&o.pid, "pid", 0, "`PID` of the server")
	f.StringVar(&o.serverCmd, "server-cmd", "", "`COMMAND` that starts the server for as long as the agent runs; {addr} in it stands for 0.0.0.0:PORT, and no shell reads it")
	f.StringVar(&o.secret, "secret-file", "", "`FILE` with the secret that harness and agent share; only its owner may read it")
	f.BoolVar(&o.consent, "i-consent-to-rules", false, "the rules may be made that the agent otherwise only names")
	f.BoolVar(&o.once, "once", false, "end after the first session")
	return cmd
}

// check finds what is wrong with the flags.
func (o *agentOptions) check() error {
	switch {
	case (o.listen == "") == !o.stdio:
		return usagef("give --listen ADDR:PORT, or --stdio")
	case o.port == 0:
		return usagef("--port: the server's UDP port is missing")
	case (o.pid == 0) == (strings.TrimSpace(o.serverCmd) == ""):
		return usagef("give --pid of the server, or --server-cmd to start it")
	case o.secret == "":
		return usagef("--secret-file: is missing; make one and copy it to the other host: (umask 077; head -c 32 /dev/urandom | base64 > secret)")
	case !o.consent:
		return usagef("--i-consent-to-rules: is missing. During a session the agent makes these, and removes them with it:\n"+
			"  nftables table inet supernode_track_%[1]d: two rules with ct state for UDP port %[1]d, if this host does not track by itself;\n"+
			"    while they stand the kernel tracks every flow of this host, not only the port's\n"+
			"  nftables table inet supernode_notrack_%[1]d: keeps port %[1]d out of connection tracking; rules of yours that accept\n"+
			"    the port by its state alone then refuse it (see supernode doctor --port %[1]d)\n"+
			"  and it deletes the port's entries in the connection table before each trial", o.port)
	}
	return nil
}

func (o *agentOptions) run(cmd *cobra.Command) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	secret, err := remote.ReadSecret(o.secret)
	if err != nil {
		return usageError{err}
	}
	if os.Geteuid() != 0 {
		return usagef("needs root, to make rules for the port: run it with sudo")
	}
	ctx := cmd.Context()
	var served *trial.Served
	name := fmt.Sprintf("process %d", o.pid)
	if o.pid == 0 {
		served, err = trial.ServeHere(o.serverCmd, netip.AddrPortFrom(netip.IPv4Unspecified(), o.port))
		if err != nil {
			return fmt.Errorf("start the server: %w", err)
		}
		defer served.Stop()
		var stop func()
		ctx, stop = whileServed(ctx, served)
		defer stop()
		o.pid, name = served.PID(), o.serverCmd
	} else if path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", o.pid)); err == nil {
		name = fmt.Sprintf("process %d, %s", o.pid, filepath.Base(path))
	}
	host, err := remote.NewHost(o.pid, name, o.port, thisMachine())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	if served != nil {
		if err := served.Check(); err != nil {
			return err
		}
	}
	return o.serve(ctx, cmd.ErrOrStderr(), host, secret)
}

// errServerGone is why an agent ends by itself.
var errServerGone = errors.New("nothing is left to measure")

// whileServed is ctx until the server ends, which is then its cause.
func whileServed(ctx context.Context, served *trial.Served) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-served.Done():
			cancel(fmt.Errorf("%w: %w", errServerGone, served.Check()))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// serve holds sessions until ctx ends; a session that fails is told and ends nothing but itself.
func (o *agentOptions) serve(ctx context.Context, stderr io.Writer, host remote.Host, secret []byte) error {
	if o.stdio {
		stream, err := stdio()
		if err != nil {
			return err
		}
		return remote.Serve(ctx, stream, secret, host, remote.Silence)
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return usagef("--listen: %w", err)
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	defer listener.Close()
	fmt.Fprintf(stderr, "bench agent: waiting at %v\n", listener.Addr())
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		if err != nil {
			return fmt.Errorf("wait for the harness: %w", err)
		}
		fmt.Fprintf(stderr, "bench agent: session with %v\n", conn.RemoteAddr())
		err = remote.Serve(ctx, conn, secret, host, remote.Silence)
		conn.Close()
		switch {
		case ctx.Err() != nil:
			return stopped(ctx)
		case err != nil:
			fmt.Fprintf(stderr, "bench agent: session with %v: %v; the rules are as they were\n", conn.RemoteAddr(), err)
		default:
			fmt.Fprintf(stderr, "bench agent: session with %v has ended, the rules are as they were\n", conn.RemoteAddr())
		}
		if o.once {
			return err
		}
	}
}

// stopped is nil for an agent that was asked to stop: that is how it ends.
func stopped(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, errServerGone) {
		return cause
	}
	return nil
}

// pipes is a stream over standard input and output.
type pipes struct{ in, out *os.File }

func stdio() (pipes, error) {
	for _, fd := range []int{0, 1} {
		if err := syscall.SetNonblock(fd, true); err != nil { // so that reads can be given a deadline
			return pipes{}, fmt.Errorf("--stdio: %w", err)
		}
	}
	return pipes{os.NewFile(0, "standard input"), os.NewFile(1, "standard output")}, nil
}

func (p pipes) Read(b []byte) (int, error)  { return p.in.Read(b) }
func (p pipes) Write(b []byte) (int, error) { return p.out.Write(b) }
func (p pipes) Close() error                { return errors.Join(p.in.Close(), p.out.Close()) }
func (p pipes) SetDeadline(t time.Time) error {
	if err := p.in.SetReadDeadline(t); err != nil {
		return fmt.Errorf("standard input must be a pipe or a socket: %w", err)
	}
	return p.out.SetWriteDeadline(t)
}
