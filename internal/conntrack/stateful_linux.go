package conntrack

import (
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// acceptsByState says which rule an exemption of the port may break, with the mend, or "": one that accepts by connection
// state, in a table whose input or output drops what nothing accepts, and which has no rule that accepts the port as such.
func acceptsByState(port uint16) (risk string, err error) {
	c, err := nftables.New()
	if err != nil {
		return "", fmt.Errorf("open nftables: %w", err)
	}
	chains, err := c.ListChains()
	if err != nil {
		return "", fmt.Errorf("list nftables chains (needs CAP_NET_ADMIN): %w", err)
	}
	for _, way := range []struct {
		hook            *nftables.ChainHook
		offset          uint32
		direction, name string
	}{
		{nftables.ChainHookInput, udpDestinationPort, "dport", "input"},
		{nftables.ChainHookOutput, udpSourcePort, "sport", "output"},
	} {
		closed := map[string]bool{} // tables
		at := func(ch *nftables.Chain) bool { return ch.Hooknum != nil && *ch.Hooknum == *way.hook }
		for _, ch := range chains {
			if at(ch) && ch.Policy != nil && *ch.Policy == nftables.ChainPolicyDrop {
				closed[familyName(ch.Table.Family)+" "+ch.Table.Name] = true
			}
		}
		by, open := map[string]Rule{}, map[string]bool{} // tables
		err := eachRule(c, func(family string, ch *nftables.Chain, r *nftables.Rule) bool {
			table := family + " " + ch.Table.Name
			if !closed[table] || ch.Hooknum != nil && !at(ch) || !accepts(r.Exprs) || otherProtocol(r.Exprs) {
				return true
			}
			switch what := state(r.Exprs); {
			case what != "":
				if _, ok := by[table]; !ok {
					by[table] = Rule{Family: family, Table: ch.Table.Name, Chain: ch.Name, Handle: r.Handle, What: what}
				}
			case comparesPort(r.Exprs, way.offset, port):
				open[table] = true
			}
			return true
		})
		if err != nil {
			return "", err
		}
		for table, rule := range by {
			if !open[table] {
				return fmt.Sprintf("%q accepts by connection state what the %s chain drops otherwise%s",
					rule, way.name, acceptMend(way.direction, way.name, port)), nil
			}
		}
	}
	return "", nil
}

func accepts(exprs []expr.Any) bool {
	return slices.ContainsFunc(exprs, func(e expr.Any) bool {
		v, ok := e.(*expr.Verdict)
		return ok && v.Kind == expr.VerdictAccept
	})
}

// state names what in a rule looks at the connection state, "" for nothing.
func state(exprs []expr.Any) string {
	for _, e := range exprs {
		if what := asks(e); slices.Contains([]string{"ct state", "-m conntrack", "-m state"}, what) {
			return what
		}
	}
	return ""
}
