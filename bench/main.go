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
	"slices"
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

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitError ends the program with a status of its own, and without a word if it has no error: somebody else has said why.
type exitError struct {
	status int
	error
}

func (e exitError) Error() string {
	if e.error == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.error.Error()
}

func (e exitError) Unwrap() error { return e.error }

var errInterrupted = errors.New("interrupted")

func main() {
	// A reader of our output that goes away must not take us with it and leave a lab behind: writes then fail with EPIPE.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), signals()...)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait until the lab is down
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err == nil {
		return
	}
	var own exitError
	if !errors.As(err, &own) || own.error != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	switch {
	case own.status != 0:
		os.Exit(own.status)
	case errors.As(err, new(usageError)):
		os.Exit(exitUsage)
	case errors.Is(err, errInterrupted):
		os.Exit(exitInterrupted)
	}
	os.Exit(exitFailed)
}

// signals are those that end a run in order, without the ones that whoever started us had us ignore, as nohup does.
func signals() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
	return slices.DeleteFunc(all, signal.Ignored)
}

// run is the whole command.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	root := newCommand()
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", errInterrupted, err)
	}
	return err
}

// newCommand builds the command line.
func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "bench",
		Short: "What does connection tracking cost a busy UDP server on this machine?",
		Long: `What does connection tracking cost a busy UDP server on this machine?

Exit status: 0 done, 1 failed, 2 a mistake on the command line, 130 interrupted (the lab is taken down first).`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.AddCommand(conntrackCommand(), peersCommand(), loadCommand(), generatorsCommand(), regressCommand(), trendCommand(), selfTestCommand(), reportCommand(),
		labCommand(), agentCommand())
	return root
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s: unknown command or argument %q (see %s --help)", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return nil
}
