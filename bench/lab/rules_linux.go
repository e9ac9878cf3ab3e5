package lab

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"supernode/internal/conntrack"
)

// tableName is our one table in the server namespace, of family inet: IPv4 and IPv6 pass the same rules.
const tableName = "supernode_lab"

// chainSpec is one base chain with its one rule. All rulesets have the same four chains in the same places, and each
// packet of the measured port meets one rule in each chain it passes:
//
//	                plain                     stateful                        notrack
//	raw prerouting  udp dport PORT accept     udp dport PORT accept           udp dport PORT notrack
//	input           udp dport PORT accept     ct state est,rel,new,untracked accept   (the same)
//	raw output      udp sport PORT accept     udp sport PORT accept           udp sport PORT notrack
//	output          udp sport PORT accept     ct state est,rel,new,untracked accept   (the same)
//
// Every chain's policy is accept, so that nothing is lost by filtering in any arm, and an exempted packet takes the
// same rule as a tracked one.
type chainSpec struct {
	name     string
	hook     *nftables.ChainHook
	priority *nftables.ChainPriority
	exprs    []expr.Any
}

// Offsets into the UDP header (RFC 768).
const (
	udpSourcePort      = 0
	udpDestinationPort = 2
)

// plan returns the chains of a ruleset. It is pure.
func plan(r Ruleset, port uint16) ([]chainSpec, error) {
	if port == 0 {
		return nil, fmt.Errorf("plan %s rules: port 0 matches nothing", r)
	}
	accept := &expr.Verdict{Kind: expr.VerdictAccept}
	from := func(offset uint32, then expr.Any) []expr.Any { return append(matchPort(offset, port), then) }
	var rawIn, rawOut, in, out []expr.Any
	switch r {
	case RulesPlain:
		rawIn, rawOut = from(udpDestinationPort, accept), from(udpSourcePort, accept)
		in, out = from(udpDestinationPort, accept), from(udpSourcePort, accept)
	case RulesStateful:
		rawIn, rawOut = from(udpDestinationPort, accept), from(udpSourcePort, accept)
		in, out = append(conntrack.MatchAnyState(), accept), append(conntrack.MatchAnyState(), accept)
	case RulesNotrack:
		rawIn, rawOut = from(udpDestinationPort, &expr.Notrack{}), from(udpSourcePort, &expr.Notrack{})
		in, out = append(conntrack.MatchAnyState(), accept), append(conntrack.MatchAnyState(), accept)
	default:
		return nil, fmt.Errorf("plan rules: %s is not a ruleset", r)
	}
	return []chainSpec{
		{"raw_prerouting", nftables.ChainHookPrerouting, nftables.ChainPriorityRaw, rawIn},
		{"raw_output", nftables.ChainHookOutput, nftables.ChainPriorityRaw, rawOut},
		{"input", nftables.ChainHookInput, nftables.ChainPriorityFilter, in},
		{"output", nftables.ChainHookOutput, nftables.ChainPriorityFilter, out},
	}, nil
}

func matchPort(offset uint32, port uint16) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_UDP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
	}
}

// SetRules replaces the server namespace's ruleset in one transaction, so that no packet meets half of one, and then
// removes all entries of that namespace. port is the measured one, which RulesNotrack exempts.
//
// It sets and does not judge: that tracking is on or off is for Conntrack and TrackingActive to say.
func (l *Lab) SetRules(r Ruleset, port uint16) error {
	if err := l.SwitchRules(r, port); err != nil {
		return err
	}
	if err := l.Do(Server, conntrack.Flush); err != nil {
		return fmt.Errorf("set %s rules for port %d: %w", r, port, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.filled = 0
	return nil
}

// SwitchRules is SetRules but for the entries, which stay.
func (l *Lab) SwitchRules(r Ruleset, port uint16) error {
	chains, err := plan(r, port)
	if err != nil {
		return err
	}
	ns, err := l.enter(Server)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	if err := commit(ns, chains); err != nil {
		return fmt.Errorf("set %s rules for port %d: %w", r, port, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.port = port
	return nil
}

func commit(ns int, chains []chainSpec) error {
	c, err := nftables.New(nftables.WithNetNSFd(ns))
	if err != nil {
		return err
	}
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: tableName}
	// Adding what may be there makes deleting what may not be there succeed.
	c.AddTable(table)
	c.DelTable(table)
	c.AddTable(table)
	for _, spec := range chains {
		chain := c.AddChain(&nftables.Chain{
			Name: spec.name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: spec.hook, Priority: spec.priority,
		})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: spec.exprs})
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("commit nftables transaction (needs CAP_NET_ADMIN): %w", err)
	}
	return nil
}
