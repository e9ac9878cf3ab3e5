package conntrack

import (
	"fmt"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
)

// IDs of fixes.
const (
	FixNotrack         = "notrack"          // exempt the port, with nft
	FixNotrackIPTables = "notrack-iptables" // the same, with iptables
	FixDeleteRule      = "delete-rule"      // take away what woke connection tracking
	FixRaiseLimit      = "raise-limit"
	FixUDPTimeouts     = "udp-timeouts"
	FixBlacklist       = "blacklist"
)

// Fixes are the cures for what d says, the mildest first, each with its price. Where nothing is tracked, or the port is
// exempt, or nothing could be told, there are none. Commands are lines for a root shell in the namespace diagnosed, and
// Undo takes back what they did, to the values that d holds. It is pure.
func Fixes(d Diagnosis) []Fix {
	switch d.Verdict {
	case Tracked, NearLimit, Dropping:
	default:
		return nil
	}
	fixes := []Fix{NotrackFix(d.Port), notrackIPTablesFix(d.Port)}
	if f, ok := deleteRuleFix(d.Tracking.Rule); ok {
		fixes = append(fixes, f)
	}
	if d.Table.Limit > 0 && d.Table.Buckets > 0 {
		fixes = append(fixes, raiseLimitFix(d))
	}
	if f, ok := timeoutsFix(d); ok {
		fixes = append(fixes, f)
	}
	if len(d.Modules) > 0 {
		fixes = append(fixes, blacklistFix())
	}
	return fixes
}

// notrackPrice holds for both forms.
func notrackPrice(accept string) string {
	return "The firewall no longer knows the port's flows: their packets are in state \"untracked\", so a chain that drops all " +
		"but \"ct state established,related,new\" shuts them out; give it first " + accept + ". " +
		"NAT needs tracking: not for a port that is reached by DNAT, as a container's published one. " +
		"Entries that exist stay until they time out; supernode doctor --flush deletes them."
}

// NotrackFix exempts the port with nft, by the very table that ExemptPort makes.
func NotrackFix(port uint16) Fix {
	table := ExemptTable(port)
	return Fix{
		ID: FixNotrack,
		Summary: fmt.Sprintf("exempt UDP port %d from tracking, both ways; supernode doctor --port %d --fix notrack does this, "+
			"tests it, and takes it back if it does not hold", port, port),
		Price: notrackPrice(fmt.Sprintf("\"udp dport %d accept\", as in nft insert rule inet filter input udp dport %d accept "+
			"(and udp sport %d in the output chain, if that drops)", port, port, port)),
		Commands: []string{
			// Running them again changes nothing.
			fmt.Sprintf("nft 'add table inet %s; flush table inet %s'", table, table),
			fmt.Sprintf("nft 'add chain inet %s prerouting { type filter hook prerouting priority raw; }'", table),
			fmt.Sprintf("nft 'add chain inet %s output { type filter hook output priority raw; }'", table),
			fmt.Sprintf("nft 'add rule inet %s prerouting udp dport %d fib daddr type local notrack'", table, port),
			fmt.Sprintf("nft 'add rule inet %s output udp sport %d notrack'", table, port),
			fmt.Sprintf("nft 'add rule inet %s output udp dport %d fib daddr type local notrack'", table, port),
		},
		Undo: []string{fmt.Sprintf("nft delete table inet %s", table)},
	}
}

func notrackIPTablesFix(port uint16) Fix {
	f := Fix{
		ID:      FixNotrackIPTables,
		Summary: fmt.Sprintf("the same with iptables, for hosts without nft: exempt UDP port %d from tracking, both ways", port),
		Price: notrackPrice(fmt.Sprintf("iptables -I INPUT -p udp --dport %d -j ACCEPT, and the same with ip6tables", port)) +
			" The rules are gone after a reboot unless iptables-persistent or the like saves them.",
	}
	rules := []string{
		fmt.Sprintf("PREROUTING -p udp --dport %d -m addrtype --dst-type LOCAL -j CT --notrack", port),
		fmt.Sprintf("OUTPUT -p udp --sport %d -j CT --notrack", port),
		fmt.Sprintf("OUTPUT -p udp --dport %d -m addrtype --dst-type LOCAL -j CT --notrack", port),
	}
	for _, program := range []string{"iptables", "ip6tables"} {
		for _, rule := range rules {
			f.Commands = append(f.Commands, program+" -w -t raw -I "+rule)
			f.Undo = append(f.Undo, program+" -w -t raw -D "+rule)
		}
	}
	return f
}

// saved is where commands keep what undo brings back, each rule's in a file of its own.
const saved = "/root/before-supernode"

// ruleHandle is the beginning of Activity.Rule when that is a rule and not a chain.
var ruleHandle = regexp.MustCompile(`^(ip|ip6|inet) ([\w.-]+) ([\w.-]+) handle ([0-9]+)\b`)

// iptablesTables are the names that iptables-nft gives its tables. Their rules have parts that nft can list but not read
// back.
var iptablesTables = []string{"raw", "mangle", "filter", "nat", "security"}
var iptablesChain = regexp.MustCompile(`^[A-Z]`)

