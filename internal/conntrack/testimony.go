package conntrack

import (
	"fmt"
	"strings"
	"time"
)

// fill says how full the table is.
func (d *Diagnosis) fill() string {
	t := d.Table
	if t.Limit == 0 {
		return fmt.Sprintf("the table holds %d entries", t.Count)
	}
	return fmt.Sprintf("the table holds %d of %d entries (%.0f %%)", t.Count, t.Limit, 100*t.Fill)
}

// losses says which packets were lost to connection tracking while we looked.
func (d *Diagnosis) losses() string {
	// The counter is also of other failures to make an entry; so the table must have been full by something else too.
	room := "for want of an entry, though the table was not seen near its limit"
	if t := d.Table; t.Limit > 0 && t.Fill >= nearFill || d.Window.EarlyDrop > 0 || d.Log.TableFullLines > 0 {
		room = "because the table was full"
	}
	var parts []string
	for _, p := range []struct {
		n   uint64
		why string
	}{
		{d.Window.Drop, room},
		{d.Window.ChainTooLong, "because a hash chain was too long"},
		{d.Window.InsertFailed, "because entries clashed"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d packets dropped %s", p.n, p.why))
		}
	}
	return strings.Join(parts, ", ")
}

// testimony is what else was seen: what it would be easy to blame on connection tracking, and what it did in the past.
func (d *Diagnosis) testimony() (said []string) {
	say := func(format string, a ...any) { said = append(said, fmt.Sprintf(format, a...)) }
	if d.Tracking.Rule != "" {
		say("tracking is asked for by %s%s", d.Tracking.Rule, others(len(d.Tracking.Rules)-1))
	}
	if d.Tracking.Active == Yes && d.Window.Seconds > 0 {
		say("%s new flows/s; the table can hold %.0f/s that get no second reply", d.Capacity.rate(), d.Capacity.Sustainable)
	}
	if n := d.Counters.Drop; n > d.Window.Drop {
		say("%d packets were dropped for a full table since this namespace began", n)
	}
	if n := d.Log.TableFullLines; n > 0 {
		say("the kernel's log complains of a full table %d times, in any namespace (it leaves most complaints out)", n)
	}
	w := d.Window
	if n := max(w.ReceiveBufferErrors, w.PortDrops); n > 0 {
		say("not connection tracking: %d datagrams were dropped at full receive buffers (%d of this port): the server is too slow or its buffer too small", n, w.PortDrops)
	}
	if w.SendBufferErrors > 0 {
		say("not connection tracking: %d datagrams found the send buffer full", w.SendBufferErrors)
	}
	if n := w.SendsRefused; n > 0 && w.lost() > 0 {
		say("%d packets were refused on their way out; to the sender that is EPERM", n)
	} else if n > 0 {
		say("not connection tracking: %d packets were refused on their way out, as by a rule that drops (EPERM to the sender)", n)
	}
	if !d.Socket.Bound {
		say("no UDP socket has port %d in this namespace", d.Port)
	}
	return said
}

func others(n int) string {
	switch {
	case n <= 0:
		return ""
	case n == 1:
		return " and one other rule"
	}
	return fmt.Sprintf(" and %d other rules", n)
}

// rate says how many new flows there are, with its uncertainty.
func (c Capacity) rate() string {
	return fmt.Sprintf("%.0f (%.0f to %.0f)", c.NewFlows, c.NewFlowsLow, c.NewFlowsHigh)
}

// when says when the table will be full. Call it only if it will be.
func (c Capacity) when() string {
	high := "perhaps never"
	if c.ToFullHigh != nil {
		high = duration(*c.ToFullHigh)
	}
	return fmt.Sprintf("%s (%s to %s)", duration(*c.ToFull), duration(*c.ToFullLow), high)
}

// Forecast says in a few words when the table will be full.
func (c Capacity) Forecast() string {
	if c.ToFull == nil {
		return "not full at this rate"
	}
	if *c.ToFull == 0 {
		return "full"
	}
	return "full in " + c.when()
}

func seconds1(s float64) string { return fmt.Sprintf("%.1f s", s) }

// duration rounds to what a person wants to know.
func duration(seconds float64) string {
	const century = 100 * 365 * 24 * time.Hour
	d := min(time.Duration(min(seconds, century.Seconds())*float64(time.Second)), century)
	switch {
	case d < 10*time.Second:
		return d.Round(time.Second / 10).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return d.Round(time.Minute).String()
}
