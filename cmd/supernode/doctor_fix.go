package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"supernode/internal/conntrack"
	"supernode/internal/terminal"
)

// cureOptions are the flags of "doctor" that change or list something, for one port.
type cureOptions struct {
	fix     string
	undo    bool
	dryRun  bool
	entries bool
	flush   bool
	yes     bool
}

func (o *cureOptions) register(f *pflag.FlagSet) {
	f.StringVar(&o.fix, "fix", "", "apply the fix `ID`, prove that it helped, else take it back; notrack exempts the port from tracking")
	f.BoolVar(&o.undo, "undo", false, "take back what --fix has done")
	f.BoolVar(&o.entries, "entries", false, "summarise what the table holds for the port")
	f.BoolVar(&o.flush, "flush", false, "delete what the table holds for the port, after asking")
	f.BoolVar(&o.dryRun, "dry-run", false, "with --fix, --undo or --flush: say what would be done, and do nothing")
	f.BoolVar(&o.yes, "yes", false, "with --flush: do not ask")
}

// asked says that one of the flags was given, and so that doctor is to do this and not to diagnose.
func (o *cureOptions) asked() bool {
	return o.fix != "" || o.undo || o.entries || o.flush || o.dryRun || o.yes
}

// settle refuses what does not go together.
func (o *cureOptions) settle() error {
	chosen := 0
	for _, flag := range []bool{o.fix != "", o.undo, o.entries, o.flush} {
		if flag {
			chosen++
		}
	}
	switch {
	case chosen > 1:
		return usageError{errors.New("--fix, --undo, --entries and --flush do not go together: choose one")}
	case o.fix != "" && o.fix != conntrack.FixNotrack:
		return wrong("fix", o.fix, "must be "+conntrack.FixNotrack+"; the other fixes are printed by supernode doctor, to be done by hand")
	case o.dryRun && (chosen == 0 || o.entries):
		return usageError{errors.New("--dry-run needs --fix, --undo or --flush")}
	case o.yes && !o.flush:
		return usageError{errors.New("--yes is for --flush only")}
	}
	return nil
}

// run does what was asked for, in this network namespace. A fix watches the port for the time of window before it, and
// after. stdin is asked for consent if it is a terminal.
func (o *cureOptions) run(ctx context.Context, port uint16, window time.Duration, stdin io.Reader, stdout io.Writer) error {
	if err := o.settle(); err != nil {
		return err
	}
	facts, err := conntrack.Read()
	if err != nil {
		return err
	}
	rehearsal := o.fix != "" && o.dryRun
	if !facts.Present && !o.undo && !rehearsal { // asking further would load it
		_, err := fmt.Fprintln(stdout, "Nothing to do: this kernel has no connection tracking, or has not loaded it.")
		return err
	}
	switch {
	case o.undo:
		return o.undoFix(port, stdout)
	case o.fix != "":
		return o.applyFix(ctx, port, window, facts, stdout)
	case o.flush:
		return o.flushPort(ctx, port, stdin, stdout)
	default:
		entries, err := conntrack.ReadEntries(ctx, port)
		if err != nil {
			return err
		}
		return writeEntries(stdout, entries)
	}
}

func (o *cureOptions) undoFix(port uint16, stdout io.Writer) error {
	table := conntrack.ExemptTable(port)
	if o.dryRun {
		_, err := fmt.Fprintf(stdout, "Would run:\n  nft delete table inet %s\n", table)
		return err
	}
	found, err := conntrack.UnexemptPort(port)
	switch {
	case err != nil:
		return err
	case !found:
		_, err = fmt.Fprintf(stdout, "Nothing to undo: there is no table inet %s.\n", table)
	default:
		_, err = fmt.Fprintf(stdout, "UDP port %d is no longer exempt: table inet %s is deleted.\n", port, table)
	}
	return err
}

