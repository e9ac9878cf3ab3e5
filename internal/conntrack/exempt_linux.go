package conntrack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The table that exempts a UDP port, of family inet, so that IPv4 and IPv6 pass the same rules. Both chains come before
// connection tracking, whose hooks have priority -200 (enum nf_ip_hook_priorities, include/uapi/linux/netfilter_ipv4.h):
//
//	table inet supernode_notrack_6881 {
//		chain prerouting { type filter hook prerouting priority raw; … }	what arrives
//			udp dport 6881 fib daddr type local notrack
//		chain output     { type filter hook output priority raw; … }		what is sent
//			udp sport 6881 notrack
//			udp dport 6881 fib daddr type local notrack			by clients on this host
//	}
//
// "fib daddr type local" spares the flows that this host only forwards, to the same port of somebody else: they may need
// tracking, for NAT. It is asked last, since it looks into the routing table.
//
// Nothing else is ever touched: not another table, not a rule in one.

// chainRules is one base chain of ours with its rules.
type chainRules struct {
	name     string
	hook     *nftables.ChainHook
	priority nftables.ChainPriority
	rules    [][]expr.Any
}

const priorityRaw = nftables.ChainPriority(-300) // NF_IP_PRI_RAW

// Offsets into the UDP header (RFC 768).
const (
	udpSourcePort      = 0
	udpDestinationPort = 2
)

// exemptChains are the chains of the table. It is pure.
func exemptChains(port uint16) []chainRules {
	arrives := append(append(matchPort(udpDestinationPort, port), matchLocal()...), &expr.Notrack{})
	sent := append(matchPort(udpSourcePort, port), &expr.Notrack{})
	return []chainRules{
		{"prerouting", nftables.ChainHookPrerouting, priorityRaw, [][]expr.Any{arrives}},
		{"output", nftables.ChainHookOutput, priorityRaw, [][]expr.Any{sent, arrives}},
	}
}

func matchPort(offset uint32, port uint16) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_UDP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
	}
}

func matchLocal() []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)},
	}
}

func exemptTable(port uint16) *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: ExemptTable(port)}
}

// ExemptPort keeps the UDP port out of connection tracking, both ways, in the calling thread's network namespace, until
// UnexemptPort or a reboot. It replaces a table of ours that is there already, in one transaction. Entries that exist stay
// until they time out. It needs CAP_NET_ADMIN.
func ExemptPort(port uint16) error {
	return install(port, exemptChains(port))
}

// install replaces our table.
func install(port uint16, chains []chainRules) error {
	if port == 0 {
		return errors.New("exempt port 0: name the server's port")
	}
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	table := exemptTable(port)
	// Adding what may be there makes deleting what may not be there succeed.
	c.AddTable(table)
	c.DelTable(table)
	c.AddTable(table)
	addChains(c, table, chains)
	if err := c.Flush(); err != nil {
		return fmt.Errorf("install nftables table inet %s: %w", table.Name, explain(err))
	}
	return nil
}

func addChains(c *nftables.Conn, table *nftables.Table, chains []chainRules) {
	for _, spec := range chains {
		chain := c.AddChain(&nftables.Chain{
			Name: spec.name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: spec.hook, Priority: &spec.priority,
		})
		for _, exprs := range spec.rules {
			c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
		}
	}
}

// UnexemptPort takes our table for the port away, and reports whether there was one.
func UnexemptPort(port uint16) (found bool, err error) {
	c, err := nftables.New()
	if err != nil {
		return false, fmt.Errorf("open nftables: %w", err)
	}
	if found, err = PortExempt(port); err != nil || !found {
		return found, err
	}
	c.DelTable(exemptTable(port))
	if err := c.Flush(); err != nil && !errors.Is(err, unix.ENOENT) { // gone in between
		return true, fmt.Errorf("delete nftables table inet %s: %w", ExemptTable(port), explain(err))
	}
	return true, nil
}

// PortExempt reports whether our table for the port is there. It needs CAP_NET_ADMIN.
func PortExempt(port uint16) (bool, error) {
	ports, err := exemptPorts()
	if err != nil {
		return false, err
	}
	_, found := ports[port]
	return found, nil
}

// wholly reports whether our table for the port is there as ExemptPort makes it. A cure that was killed leaves counters
// without the exemption, or beside it.
func wholly(port uint16) (bool, error) {
	if there, err := PortExempt(port); err != nil || !there {
		return false, err
	}
	c, err := nftables.New()
	if err != nil {
		return false, fmt.Errorf("open nftables: %w", err)
	}
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return false, fmt.Errorf("list nftables chains: %w", explain(err))
	}
	want := map[string]int{} // rules by chain
	for _, spec := range exemptChains(port) {
		want[spec.name] = len(spec.rules)
	}
	for _, chain := range chains {
		if chain.Table.Name != ExemptTable(port) {
			continue
		}
		rules, err := c.GetRules(exemptTable(port), chain)
		if err != nil {
			return false, fmt.Errorf("list the rules of nftables table inet %s: %w", ExemptTable(port), explain(err))
		}
		for _, r := range rules {
			if what, _ := effect(r.Exprs); what == Exempts {
				want[chain.Name]--
			}
		}
		if left, ours := want[chain.Name]; !ours || left != 0 || len(rules) == 0 {
			return false, nil
		}
		delete(want, chain.Name)
	}
	return len(want) == 0, nil
}

// exemptPorts are the ports that have a table of ours, each with the table's flags.
func exemptPorts() (map[uint16]uint32, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("list nftables tables (needs CAP_NET_ADMIN: run as root, or give the right with setcap or "+
			"AmbientCapabilities=): %w", err)
	}
	ports := map[uint16]uint32{}
	for _, t := range tables {
		var port uint16
		if rest, ours := strings.CutPrefix(t.Name, exemptPrefix); ours {
			if _, err := fmt.Sscanf(rest, "%d", &port); err == nil && t.Name == ExemptTable(port) {
				// The library takes the flags, which are big-endian, for this machine's order.
				ports[port] = binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, t.Flags))
			}
		}
	}
	return ports, nil
}

// Held reports whether a running node holds our table for the port, which then ends with the node. It needs CAP_NET_ADMIN.
func Held(port uint16) (bool, error) {
	ports, err := exemptPorts()
	return ports[port]&tableFlagOwner != 0, err
}

// heldByNode says that some table of ours is held. Without the right to see tables it is not known to be.
func heldByNode() bool {
	ports, err := exemptPorts()
	for _, flags := range ports {
		if err == nil && flags&tableFlagOwner != 0 {
			return true
		}
	}
	return false
}

// explain adds the mend to a refusal of the kernel's.
func explain(err error) error {
	switch {
	case (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)) && heldByNode():
		return fmt.Errorf("%w (a running node holds the table, and it ends with the node)", err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w (needs CAP_NET_ADMIN: run as root, or give the right with setcap or AmbientCapabilities=)", err)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w (this kernel lacks nf_tables, or its fib or notrack expression: use the iptables form)", err)
	}
	return err
}
