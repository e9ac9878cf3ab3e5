package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"supernode/internal/conntrack"
)

const defaultDoctorPort = 6881

// doctorOptions are the flags of "doctor".
type doctorOptions struct {
	port     int
	json     bool
	watch    bool
	allNetns bool
	interval time.Duration
	cure     cureOptions
}

// statusError ends the process with a status of its own. Without an error inside, all was said already.
type statusError struct {
	error
	status int
}

func (e statusError) Unwrap() error { return e.error }

func (e statusError) Error() string {
	if e.error == nil {
		return "exit status " + strconv.Itoa(e.status)
	}
	return e.error.Error()
}

func newDoctorCommand() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Is connection tracking hurting a UDP server of this machine?",
		Long: `doctor finds out whether the kernel tracks the datagrams of a UDP port, whichever server has
it, what asked for that, and whether the table of connections is about to lose packets.

To prove it, it sends the port one datagram of a single zero byte for each address family and
asks the kernel for their entries. It changes no setting and leaves nothing behind, but
for the 40 entries of half a minute that an ordinary user needs to see the count rise. Such a
user sees less; what could not be checked is listed.

Exit status: 0 connection tracking is not hurting, 1 at risk, 2 hurting now (or a wrong flag),
3 could not tell. That of --watch is the last verdict's, that of --all-netns the worst one's,
in which namespaces that are hidden from us count as not told.

--fix notrack, --undo and --flush do change something, and --entries lists something. Then the status
is 0 for done, or nothing to do, 1 if it failed, and 2 for a wrong flag.`,
		Example: `  supernode doctor                    # the port that supernode listens on by default
  supernode doctor --port 53 --json
  supernode doctor --watch --interval 1s
  supernode doctor --fix notrack      # exempt the port, prove that it helped, else take it back`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if o.cure.asked() {
				return o.cure.run(cmd.Context(), uint16(o.port), o.interval, cmd.InOrStdin(), cmd.OutOrStdout())
			}
			verdict, err := o.run(cmd.Context(), cmd.OutOrStdout())
			if err != nil { // whatever failed, there is no verdict
				verdict = conntrack.Unknown
			}
			if status := verdict.ExitStatus(); status != exitOK {
				return statusError{err, status}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVar(&o.port, "port", defaultDoctorPort, "UDP port `N` to ask about")
	f.BoolVar(&o.json, "json", false, "print JSON: an object, an array with --all-netns, an object a line with --watch")
	f.BoolVar(&o.watch, "watch", false, "look again and again, until Ctrl-C: a live view on a terminal, a line each time elsewhere")
	f.BoolVar(&o.allNetns, "all-netns", false, "ask in every network namespace of this machine, as containers have them")
	f.DurationVar(&o.interval, "interval", 2*time.Second, "watch what is lost for `TIME` before the verdict; with --fix, before it and after")
	o.cure.register(f)
	return cmd
}

func (o *doctorOptions) check() error {
	switch {
	case o.port < 1 || o.port > 1<<16-1:
		return wrong("port", strconv.Itoa(o.port), "must be 1 to 65535")
	case o.interval < 100*time.Millisecond || o.interval > time.Hour:
		return wrong("interval", o.interval.String(), "must be 100ms to 1h, as in 2s")
	case o.cure.asked() && (o.json || o.watch || o.allNetns):
		return usageError{errors.New("--json, --watch and --all-netns belong to the diagnosis: leave them out with --fix, --undo, --entries and --flush")}
	case o.watch && o.allNetns:
		return usageError{errors.New("--watch and --all-netns cannot be combined: leave one of them out")}
	}
	return nil
}

func (o *doctorOptions) run(ctx context.Context, stdout io.Writer) (conntrack.Verdict, error) {
	switch {
	case o.allNetns:
		return o.everywhere(ctx, stdout)
	case o.watch:
		return o.keepWatching(ctx, stdout)
	}
	d, err := o.diagnose(ctx)
	if err != nil {
		return conntrack.Unknown, err
	}
	if o.json {
		return d.Verdict, printJSON(stdout, d)
	}
	return d.Verdict, printDiagnosis(stdout, d)
}

// diagnose makes one diagnosis, in the namespace of the calling thread.
func (o *doctorOptions) diagnose(ctx context.Context) (d conntrack.Diagnosis, err error) {
	observer, err := conntrack.NewObserver(uint16(o.port))
	if err != nil {
		return d, fmt.Errorf("look at connection tracking: %w", err)
	}
	defer observer.Close()
	observation, err := observer.Observe(ctx, o.interval)
	if err != nil {
		return d, fmt.Errorf("look at connection tracking: %w", err)
	}
	return conntrack.Judge(observation), nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