// applyFix exempts the port. A cure that does not hold is an error, and leaves nothing behind.
func (o *cureOptions) applyFix(ctx context.Context, port uint16, window time.Duration, facts conntrack.Facts, stdout io.Writer) error {
	if o.dryRun {
		return writeFix(stdout, conntrack.NotrackFix(port))
	}
	r, err := conntrack.Cure(ctx, port, window)
	if err != nil {
		return err
	}
	out := &errWriter{w: stdout}
	switch {
	case r.Needless:
		out.printf("Nothing to do: in this network namespace no flow of UDP port %d is tracked.\n", port)
		return out.err
	case r.RolledBack:
		writeRound(out, "Before", r.Before)
		writeRound(out, "After", r.After)
		return errors.Join(out.err, fmt.Errorf("--fix notrack: taken back, since %s", r.Reason))
	case r.Already:
		out.printf("UDP port %d is exempt already, by table inet %s; nothing is changed.\n", port, conntrack.ExemptTable(port))
		if r.After.Tracked {
			return fmt.Errorf("but a flow through port %d still left an entry: another rule goes first, or this table was "+
				"changed; supernode doctor --port %d --undo, and fix again", port, port)
		}
	default:
		writeRound(out, "Before", r.Before)
		out.printf("UDP port %d is exempt from connection tracking now, by table inet %s.\n", port, conntrack.ExemptTable(port))
		writeRound(out, "After", r.After)
		writeDoubt(out, port, r)
	}
	if entries, err := conntrack.ReadEntries(ctx, port); err == nil && entries.Total > 0 {
		out.printf("%d entries of the port stay until they time out, %v at most; --flush deletes them now.\n",
			entries.Total, max(facts.UDPTimeout, facts.UDPStreamTimeout))
	}
	if held, err := conntrack.Held(port); err == nil && held {
		out.printf("A running node holds the table, and it ends with the node.\n")
		return out.err
	}
	out.printf("It ends with a reboot. To keep it, run the node with --conntrack notrack, or let what loads the firewall at boot " +
		"run the lines of --fix notrack --dry-run.\n")
	out.printf("Undo: supernode doctor --port %d --undo\n", port)
	return out.err
}

// writeDoubt says what a cure that was kept has not proved, and what may be wrong.
func writeDoubt(out *errWriter, port uint16, r conntrack.CureReport) {
	if r.Unproven {
		out.printf("Not proven: too little traffic, so that it is not known whether the firewall lets other hosts in; a firewall that\n"+
			"accepts by connection state needs the rule \"udp dport %d accept\".\n", port)
	}
	if r.Risk != "" {
		out.printf("Warning: the rule %s.\n", r.Risk)
	}
}

func writeFix(stdout io.Writer, fix conntrack.Fix) error {
	out := &errWriter{w: stdout}
	out.printf("Would %s, in this way:\n", "exempt the port, watch its traffic, and take it back if that does not hold")
	for _, line := range fix.Commands {
		out.printf("  %s\n", line)
	}
	out.printf("Price: %s\nUndo:\n", fix.Price)
	for _, line := range fix.Undo {
		out.printf("  %s\n", line)
	}
	return out.err
}

// writeRound says what was seen of the port's traffic.
func writeRound(out *errWriter, when string, r conntrack.Round) {
	entry := "it could not be told whether a flow leaves an entry, since the kernel refused to send"
	if r.TrackedKnown {
		entry = "a flow leaves no entry"
		if r.Tracked {
			entry = "a flow leaves an entry"
		}
	}
	out.printf("%s: %s", when, entry)
	for _, p := range []struct {
		what string
		conntrack.Passage
	}{{"datagrams from other hosts", r.In}, {"answers to them", r.Out}} {
		if p.Came > 0 {
			out.printf("; %d of %d %s got through", min(p.Through, p.Came), p.Came, p.what)
		}
	}
	if r.In.Came == 0 {
		out.printf("; nobody else sent anything meanwhile")
	}
	out.printf(".\n")
}

// flushPort deletes the port's entries, if whoever asks agrees.
func (o *cureOptions) flushPort(ctx context.Context, port uint16, stdin io.Reader, stdout io.Writer) error {
	entries, err := conntrack.ReadEntries(ctx, port)
	if err != nil {
		return err
	}
	out := &errWriter{w: stdout}
	if entries.Total == 0 {
		out.printf("Nothing to delete: the table holds no entry of UDP port %d.\n", port)
		return out.err
	}
	out.printf("%d entries of UDP port %d, of %d in the table, %d of them assured.\n", entries.Total, port, entries.Scanned, entries.Assured)
	out.printf("Deleting them makes NAT forget these flows, and a firewall that lets in only what answers to us refuse the\n" +
		"answers that are under way. A flow that goes on gets a new entry with its next packet, unless the port is exempt.\n")
	if o.dryRun {
		return out.err
	}
	if !o.yes {
		yes, err := consent(stdin, out)
		if err != nil || !yes {
			return errors.Join(out.err, err)
		}
	}
	deleted, err := conntrack.FlushPort(ctx, port)
	out.printf("Deleted %d entries.\n", deleted)
	return errors.Join(err, out.err)
}

// consent asks on the terminal. That there is nobody to ask is an error.
func consent(stdin io.Reader, out *errWriter) (yes bool, err error) {
	nobody := usageError{errors.New("--flush: nothing was deleted, since there is no terminal to ask on: add --yes")}
	if !terminal.Is(stdin) {
		return false, nobody
	}
	out.printf("Delete them? [y/N] ")
	answer, err := bufio.NewReader(stdin).ReadString('\n')
	if err != nil && answer == "" {
		return false, nobody
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	yes = answer == "y" || answer == "yes"
	if !yes {
		out.printf("Nothing was deleted.\n")
	}
	return yes, nil
}

// errWriter remembers the first error, so that a text of many lines needs one look.
type errWriter struct {
	w   io.Writer
	err error
}

func (e *errWriter) printf(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}