func deleteRuleFix(rule string) (f Fix, ok bool) {
	m := ruleHandle.FindStringSubmatch(rule)
	if m == nil {
		return f, false
	}
	family, table, chain, handle := m[1], m[2], m[3], m[4]
	file := fmt.Sprintf("%s-%s-%s-%s-%s.rules", saved, family, table, chain, handle)
	// A second run finds no rule to delete any more, and must not save the chain without it.
	save := func(list string) string {
		return fmt.Sprintf("test -e %s || { %s >%[1]s.new && mv %[1]s.new %[1]s; }", file, list)
	}
	f = Fix{
		ID:      FixDeleteRule,
		Summary: "delete the rule that asks for tracking: " + rule,
		Price: "What the rule was for is gone: a firewall that let answers in by connection state shuts them out, and NAT ends. " +
			"If another rule asks for tracking too, it goes on. The file that loads the rules at boot has to be changed as well.",
		Commands: []string{
			save(fmt.Sprintf("nft list chain %s %s %s", family, table, chain)),
			fmt.Sprintf("nft delete rule %s %s %s handle %s", family, table, chain, handle),
		},
		Undo: []string{fmt.Sprintf("{ echo flush chain %s %s %s; cat %s; } | nft -f - && rm -f %[4]s", family, table, chain, file)},
	}
	if family != "inet" && slices.Contains(iptablesTables, table) && iptablesChain.MatchString(chain) {
		program := map[string]string{"ip": "iptables", "ip6": "ip6tables"}[family]
		f.Commands[0] = save(fmt.Sprintf("%s-save -t %s", program, table))
		f.Undo = []string{fmt.Sprintf("%s-restore <%s && rm -f %[2]s", program, file)}
	}
	return f, true
}

// Files of ours that make a setting outlive a reboot.
const (
	sysctlFile   = "/etc/sysctl.d/90-supernode-conntrack.conf"
	modprobeFile = "/etc/modprobe.d/supernode-conntrack.conf"
)

// raiseLimitFix makes room for four times what is there or, if that is known, for twice what new flows need, and at least
// doubles the limit.
func raiseLimitFix(d Diagnosis) Fix {
	need := max(4*d.Table.Count, 2*uint64(max(d.Capacity.NewFlowsHigh, d.Capacity.NewFlows)*d.UDP.Stream), 2*d.Table.Limit)
	const most = 1 << 30 // entries; nf_conntrack_max is an int
	limit := uint64(1) << bits.Len64(min(need, most)-1)
	buckets := max(limit, d.Table.Buckets)
	const headBytes = 8 // of a bucket: a pointer
	mebibytes := (limit*d.Table.EntryBytes + buckets*headBytes) >> 20
	set := func(limit, buckets uint64) []string {
		return []string{
			"sysctl -w net.netfilter.nf_conntrack_max=" + strconv.FormatUint(limit, 10),
			"sysctl -w net.netfilter.nf_conntrack_buckets=" + strconv.FormatUint(buckets, 10),
		}
	}
	return Fix{
		ID:      FixRaiseLimit,
		Summary: fmt.Sprintf("raise the limit from %d entries to %d, and the hash with it", d.Table.Limit, limit),
		Price: fmt.Sprintf("Up to %d MiB of kernel memory that cannot be swapped, and still a table that somebody with many "+
			"addresses can fill. Limit and buckets are the host's: set them outside of containers. Where connection tracking is "+
			"a module, it must be loaded before sysctl runs at boot (/etc/modules-load.d).", mebibytes),
		Commands: append(set(limit, buckets), fmt.Sprintf(
			`printf 'net.netfilter.nf_conntrack_max=%d\nnet.netfilter.nf_conntrack_buckets=%d\n' >%s`, limit, buckets, sysctlFile)),
		Undo: append(set(d.Table.Limit, d.Table.Buckets), "rm -f "+sysctlFile),
	}
}

// Timeouts that a DHT can live with: a query is answered within seconds or never.
const (
	shortUnreplied = 10
	shortStream    = 30
)

func timeoutsFix(d Diagnosis) (f Fix, ok bool) {
	if d.UDP.Unreplied <= shortUnreplied && d.UDP.Stream <= shortStream || d.UDP.Unreplied <= 0 || d.UDP.Stream <= 0 {
		return f, false
	}
	set := func(unreplied, stream float64) []string {
		return []string{
			fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_udp_timeout=%.0f", unreplied),
			fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_udp_timeout_stream=%.0f", stream),
		}
	}
	unreplied, stream := min(d.UDP.Unreplied, shortUnreplied), min(d.UDP.Stream, shortStream)
	return Fix{
		ID: FixUDPTimeouts,
		Summary: fmt.Sprintf("let idle UDP entries go after %.0f s (now %.0f s), and those with answers after %.0f s (now %.0f s)",
			unreplied, d.UDP.Unreplied, stream, d.UDP.Stream),
		Price: fmt.Sprintf("For all UDP of this namespace: a flow that is silent for longer loses its NAT mapping and its place in "+
			"a stateful firewall (VPNs often speak every 25 s). Room for %.1f times as many new flows, not for any number. "+
			"Entries that exist keep their time until their next packet. Gone after a reboot unless put into /etc/sysctl.d.",
			d.UDP.Unreplied/unreplied),
		Commands: set(unreplied, stream),
		Undo:     set(d.UDP.Unreplied, d.UDP.Stream),
	}, true
}

func blacklistFix() Fix {
	const initramfs = "if command -v update-initramfs >/dev/null; then update-initramfs -u; fi"
	return Fix{
		ID:      FixBlacklist,
		Summary: "keep connection tracking from being loaded at all, from the next boot on",
		Price: "No stateful firewall, no NAT, no containers with published ports. A rule set that asks for connection state then " +
			"fails to load as a whole, which may leave the machine without a firewall: look at it after the reboot. " +
			"\"blacklist nf_conntrack\" alone is not enough: it hides a module's aliases only, while a rule asks for the module " +
			"by name, or for one that depends on it; \"install\" answers those too.",
		Commands: []string{
			`printf 'blacklist nf_conntrack\ninstall nf_conntrack /bin/false\n' >` + modprobeFile,
			initramfs,
			"reboot",
		},
		Undo: []string{"rm -f " + modprobeFile, initramfs},
	}
}
