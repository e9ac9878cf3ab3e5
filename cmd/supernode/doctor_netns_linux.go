package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"

	"supernode/internal/conntrack"
)

// everywhere diagnoses the port in each network namespace at once and returns the worst verdict.
func (o *doctorOptions) everywhere(ctx context.Context, stdout io.Writer) (worst conntrack.Verdict, err error) {
	list, hidden, err := conntrack.Namespaces("/")
	if err != nil {
		return conntrack.Unknown, err
	}
	found, errs := conntrack.ForEach(list, func(conntrack.Namespace) (conntrack.Diagnosis, error) {
		return o.diagnose(ctx)
	})
	if err := ctx.Err(); err != nil {
		return conntrack.Unknown, err
	}
	worst = conntrack.Inactive
	all := found[:0]
	for i, d := range found {
		if errors.Is(errs[i], fs.ErrNotExist) {
			continue // it ended before we came
		}
		if errs[i] != nil {
			d = notSeen(uint16(o.port), errs[i].Error())
		}
		d.Netns = list[i].Name
		if conntrack.Worse(d.Verdict, worst) > 0 {
			worst = d.Verdict
		}
		all = append(all, d)
	}
	if hidden > 0 && conntrack.Worse(conntrack.Unknown, worst) > 0 {
		worst = conntrack.Unknown
	}
	if !o.json {
		return worst, printTable(stdout, all, hidden)
	}
	if hidden > 0 {
		d := notSeen(uint16(o.port), hiddenText(hidden))
		d.Netns = "(hidden)"
		all = append(all, d)
	}
	return worst, printJSON(stdout, all)
}

// notSeen stands for a namespace of which nothing is known.
func notSeen(port uint16, why string) conntrack.Diagnosis {
	d := conntrack.Judge(conntrack.Observation{Port: port})
	d.Verdict, d.Evidence, d.Tracking.Active = conntrack.Unknown, []string{why}, conntrack.CannotSay
	d.Unchecked = append(d.Unchecked, "namespace: "+why)
	return d
}

func hiddenText(n int) string {
	return fmt.Sprintf("the namespaces of %d processes that we may not look at", n)
}

// printTable writes one line a namespace.
func printTable(w io.Writer, all []conntrack.Diagnosis, hidden int) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAMESPACE\tPORT\tVERDICT\tENTRIES\tLIMIT\tLOST\tWHY")
	for _, d := range all {
		bound := "unbound"
		if d.Socket.Bound {
			bound = "bound"
		}
		fmt.Fprintf(t, "%s\t%d %s\t%s\t%d\t%d\t%d\t%s\n", d.Netns, d.Port, bound, d.Verdict, d.Table.Count, d.Table.Limit,
			d.Window.Drop+d.Window.ChainTooLong+d.Window.InsertFailed, d.Evidence[0])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if hidden > 0 {
		_, err := fmt.Fprintf(w, "\nnot checked: %s\n", hiddenText(hidden))
		return err
	}
	return nil
}
