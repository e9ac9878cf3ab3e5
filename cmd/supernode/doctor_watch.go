package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"supernode/internal/conntrack"
	"supernode/internal/terminal"
)

// barWidth is how many columns the bar of the table has.
const barWidth = 50

// clearScreen homes the cursor and clears what is below (ECMA-48: CUP, ED).
const clearScreen = "\x1b[H\x1b[J"

// keepWatching diagnoses every interval until ctx ends, and then returns the last verdict.
func (o *doctorOptions) keepWatching(ctx context.Context, stdout io.Writer) (last conntrack.Verdict, err error) {
	observer, err := conntrack.NewObserver(uint16(o.port))
	if err != nil {
		return last, fmt.Errorf("look at connection tracking: %w", err)
	}
	defer observer.Close()
	live := terminal.Live(stdout) && !o.json
	for last = conntrack.Unknown; ; {
		observation, err := observer.Observe(ctx, o.interval)
		if errors.Is(err, context.Canceled) {
			return last, nil
		}
		if err != nil {
			return last, fmt.Errorf("look at connection tracking: %w", err)
		}
		d := conntrack.Judge(observation)
		last = d.Verdict
		switch {
		case o.json:
			err = json.NewEncoder(stdout).Encode(d)
		case live:
			_, err = io.WriteString(stdout, clearScreen+view(time.Now(), d))
		default:
			_, err = fmt.Fprintln(stdout, watchLine(time.Now(), d))
		}
		if err != nil {
			return last, err
		}
	}
}

// watchLine is one look as a line, for pipes and logs.
func watchLine(now time.Time, d conntrack.Diagnosis) string {
	t, c, w := d.Table, d.Capacity, d.Window
	return fmt.Sprintf("%s port %d %s: %d of %d entries (%.1f %%), %+d in %.1f s, %.0f new flows/s, %d dropped, %d evicted, %s",
		now.Format(time.TimeOnly), d.Port, d.Verdict, t.Count, t.Limit, 100*t.Fill, w.Entries, w.Seconds, c.NewFlows,
		w.Drop+w.ChainTooLong+w.InsertFailed, w.EarlyDrop, c.Forecast())
}

// view is one look as a screen.
func view(now time.Time, d conntrack.Diagnosis) string {
	var b strings.Builder
	t, c, w := d.Table, d.Capacity, d.Window
	fmt.Fprintf(&b, "%s  port %d: %s\n\n", now.Format(time.TimeOnly), d.Port, headlines[d.Verdict])
	fmt.Fprintf(&b, "  table     [%s] %d of %d entries, %.1f %%\n", bar(t.Fill), t.Count, t.Limit, 100*t.Fill)
	fmt.Fprintf(&b, "  change    %+d entries in %.1f s\n", w.Entries, w.Seconds)
	fmt.Fprintf(&b, "  arriving  %.0f new flows/s (%.0f to %.0f), sustainable %.0f/s\n", c.NewFlows, c.NewFlowsLow, c.NewFlowsHigh, c.Sustainable)
	fmt.Fprintf(&b, "  lost      %d dropped at a full table, %d in long chains, %d in clashes; %d entries evicted\n",
		w.Drop, w.ChainTooLong, w.InsertFailed, w.EarlyDrop)
	fmt.Fprintf(&b, "  sockets   %d lost to full receive buffers (%d of this port), %d sends refused\n",
		w.ReceiveBufferErrors, w.PortDrops, w.SendsRefused)
	fmt.Fprintf(&b, "  forecast  %s\n\n", c.Forecast())
	for _, line := range d.Evidence {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	section(&b, "not checked:", d.Unchecked)
	b.WriteString("\nCtrl-C ends\n")
	return b.String()
}

// bar draws a part of a whole.
func bar(part float64) string {
	n := int(min(max(part, 0), 1)*barWidth + 0.5)
	return strings.Repeat("#", n) + strings.Repeat(".", barWidth-n)
}
