package conntrack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// maxRules bounds how many of the rules found are kept, so that a firewall of a hundred thousand rules does not become
// a diagnosis of as many.
const maxRules = 64

// Rules looks through the nftables rules of the calling thread's network namespace, those of iptables-nft included,
// for what asks for tracking and for what exempts packets from it, in the order of the ruleset. It needs CAP_NET_ADMIN.
// A rule that asks for tracking has registered the hooks of its family
// when it was added, whether or not it ever matches (nf_ct_netns_get, as called from net/netfilter/nft_ct.c,
// nft_nat.c, xt_conntrack.c and others).
//
// The port is that of which the diagnosis is.
//
// It does not see legacy iptables, IPVS, Open vSwitch and tc, which ask as well.
func Rules(port uint16) ([]Rule, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("dial nftables netlink: %w", err)
	}
	var found []Rule
	err = eachRule(c, func(family string, chain *nftables.Chain, r *nftables.Rule) bool {
		rule := Rule{Family: family, Table: chain.Table.Name, Chain: chain.Name, Handle: r.Handle}
		if rule.Effect, rule.What = effect(r.Exprs); rule.Effect == "" {
			return true
		}
		rule.wayIn = rule.Effect == Exempts && atPrerouting(chain) && toPort(r.Exprs, port)
		rule.wayOut = rule.Effect == Exempts && atOutput(chain) && comparesPort(r.Exprs, udpSourcePort, port)
		rule.only = onlyFamily(r.Exprs)
		rule.others = otherProtocol(r.Exprs) || otherPort(r.Exprs, port)
		rule.Interface, rule.Address = slices.ContainsFunc(r.Exprs, namesInterface), slices.ContainsFunc(r.Exprs, namesAddress)
		found = append(found, rule)
		return len(found) < maxRules
	})
	return found, err
}

// eachRule hands out the rules of the families that matter, in the order of the ruleset, until f returns false.
func eachRule(c *nftables.Conn, f func(family string, chain *nftables.Chain, r *nftables.Rule) bool) error {
	chains, err := c.ListChains()
	if err != nil {
		return fmt.Errorf("list nftables chains (needs CAP_NET_ADMIN): %w", err)
	}
	for _, chain := range chains {
		family := familyName(chain.Table.Family)
		if family == "" {
			continue
		}
		rules, err := c.GetRules(chain.Table, chain)
		if errors.Is(err, unix.ENOENT) {
			continue // gone since
		}
		if err != nil {
			return fmt.Errorf("list nftables rules of %s %s %s: %w", family, printable(chain.Table.Name), printable(chain.Name), err)
		}
		for _, r := range rules {
			if !f(family, chain, r) {
				return nil
			}
		}
	}
	return nil
}

// familyName names those families whose rules can track or exempt what a UDP socket receives.
func familyName(f nftables.TableFamily) string {
	switch f {
	case nftables.TableFamilyINet:
		return "inet"
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	}
	return ""
}

// effect says what a rule does to tracking, and by what. A rule that does both, exempts: nft has no such rule.
func effect(exprs []expr.Any) (effect, what string) {
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Notrack:
			return Exempts, "notrack"
		case *expr.Target:
			if e.Name == "NOTRACK" || e.Name == "CT" && isNotrack(e.Info) {
				return Exempts, "-j CT --notrack"
			}
		}
		if what == "" {
			what = asks(e)
		}
	}
	if what != "" {
		effect = AsksForTracking
	}
	return effect, what
}

// isNotrack looks for XT_CT_NOTRACK in struct xt_ct_target_info (include/uapi/linux/netfilter/xt_CT.h), whose
// first member are the flags.
func isNotrack(info xt.InfoAny) bool {
	b, ok := info.(*xt.Unknown)
	return ok && len(*b) >= 2 && binary.NativeEndian.Uint16(*b)&1 != 0
}

// ctKeys are the words of nft for what a ct expression loads, where a reader would miss them.
var ctKeys = map[expr.CtKey]string{
	expr.CtKeySTATE: "state", expr.CtKeyDIRECTION: "direction", expr.CtKeySTATUS: "status", expr.CtKeyMARK: "mark",
	expr.CtKeyEXPIRATION: "expiration", expr.CtKeyHELPER: "helper", expr.CtKeyLABELS: "label", expr.CtKeyZONE: "zone",
	expr.CtKeyBYTES: "bytes", expr.CtKeyPKTS: "packets",
}

// xtAsking are matches and targets of iptables that call nf_ct_netns_get (net/netfilter/xt_*.c).
var xtAsking = []string{
	"conntrack", "state", "connbytes", "connlabel", "connlimit", "connmark", "helper", "cluster", "nat",
	"SNAT", "DNAT", "MASQUERADE", "REDIRECT", "NETMAP", "CT", "CONNMARK", "CONNSECMARK", "SYNPROXY", "FLOWOFFLOAD",
}

