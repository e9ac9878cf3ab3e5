package conntrack

import (
	"fmt"
	"slices"
)

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

	Address bool `json:"address"` // it looks at the addresses, likewise

	only   string // of inet, the one family that it is for: ip, ip6
	others bool   // it names other ports or another protocol
	wayOut bool   // in a chain of output, and for the port as source
	wayIn  bool   // in a chain of prerouting, and for the UDP port that Rules was asked for
}

func (r Rule) String() string {
	return fmt.Sprintf("%s %s %s handle %d: %s", r.Family, printable(r.Table), printable(r.Chain), r.Handle, r.What)
}

// weigh joins what the probe proved with the rules that were found. A rule that asks for tracking has woken its
// family's hooks, whatever the probe saw. Where the way in could not be tried, because a full table or rp_filter
// swallows what would show it, a rule speaks for it, if the way out is free. What exempts only some interfaces or addresses,
// a probe over lo has not tried: by such a rule alone nothing is exempt, and the doubt is noted. It is pure. unchecked says
// what stays open.
func weigh(a Activity, rules []Rule) (_ Activity, unchecked []string) {
	unchecked = a.open
	var exempting []Rule
	for _, r := range rules {
		if r.Effect == AsksForTracking {
			a.Rules = append(a.Rules, r)
		} else {
			exempting = append(exempting, r)
		}
	}
	if len(a.Rules) > 0 {
		a.Rule = a.Rules[0].String()
		if a.Active != Yes {
			a.Evidence = fmt.Sprintf("the rule %q has woken tracking, although %s", a.Rule, a.Evidence)
			unchecked = append(unchecked, "exempt: the probe's datagrams over loopback are not tracked, those of the network may be")
			a.Active, a.Exempt = Yes, false
		}
	}
	if a.Active != Yes {
		return a, unchecked
	}
	if a.Exempt {
		if r, ok := partial(exempting); ok {
			a.Exempt, a.doubted = false, true
			a.Evidence = fmt.Sprintf("the rule %q exempts by interface or address; over lo, %s", r, a.Evidence)
			unchecked = append(unchecked, fmt.Sprintf("exempt: the rule %q exempts by interface or address, and the probe travels over lo", r))
		}
		return a, unchecked
	}
	if speaking, all := speakers(a.unseen, exempting); all {
		a.Exempt = true
		a.Evidence = fmt.Sprintf("others are tracked, datagrams of the port are not (no entry on the way out; the way in could not be tried, for it stands the rule %q)", speaking)
		return a, unchecked
	}
	if len(a.unseen) > 0 {
		unchecked = append(unchecked, "exempt: the way in could not be tried, and no rule was found that would speak for it")
	}
	if i := slices.IndexFunc(exempting, func(r Rule) bool { return r.bound() && !r.others }); i >= 0 {
		unchecked = append(unchecked, fmt.Sprintf("exempt: the rule %q exempts by interface or address, and the probe travels over lo", exempting[i]))
	}
	return a, unchecked
}

// bound says that the rule is for some interfaces or addresses only.
func (r Rule) bound() bool { return r.Interface || r.Address }

// of says that the rule is for a family.
func (r Rule) of(family string) bool {
	return r.Family == family || r.Family == "inet" && (r.only == "" || r.only == family)
}

// partial returns a rule that may exempt the port for some interfaces or addresses only, unless others exempt both of
// the port's ways for all.
func partial(exempting []Rule) (Rule, bool) {
	whole := func(family string) bool {
		has := func(way func(Rule) bool) bool {
			return slices.ContainsFunc(exempting, func(r Rule) bool { return way(r) && !r.bound() && r.of(family) })
		}
		return has(func(r Rule) bool { return r.wayIn }) && has(func(r Rule) bool { return r.wayOut })
	}
	for _, r := range exempting {
		if r.bound() && !r.others && (r.of("ip") && !whole("ip") || r.of("ip6") && !whole("ip6")) {
			return r, true
		}
	}
	return Rule{}, false
}

// speakers returns a rule that exempts the port's way in, and whether there is one for each of the families, of which
// there must be some.
func speakers(families []string, exempting []Rule) (last Rule, all bool) {
	for _, family := range families {
		i := slices.IndexFunc(exempting, func(r Rule) bool {
			return r.wayIn && !r.bound() && r.of(family)
		})
		if i < 0 {
			return last, false
		}
		last = exempting[i]
	}
	return last, len(families) > 0
}
