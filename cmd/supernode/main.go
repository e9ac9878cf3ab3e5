// Command supernode is a BitTorrent Mainline DHT node that answers as many queries per core as the kernel's UDP path
// allows.
//
// One OS thread does all the work, or several do with --workers: each receives a batch of datagrams, lets the node (package
// dht) answer each, and sends the answers as one batch; the first asks the node besides what it wants to send of its own
// accord. Everything else in this command is around that loop: flags, bootstrap names, HTTP, logs.
//
// Exit status: 0 after SIGTERM or SIGINT, 2 for a flag or an address that has to be mended, 1 for all else. That of
// "doctor" is its verdict.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake in a flag, file or address: something the user mends on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	signals := []os.Signal{syscall.SIGTERM, os.Interrupt}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(report(err, os.Stderr))
}

// run is the whole command; it returns when ctx ends, with nil, or when it cannot go on.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cmd := newCommand(stdout, stderr)
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}

// report prints err as one line and says which status to exit with.
func report(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	var own statusError
	if errors.As(err, &own) && own.error == nil {
		return own.status
	}
	message := strings.ReplaceAll(err.Error(), "\n", "; ") // joined errors have a line each
	if errors.Is(err, context.Canceled) {
		message = "interrupted"
	}
	fmt.Fprintln(stderr, "supernode:", message)
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	if own.error != nil {
		return own.status
	}
	return exitFailed
}