// asks names what in an expression asks for tracking, "" for nothing.
func asks(e expr.Any) string {
	switch e := e.(type) {
	case *expr.Ct:
		if key := ctKeys[e.Key]; key != "" {
			return "ct " + key
		}
		return "ct"
	case *expr.NAT:
		if e.Type == expr.NATTypeDestNAT {
			return "dnat"
		}
		return "snat"
	case *expr.Masq:
		return "masquerade"
	case *expr.Redir:
		return "redirect"
	case *expr.Connlimit:
		return "ct count"
	case *expr.FlowOffload:
		return "flow add"
	case *expr.SynProxy:
		return "synproxy"
	case *expr.Match:
		if slices.Contains(xtAsking, e.Name) {
			return "-m " + e.Name
		}
	case *expr.Target:
		if slices.Contains(xtAsking, e.Name) {
			return "-j " + e.Name
		}
	}
	return ""
}

// namesInterface says whether an expression loads the interface of a packet.
func namesInterface(e expr.Any) bool {
	m, ok := e.(*expr.Meta)
	if !ok {
		return false
	}
	switch m.Key {
	case expr.MetaKeyIIF, expr.MetaKeyOIF, expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME, expr.MetaKeyIIFTYPE, expr.MetaKeyOIFTYPE,
		expr.MetaKeyIIFGROUP, expr.MetaKeyOIFGROUP:
		return !m.SourceRegister
	}
	return false
}

// namesAddress says whether an expression loads an address of a packet, or a part of one.
func namesAddress(e expr.Any) bool {
	switch e := e.(type) {
	case *expr.Payload:
		// IPv6's addresses begin at byte 8, IPv4's at 12; before that, a single byte 9 is IPv4's protocol.
		return e.Base == expr.PayloadBaseNetworkHeader && e.Offset >= 8 && !(e.Offset == 9 && e.Len == 1)
	case *expr.Match:
		return slices.Contains([]string{"iprange", "set"}, e.Name)
	}
	return false
}

// onlyFamily is the family that a rule of inet asks for, "" if it does not.
func onlyFamily(exprs []expr.Any) string {
	loaded := uint32(0)
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Meta:
			loaded = 0
			if e.Key == expr.MetaKeyNFPROTO {
				loaded = e.Register
			}
		case *expr.Cmp:
			if loaded != 0 && e.Register == loaded && e.Op == expr.CmpOpEq && len(e.Data) == 1 {
				return familyName(nftables.TableFamily(e.Data[0]))
			}
		}
	}
	return ""
}

// otherPort says whether a rule compares a port, and none with that one. What it looks up in a set or takes from a range
// may be any.
func otherPort(exprs []expr.Any, port uint16) bool {
	if toPort(exprs, port) || comparesPort(exprs, udpSourcePort, port) {
		return false
	}
	loaded := uint32(0)
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Payload:
			loaded = 0
			if e.Base == expr.PayloadBaseTransportHeader && e.Offset <= udpDestinationPort && e.Len == 2 {
				loaded = e.DestRegister
			}
		case *expr.Cmp:
			if loaded != 0 && e.Register == loaded && e.Op == expr.CmpOpEq {
				return true
			}
		}
	}
	return false
}

func atPrerouting(c *nftables.Chain) bool {
	return c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookPrerouting
}

func atOutput(c *nftables.Chain) bool {
	return c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookOutput
}

// toPort says whether a rule compares the destination port with that one.
func toPort(exprs []expr.Any, port uint16) bool {
	return comparesPort(exprs, udpDestinationPort, port)
}

// comparesPort says whether a rule compares the port at an offset of UDP's header with that one.
func comparesPort(exprs []expr.Any, offset uint32, port uint16) bool {
	loaded := uint32(0)
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Payload:
			if e.Base == expr.PayloadBaseTransportHeader && e.Offset == offset && e.Len == 2 {
				loaded = e.DestRegister
			}
		case *expr.Cmp:
			if loaded != 0 && e.Register == loaded && e.Op == expr.CmpOpEq && bytes.Equal(e.Data, binary.BigEndian.AppendUint16(nil, port)) {
				return true
			}
		case *expr.Match:
			if udp, ok := e.Info.(*xt.Udp); ok && udp.InvFlags == 0 {
				ports := udp.DstPorts
				if offset == udpSourcePort {
					ports = udp.SrcPorts
				}
				if ports != [2]uint16{0, 1<<16 - 1} && ports[0] <= port && port <= ports[1] {
					return true
				}
			}
		}
	}
	return false
}
