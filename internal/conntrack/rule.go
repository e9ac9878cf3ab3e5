package conntrack

import "fmt"

// Effects of a Rule.
const (
	AsksForTracking = "tracks"
	Exempts         = "exempts"
)

// Rule is a rule of a firewall that matters for tracking, named so that `nft delete rule FAMILY TABLE CHAIN handle N`
// finds it.
type Rule struct {
	Family    string `json:"family"` // inet, ip, ip6
	Table     string `json:"table"`
	Chain     string `json:"chain"`
	Handle    uint64 `json:"handle"`
	Effect    string `json:"effect"`    // AsksForTracking or Exempts
	What      string `json:"what"`      // the part that does: "ct state", "masquerade", "-m conntrack"
	Interface bool   `json:"interface"` // it looks at the interface, so that what crosses lo does not prove it

	wayIn bool // in a chain of prerouting, and for the UDP port that Rules was asked for
}

func (r Rule) String() string {
	return fmt.Sprintf("%s %s %s handle %d: %s", r.Family, r.Table, r.Chain, r.Handle, r.What)
}

// weigh joins what the probe proved with the rules that were found. A rule that asks for tracking has woken its
// family's hooks, whatever the probe saw; and what exempts only some interfaces was not seen by a probe over lo. It is
// pure. unchecked says what stays open.
func weigh(a Activity, rules []Rule) (_ Activity, unchecked []string) {
	var asking, byInterface []Rule
	for _, r := range rules {
		switch {
		case r.Effect == AsksForTracking:
			asking = append(asking, r)
		case r.Interface:
			byInterface = append(byInterface, r)
		case r.wayIn && a.inLost:
			a.Exempt = true
			a.Evidence = fmt.Sprintf("others are tracked, datagrams of the port are not (no entry on the way out; for the way in, which a full table hides, stands the rule %q)", r)
		}
	}
	a.Rules = asking
	if len(asking) > 0 {
		a.Rule = asking[0].String()
		if a.Active != Yes {
			a.Evidence = fmt.Sprintf("the rule %q has woken tracking, although %s", a.Rule, a.Evidence)
			unchecked = append(unchecked, "exempt: the probe's datagrams over loopback are not tracked, those of the network may be")
			a.Active, a.Exempt = Yes, false
		}
	}
	if len(byInterface) > 0 && a.Active == Yes && !a.Exempt {
		unchecked = append(unchecked, fmt.Sprintf("exempt: the rule %q exempts by interface, and the probe travels over lo", byInterface[0]))
	}
	return a, unchecked
}
