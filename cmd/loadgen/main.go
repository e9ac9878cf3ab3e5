package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"supernode/internal/pin"
)

// errNoAnswer says that nothing came back. Only main tells it from other errors.
var errNoAnswer = errors.New("never answered")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait for the result
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
	}
	os.Exit(exitStatus(err))
}

// exitStatus is 0 for a run, 1 for a run that nobody answered, 2 for a run that was not.
func exitStatus(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errNoAnswer):
		return 1
	}
	return 2
}

// run is the program. The end of ctx ends a trial early, with the result so far.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	cmd := newCommand(func(c *config) error { return start(ctx, c, stdin, stdout, stderr) })
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	return cmd.ExecuteContext(ctx)
}

// start checks what only the system can tell, and gives the loop a thread of its own.
func start(ctx context.Context, c *config, stdin io.Reader, stdout, stderr io.Writer) error {
	target, err := resolveTarget(ctx, c.target, c.sources.Prefix, net.DefaultResolver)
	if err != nil {
		return err
	}
	if err := checkTarget(target, c.floodOK); err != nil {
		return err
	}
	// With one processor Go would run one goroutine at a time, and the loop would wait for whoever shows its
	// progress. The kernel shares a processor better.
	runtime.GOMAXPROCS(max(1+c.part.threads(), runtime.GOMAXPROCS(0)))
	if err := pin.Process(c.cpus); err != nil {
		return fmt.Errorf("--cpu: %w", err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		done <- onThread(ctx, c, target, stdin, stdout, stderr)
	}()
	return <-done
}

// onThread is all that the loop's thread does, or the first of several: it opens the sockets, uses them and closes them.
func onThread(ctx context.Context, c *config, target netip.AddrPort, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	w, err := openCrew(ctx, c, target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if c.nodesFile != "" {
		if err := w.writeNodes(c.nodesFile); err != nil {
			return err
		}
	}
	defer context.AfterFunc(ctx, w.halt)()
	var shown *live
	if !c.quiet {
		shown = newLive(stderr)
	}
	if c.control {
		w.watch = watcher(shown)
		return control(ctx, w, c, stdin, stdout)
	}
	return single(w, c, shown, stdout, stderr)
}

// single runs the one trial of the command line, and writes what came of it.
func single(w *crew, c *config, l *live, stdout, stderr io.Writer) error {
	o, err := openOutputs(c.outputFiles, c.hdr, c.warmup, stdout)
	if err != nil {
		return err
	}
	w.watch = watcher(l, o.observers()...)
	r, err := w.run(c.params)
	if err != nil {
		return err
	}
	if err := o.write(r); err != nil {
		return err
	}
	if o.summary == nil && !c.quiet {
		tellLimits(stderr, r)
	}
	if r.totalSent > 0 && r.totalAnswered == 0 {
		return neverAnswered(r)
	}
	return nil
}

// neverAnswered says so, and what may be the reason.
func neverAnswered(r *result) error {
	if r.Payload != "dht" {
		return fmt.Errorf("target %s %w: is a server running there, does it speak %s, and does its firewall let UDP in?",
			r.Target, errNoAnswer, r.Payload)
	}
	return fmt.Errorf("target %s %w: is a node running there, does it talk to addresses like ours "+
		"(supernode: --allow-private), and does its firewall let UDP in?", r.Target, errNoAnswer)
}
