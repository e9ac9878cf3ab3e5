package conntrack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// From here on a table is "near" its limit.
const (
	nearFill = 0.9
	nearTime = 10 * time.Minute
)

// Judge turns an observation into a diagnosis. It is pure.
//
// What hurts is what was lost between the two moments, not what the counters have gathered since the machine was
// started. An exempt port is not hurt by a table that others fill.
func Judge(o Observation) Diagnosis {
	d := Diagnosis{
		Port: o.Port, Modules: o.Host.Modules, Fixes: []Fix{}, Capacity: capacity(o),
		Counters: counts(o.Last.Counters), Window: window(o),
		Unchecked: slices.Concat(o.Last.Unchecked, o.Host.Unchecked, o.Sockets[1].Unchecked, o.Unchecked),
	}
	if d.Modules == nil {
		d.Modules = []Module{}
	}
	d.Tracking.Present, d.Tracking.Activity = o.Last.Present, o.Activity
	if !o.Last.Present {
		d.Tracking.Active = No
	}
	d.Tracking.BuiltIn = o.Last.Present && o.Host.Sources[FactModules] != "" && len(d.Modules) == 0
	d.Sources = make(map[string]string, len(o.Last.Sources)+len(o.Host.Sources))
	maps.Copy(d.Sources, o.Last.Sources)
	maps.Copy(d.Sources, o.Host.Sources)
	d.measure(o)
	d.UDP.Unreplied, d.UDP.Stream = o.Last.UDPTimeout.Seconds(), o.Last.UDPStreamTimeout.Seconds()
	d.Socket.Bound, d.Socket.PortDrops = o.Sockets[1].Bound, o.Sockets[1].PortDrops
	d.Socket.ReceiveBufferErrors, d.Socket.SendBufferErrors = o.Sockets[1].ReceiveBufferErrors, o.Sockets[1].SendBufferErrors
	d.Log.Readable, d.Log.TableFullLines = o.Host.LogReadable, o.Host.TableFull

	var reason []string
	d.Verdict, reason = d.decide(o)
	d.Evidence = slices.Concat(reason, d.testimony())
	d.Fixes = append(d.Fixes, Fixes(d)...)
	if d.Unchecked == nil { // in JSON an empty list, not null
		d.Unchecked = []string{}
	}
	return d
}

// measure fills in the table's sizes.
func (d *Diagnosis) measure(o Observation) {
	t, f := &d.Table, o.Last
	t.Count, t.Limit, t.Buckets, t.Fill, t.EntryBytes = f.Count, f.Limit, f.Buckets, f.Fill(), o.Host.EntryBytes
	if t.EntryBytes == 0 && f.Present {
		t.EntryBytes = usualEntryBytes
		d.Unchecked = append(d.Unchecked, fmt.Sprintf("bytes: an entry is taken to have %d bytes", usualEntryBytes))
	}
	t.BytesNow = t.Count*t.EntryBytes + t.Buckets*bucketBytes
	t.BytesAtLimit = t.Limit*t.EntryBytes + t.Buckets*bucketBytes
}

// counts takes apart what the kernel counts twice: an unsettled clash is in drop and in insert_failed
// (nf_ct_resolve_clash, net/netfilter/nf_conntrack_core.c), a long chain in chaintoolong and in insert_failed
// (__nf_conntrack_confirm). Up to Linux 5.9, which has no clash_resolve, insert_failed counted settled clashes as well:
// there it says nothing of losses, and the lost ones stay in drop.
func counts(c Counters) Counts {
	n := Counts{Drop: c[Drop], EarlyDrop: c[EarlyDrop], ChainTooLong: c[ChainTooLong]}
	if _, ok := c[ClashResolve]; ok {
		n.InsertFailed = min(n.Drop, less(c[InsertFailed], n.ChainTooLong))
		n.Drop -= n.InsertFailed
	}
	return n
}

// less is a-b, and 0 if that is below.
func less(a, b uint64) uint64 { return max(a, b) - b }

// lost counts each packet once.
func (c Counts) lost() uint64 { return c.Drop + c.InsertFailed + c.ChainTooLong }

// window takes the differences of what only ever grows. A socket that was closed takes its drops along.
func window(o Observation) Window {
	first, last := o.Sockets[0], o.Sockets[1]
	noBuffer := less(last.SendBufferErrors, first.SendBufferErrors)
	return Window{
		Seconds: o.Window.Seconds(),
		Entries: int64(o.Last.Count) - int64(o.First.Count),
		Counts:  counts(o.Last.Counters.Sub(o.First.Counters)),

		ReceiveBufferErrors: less(last.ReceiveBufferErrors, first.ReceiveBufferErrors),
		SendBufferErrors:    noBuffer,
		PortDrops:           less(last.PortDrops, first.PortDrops),
		// A send that found no buffer is mostly counted twice (net/ipv4/ip_output.c, ip_send_skb, and udp.c, udp_send_skb).
		SendsRefused: less(less(last.OutDiscards, first.OutDiscards), noBuffer),
	}
}

// decide is the judgement, with its reasons.
func (d *Diagnosis) decide(o Observation) (Verdict, []string) {
	activity := strings.TrimSpace(d.Tracking.Evidence)
	switch {
	case !d.Tracking.Present:
		return Inactive, []string{"this kernel has no connection tracking, neither built in nor loaded"}
	case d.Tracking.Active == No:
		return Inactive, []string{activity}
	case d.Tracking.Exempt:
		reasons := []string{activity}
		if w := d.Window; w.lost() > 0 {
			reasons = append(reasons, fmt.Sprintf("others lose to the table: %s in %s", d.losses(), seconds1(w.Seconds)))
		}
		return Exempt, reasons
	case d.Window.lost() > 0:
		return Dropping, []string{fmt.Sprintf("%s in %s", d.losses(), seconds1(d.Window.Seconds)), d.fill(), activity}
	case d.Tracking.Active != Yes:
		return Unknown, []string{"whether this namespace is tracked could not be told: " + activity, d.fill()}
	case o.Last.Limit == 0 && o.Last.Sources[FactLimit] == "":
		return Unknown, []string{"the table's limit could not be read", activity}
	}
	if near := d.near(); len(near) > 0 {
		return NearLimit, append(near, activity)
	}
	return Tracked, []string{activity, d.fill()}
}

// near lists why the table is a risk.
func (d *Diagnosis) near() (why []string) {
	t, c := d.Table, d.Capacity
	if t.Limit > 0 && t.Fill >= nearFill {
		why = append(why, d.fill())
	}
	if n := d.Window.EarlyDrop; n > 0 {
		why = append(why, fmt.Sprintf("%d entries were evicted in %s to make room", n, seconds1(d.Window.Seconds)))
	}
	if c.within(nearTime) && t.Count < t.Limit {
		why = append(why, "the table will be full in "+c.when())
	}
	if c.Sustainable > 0 && c.NewFlowsLow > c.Sustainable {
		why = append(why, fmt.Sprintf("%s new flows/s, of which the table can hold %.0f for their %.0f s", c.rate(), c.Sustainable, d.UDP.Unreplied))
	}
	return why
}
