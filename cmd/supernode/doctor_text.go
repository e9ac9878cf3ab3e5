package main

import (
	"fmt"
	"io"
	"strings"

	"supernode/internal/conntrack"
)

// headlines say a verdict to people.
var headlines = map[conntrack.Verdict]string{
	conntrack.Inactive:  "connection tracking is not active here",
	conntrack.Exempt:    "exempt from connection tracking",
	conntrack.Tracked:   "tracked, and the table has room",
	conntrack.NearLimit: "AT RISK: tracked, and the table is nearly full",
	conntrack.Dropping:  "HURTING NOW: connection tracking drops packets",
	conntrack.Unknown:   "could not tell whether connection tracking hurts",
}

// printDiagnosis writes the verdict, why, what it would take, and what was not looked at.
func printDiagnosis(w io.Writer, d conntrack.Diagnosis) error {
	var b strings.Builder
	where := ""
	if d.Netns != "" {
		where = " in " + d.Netns
	}
	fmt.Fprintf(&b, "port %d%s: %s (%s)\n", d.Port, where, headlines[d.Verdict], d.Verdict)
	for _, line := range d.Evidence {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	if t := d.Table; d.Tracking.Present && d.Tracking.Active != conntrack.No && t.Limit > 0 {
		fmt.Fprintf(&b, "  memory of the table: %s now, %s at its limit\n", bytesText(t.BytesNow), bytesText(t.BytesAtLimit))
	}
	if d.Tracking.BuiltIn {
		b.WriteString("  connection tracking is built into this kernel, so there is no module to keep out\n")
	}
	for _, m := range d.Modules {
		held := "nothing"
		if len(m.Holders) > 0 {
			held = strings.Join(m.Holders, ", ")
		}
		fmt.Fprintf(&b, "  module %s, held by %s\n", m.Name, held)
	}
	section(&b, "not checked:", d.Unchecked)
	for i, f := range d.Fixes {
		if i == 0 {
			b.WriteString("\nfixes:\n")
		}
		fmt.Fprintf(&b, "  %s: %s\n    price: %s\n", f.ID, f.Summary, f.Price)
		for _, c := range f.Commands {
			fmt.Fprintf(&b, "    # %s\n", c)
		}
		for i, c := range f.Undo {
			if i == 0 {
				b.WriteString("    undo:\n")
			}
			fmt.Fprintf(&b, "    # %s\n", c)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func section(b *strings.Builder, title string, lines []string) {
	for i, line := range lines {
		if i == 0 {
			fmt.Fprintf(b, "\n%s\n", title)
		}
		fmt.Fprintf(b, "  %s\n", line)
	}
}

// bytesText says a size in binary units.
func bytesText(n uint64) string {
	size := float64(n)
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if size < 1024 {
			return fmt.Sprintf("%.3g %s", size, unit)
		}
		size /= 1024
	}
	return fmt.Sprintf("%.3g GiB", size)
}
