// Command bench measures what Linux connection tracking costs a busy UDP server, in a lab of two network namespaces
// on this machine.
//
// Data flows one way: plan says which trials to make, lab builds the namespaces, trial makes the trials with the
// clocks of measure, record keeps them raw on disk, stat and report make figures and sentences of the records.
// Reports can be made again from the records at any time, without root.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// version is set by the linker.
var version = "dev"

// usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

var errInterrupted = errors.New("interrupted")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	switch {
	case errors.As(err, new(usageError)):
		os.Exit(exitUsage)
	case errors.Is(err, errInterrupted):
		os.Exit(exitInterrupted)
	}
	os.Exit(exitFailed)
}

// run is the whole command.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	root := &cobra.Command{
		Use:           "bench",
		Short:         "What does connection tracking cost a busy UDP server on this machine?",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetArgs(args)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see bench --help)", err)}
	})
	root.AddCommand(conntrackCommand(), peersCommand(), reportCommand(), labCommand())
	err := root.ExecuteContext(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: the lab has been taken down", errInterrupted)
	}
	return err
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s: unknown command or argument %q (see %s --help)", cmd.CommandPath(), args[0], cmd.CommandPath())}
	}
	return nil
}

// needRoot is the error of a command that builds a lab without the right to.
func needRoot() error {
	if os.Geteuid() != 0 {
		return usageError{errors.New("needs root, to make network namespaces and pin kernel threads: run it with sudo")}
	}
	return nil
}
