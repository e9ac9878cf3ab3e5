package conntrack

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// errTranslated begins every refusal to exempt a port that NAT leads elsewhere, or that NAT leads to.
var errTranslated = errors.New("the port is reached by DNAT, which needs tracking")

// refuseTranslated returns an error if what comes to the UDP port of this host is led elsewhere by DNAT, or comes from
// elsewhere to it: exempt, the datagrams would go to whoever has the port here, or the answers leave untranslated. It
// goes by the rules that name the port, and by the flows of the table, for rules that name none.
func refuseTranslated(ctx context.Context, port uint16) error {
	rule, err := translatingRule(port)
	if err != nil {
		return err
	}
	if rule != "" {
		return fmt.Errorf("refused to exempt UDP port %d: %w: the rule %q names it", port, errTranslated, rule)
	}
	flow, err := translatedFlow(ctx, port)
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT):
		return nil // a kernel without ctnetlink, which can only go by the rules
	case err != nil:
		return err
	case flow != "":
		return fmt.Errorf("refused to exempt UDP port %d: %w: %s", port, errTranslated, flow)
	}
	return nil
}

// translatedFlow describes a flow to or from the port whose destination was translated, "" if there is none.
func translatedFlow(ctx context.Context, port uint16) (found string, err error) {
	local, err := localPrefixes()
	if err != nil {
		return "", err
	}
	errFound := errors.New("found")
	err = dump(ctx, func(_ byte, entry []byte) error {
		asked, ok := endpointOf(attribute(entry, ctaTupleOrig), ctaIPv4Dst, ctaIPv6Dst, ctaProtoDst)
		if !ok {
			return nil
		}
		answers, ok := endpointOf(attribute(entry, ctaTupleReply), ctaIPv4Src, ctaIPv6Src, ctaProtoSrc)
		if !ok || asked == answers {
			return nil
		}
		for _, end := range []netip.AddrPort{asked, answers} {
			if end.Port() == port && contains(local, end.Addr()) {
				found = fmt.Sprintf("a flow to %v is answered by %v", asked, answers)
				return errFound
			}
		}
		return nil
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return found, err
}

// translatingRule names an nftables rule that translates destinations and names the UDP port, as what it matches or as
// what it leads to; "" if there is none.
func translatingRule(port uint16) (found string, err error) {
	c, err := nftables.New()
	if err != nil {
		return "", fmt.Errorf("open nftables: %w", err)
	}
	err = eachRule(c, func(family string, chain *nftables.Chain, r *nftables.Rule) bool {
		what := translates(r.Exprs)
		if what == "" || otherProtocol(r.Exprs) {
			return true
		}
		if toPort(r.Exprs, port) || leadsTo(r.Exprs, port) || looksUp(c, chain.Table, r.Exprs, port) {
			found = Rule{Family: family, Table: chain.Table.Name, Chain: chain.Name, Handle: r.Handle, What: what}.String()
		}
		return found == ""
	})
	return found, err
}

// translates says by what a rule translates destinations, "" if it does not.
func translates(exprs []expr.Any) string {
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.NAT:
			if e.Type == expr.NATTypeDestNAT {
				return "dnat"
			}
		case *expr.Redir:
			return "redirect"
		case *expr.Target:
			if slices.Contains([]string{"DNAT", "REDIRECT", "NETMAP"}, e.Name) {
				return "-j " + e.Name
			}
		}
	}
	return ""
}

// otherProtocol says that a rule is for a protocol that is not UDP.
func otherProtocol(exprs []expr.Any) bool {
	loaded := uint32(0)
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Meta:
			if e.Key == expr.MetaKeyL4PROTO {
				loaded = e.Register
			}
		case *expr.Payload:
			loaded = 0
			if e.Base == expr.PayloadBaseNetworkHeader && e.Len == 1 && (e.Offset == 9 || e.Offset == 6) { // protocol, next header
				loaded = e.DestRegister
			}
		case *expr.Cmp:
			if loaded != 0 && e.Register == loaded && e.Op == expr.CmpOpEq && !bytes.Equal(e.Data, []byte{unix.IPPROTO_UDP}) {
				return true
			}
		case *expr.Match:
			if e.Name == "tcp" {
				return true
			}
		}
	}
	return false
}

// leadsTo says whether a rule translates to the port.
func leadsTo(exprs []expr.Any, port uint16) bool {
	immediate := map[uint32][]byte{}
	is := func(register uint32) bool {
		b := immediate[register]
		return register != 0 && len(b) >= 2 && binary.BigEndian.Uint16(b) == port
	}
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Immediate:
			immediate[e.Register] = e.Data
		case *expr.NAT:
			if is(e.RegProtoMin) {
				return true
			}
		case *expr.Redir:
			if is(e.RegisterProtoMin) {
				return true
			}
		}
	}
	return false
}

// looksUp says whether a rule looks the destination port up in a set or map that has the port. What it cannot read it
// takes for not having it.
func looksUp(c *nftables.Conn, table *nftables.Table, exprs []expr.Any, port uint16) bool {
	loaded := uint32(0)
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Payload:
			loaded = 0
			if e.Base == expr.PayloadBaseTransportHeader && e.Offset == udpDestinationPort && e.Len == 2 {
				loaded = e.DestRegister
			}
		case *expr.Lookup:
			if loaded == 0 || e.SourceRegister != loaded {
				continue
			}
			set, err := c.GetSetByName(table, e.SetName)
			if err != nil {
				continue
			}
			elements, err := c.GetSetElements(set)
			if err == nil && hasPort(elements, set.Interval, port) != e.Invert {
				return true
			}
		}
	}
	return false
}

// hasPort says whether a set of ports has one. The kernel gives intervals by their begins and their ends, exclusive.
func hasPort(elements []nftables.SetElement, interval bool, port uint16) bool {
	slices.SortFunc(elements, func(a, b nftables.SetElement) int { return bytes.Compare(a.Key, b.Key) })
	inside := false
	for _, e := range elements {
		if len(e.Key) < 2 {
			continue
		}
		switch key := binary.BigEndian.Uint16(e.Key); {
		case !interval && key == port:
			return true
		case interval && key <= port:
			inside = !e.IntervalEnd
		}
	}
	return inside
}
