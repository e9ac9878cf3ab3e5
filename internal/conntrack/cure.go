package conntrack

import "fmt"

// Passage counts the datagrams of a port that came to the kernel's packet filter and those that got through it.
type Passage struct{ Came, Through uint64 }

// Share is the part that got through, 0 to 1. ok is false when too few came to tell.
func (p Passage) Share() (share float64, ok bool) {
	if p.Came < enoughDatagrams {
		return 0, false
	}
	return min(1, float64(p.Through)/float64(p.Came)), true
}

// suffers says that a part of them gets lost on the way.
func (p Passage) suffers() bool {
	share, ok := p.Share()
	return ok && share < 0.9
}

// enoughDatagrams is how many must come for a share to mean something: one lost of fewer would look like ten percent.
const enoughDatagrams = 10

// fewDatagrams is how many of which none get through mean something all the same.
const fewDatagrams = 3

// Round is what one look at the port showed.
type Round struct {
	In, Out      Passage // datagrams from and to other hosts
	Loop         Passage // datagrams to the port over loopback, ours among them
	Forwarded    uint64  // datagrams to or from that port of other hosts, that this one passed on
	Tracked      bool    // ours left an entry
	TrackedKnown bool    // that could be told
	Refused      int     // of ours by the kernel, as it does when the table is full
}

// CureReport says what Cure has seen before and after, and what it did.
type CureReport struct {
	Already       bool // our table was there
	Needless      bool // nothing of the port was tracked, and so nothing was done
	Before, After Round
	RolledBack    bool
	Reason        string // of the rollback
	Unproven      bool   // too few datagrams of other hosts came to tell whether the firewall lets them in
	Risk          string // why it may not, with the mend: a rule that accepts by connection state; or ""
}

// judgeCure says why the exemption must be taken back, or "".
func judgeCure(port uint16, before, after Round) string {
	switch {
	case after.TrackedKnown && after.Tracked:
		return "a flow through the port still left an entry"
	case after.Loop.Came > 0 && after.Loop.Through == 0 && before.Loop.Through > 0:
		return "datagrams over loopback no longer arrive" + acceptMend("dport", "input", port)
	case worse(before.In, after.In):
		return "datagrams of other hosts no longer arrive" + acceptMend("dport", "input", port)
	case worse(before.Out, after.Out):
		return "answers to other hosts no longer leave" + acceptMend("sport", "output", port)
	case before.Forwarded >= fewDatagrams && after.Forwarded < before.Forwarded/4:
		return fmt.Sprintf("less is passed on to the port of other hosts (%d datagrams before, %d after): DNAT may lead "+
			"the port there, and needs tracking", before.Forwarded, after.Forwarded)
	}
	return ""
}

// worse says that the firewall lets less of the traffic through than before. Where nothing came before to compare with,
// less than half is too little. Of few datagrams it says so only if not one gets through any more.
func worse(before, after Passage) bool {
	now, ok := after.Share()
	if !ok {
		return after.Came >= fewDatagrams && after.Through == 0 && (before.Through > 0 || before.Came == 0)
	}
	then, ok := before.Share()
	if !ok {
		then = 0.55
	}
	return now < 0.9*then
}

// acceptMend is the rule that a firewall lacks when it lets tracked flows pass only.
func acceptMend(direction, chain string, port uint16) string {
	return fmt.Sprintf(": a rule accepts by connection state, and exempt packets have the state \"untracked\"; "+
		"add \"udp %s %d accept\" before it in the %s chain and try again", direction, port, chain)
}
