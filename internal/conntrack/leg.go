package conntrack

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// way is one path of a datagram through the hooks. See Probe.
type way string

const (
	wayIn        way = "in"
	wayOut       way = "out"
	wayInControl way = "in to another port"
	wayControl   way = "between two other ports"
)

// errNoOutside says that there is no way in, since nothing outside could have sent to where nothing is.
var errNoOutside = errors.New("as this namespace has no IPv4 address but loopback's")

// errHidden says that the way in may be free or not: nothing that would show it gets through.
var errHidden = errors.New("as a full table hides it")

// leg is what became of one datagram of a probe.
type leg struct {
	ipv6    bool
	way     way
	arrived bool  // to the end, or as far as can be seen
	entry   bool  // the kernel had an entry for it
	refused bool  // the send failed with EPERM: some hook dropped it
	dropped bool  // the kernel's count of packets dropped for a full table rose meanwhile
	err     error // why the way could not be tried
}

// tracked says that the datagram was tracked, or was lost in the attempt: only a tracked packet meets a full table.
func (l leg) tracked() bool { return l.entry || !l.arrived && l.dropped }

// free says that the datagram went through and left no entry.
func (l leg) free() bool { return l.arrived && !l.entry }

// result says in a few words what became of the datagram.
func (l leg) result() string {
	switch {
	case l.entry:
		return "left an entry"
	case l.tracked():
		return "dropped, the table is full"
	case l.arrived:
		return "no entry"
	case l.err != nil:
		return "not known, " + l.err.Error()
	case l.refused:
		return "refused (EPERM) by a rule, not by a full table"
	}
	return "lost, to a rule or to rp_filter"
}

// summary lists the legs by what became of them: "left an entry: IPv4 in, IPv4 out; no entry: IPv6 in".
func summary(legs []leg) string {
	var results []string
	by := map[string][]string{}
	for _, l := range legs {
		r, name := l.result(), "IPv4 "+string(l.way)
		if l.ipv6 {
			name = "IPv6 " + string(l.way)
		}
		if by[r] == nil {
			results = append(results, r)
		}
		by[r] = append(by[r], name)
	}
	for i, r := range results {
		results[i] = r + ": " + strings.Join(by[r], ", ")
	}
	return strings.Join(results, "; ")
}

// conclude says what the legs prove together: the port is exempt if, in each family that is tracked at all, neither of
// its ways left an entry. It is pure.
func conclude(port uint16, legs []leg) Activity {
	a := Activity{Active: CannotSay}
	var ours []leg
	tracked, exempt := false, true
	for is6 := range 2 {
		f := gather(legs, is6 == 1)
		ours = append(ours, f.ours...)
		switch {
		case f.active:
			a.Active = Yes
		case f.passive && a.Active != Yes:
			a.Active = No
		}
		tracked = tracked || f.tracked
		if f.active {
			exempt = exempt && f.in && f.out
			if f.out && !f.in {
				a.unseen = append(a.unseen, [...]string{"ip", "ip6"}[is6])
			}
		}
	}
	a.Exempt = a.Active == Yes && exempt
	if tracked {
		a.unseen = nil
	} else if a.Active == Yes && !a.Exempt && a.unseen == nil {
		a.open = []string{fmt.Sprintf("exempt: not every way of port %d could be tried", port)}
	}
	var head string
	switch {
	case a.Active == No:
		head = "datagrams over loopback leave no entries"
	case a.Active == CannotSay:
		head, ours = "no datagram of the probe came through", legs
	case tracked:
		head = fmt.Sprintf("datagrams of port %d are tracked", port)
	case a.Exempt:
		head = fmt.Sprintf("others are tracked, datagrams of port %d are not", port)
	default:
		head = fmt.Sprintf("tracking is active, but not every way of port %d could be tried", port)
	}
	a.Evidence = head + " (" + summary(ours) + ")"
	return a
}

// findings are what the legs of one family say.
type findings struct {
	ours    []leg // those of the port
	active  bool  // something was tracked
	passive bool  // something between other ports was not
	tracked bool  // something of the port was tracked
	in, out bool  // the port's way is free
}

func gather(legs []leg, is6 bool) (f findings) {
	for _, l := range legs {
		if l.ipv6 != is6 {
			continue
		}
		f.active = f.active || l.tracked()
		switch l.way {
		case wayIn:
			f.ours = append(f.ours, l)
			f.tracked = f.tracked || l.tracked()
			f.in = l.free() || errors.Is(l.err, errNoOutside)
		case wayOut:
			f.ours = append(f.ours, l)
			f.tracked = f.tracked || l.tracked()
			f.out = l.free()
		case wayInControl, wayControl:
			f.passive = f.passive || l.free()
		}
	}
	return f
}

// Flows and rounds of a probe by count. So few entries, for half a minute, nobody misses.
const (
	countFlows  = 8
	countRounds = 5
)

// concludeByCount says what the steps of the count prove: each with countFlows new flows, and each rest without. A flow
// may by chance have the ports of one that has an entry still, or an old entry expire meanwhile; so a step is more than
// half of the flows, and a rest less than half. It is pure.
func concludeByCount(steps, rests []int64, refused int, dropped uint64) Activity {
	open := []string{"exempt: whether the port is takes CAP_NET_ADMIN and CAP_NET_RAW to find out"}
	still := func(v int64) bool { return v == 0 }
	not := func(f func(int64) bool) func(int64) bool { return func(v int64) bool { return !f(v) } }
	all := func(v []int64, f func(int64) bool) bool { return !slices.ContainsFunc(v, not(f)) }
	switch {
	case refused > 0 && dropped >= uint64(refused):
		return Activity{Active: Yes, open: open, Evidence: fmt.Sprintf("%d datagrams over loopback were refused (EPERM) while the count of packets dropped for a full table rose", refused)}
	case all(steps, func(v int64) bool { return v > countFlows/2 }) && all(rests, func(v int64) bool { return v < countFlows/2 }):
		return Activity{Active: Yes, open: open, Evidence: fmt.Sprintf("the count of entries rose by %v with %d new flows each time", steps, countFlows)}
	case refused == 0 && all(steps, still) && all(rests, still):
		return Activity{Active: No, Evidence: fmt.Sprintf("the count of entries did not rise with %d new flows, %d times", countFlows, len(steps))}
	}
	return Activity{Active: CannotSay, Evidence: fmt.Sprintf(
		"the count of entries never rests (steps of %v with %d new flows, of %v without), and looking at entries needs CAP_NET_ADMIN", steps, countFlows, rests)}
}
