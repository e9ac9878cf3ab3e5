package conntrack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

// apartly runs f on a thread in a network namespace of its own, in which a wire's datagrams can come in: loopback has
// 198.18.0.1.
func apartly(t *testing.T, f func()) {
	t.Helper()
	apart.In(t, func() {
		lo, err := netlink.LinkByName("lo")
		require.NoError(t, err)
		addr, err := netlink.ParseAddr("198.18.0.1/32")
		require.NoError(t, err)
		require.NoError(t, netlink.AddrAdd(lo, addr))
		f()
	})
}

// run runs a command in the calling thread's namespace.
func run(t *testing.T, stdin string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func nft(t *testing.T, rules string) { t.Helper(); run(t, rules, "nft", "-f", "-") }

const (
	statefulRules = `table inet filter { chain input { type filter hook input priority 0; ct state invalid drop; }; }` + "\n"
	exemptIn      = `table inet raw { chain in { type filter hook prerouting priority raw; udp dport 6881 notrack; }; }` + "\n"
	exemptOut     = `table inet raw { chain out { type filter hook output priority raw; udp sport 6881 notrack; }; }` + "\n"
)

// TestProbeUnderStrictFilter: the kernel refuses what comes in from 192.0.2.0/24, as on hosts with strict rp_filter.
func TestProbeUnderStrictFilter(t *testing.T) {
	apartly(t, func() {
		if err := os.WriteFile("/proc/sys/net/ipv4/conf/all/rp_filter", []byte("1"), 0); err != nil {
			t.Error(err)
			return
		}
		nft(t, statefulRules+exemptOut)
		a, err := Probe(6881)
		if err != nil || a.Exempt || len(a.unseen) != 0 || !strings.Contains(a.Evidence, "rp_filter: IPv4 in") || !strings.Contains(a.Evidence, "left an entry: IPv6 in") {
			t.Errorf("half exempt: %+v, %v", a, err)
		}
		nft(t, exemptIn)
		a, err = Probe(6881)
		if err != nil || a.Exempt || !slices.Equal(a.unseen, []string{"ip"}) {
			t.Errorf("exempt, but not to be seen: %+v, %v", a, err)
		}
		rules, err := Rules(6881)
		if err != nil {
			t.Error(err)
		}
		if a, unchecked := weigh(a, rules); !a.Exempt || len(unchecked) > 0 || len(a.Rules) != 1 {
			t.Errorf("exempt by rule: %+v, %q", a, unchecked)
		}
		rules, err = Rules(6882)
		if err != nil {
			t.Error(err)
		}
		if a, unchecked := weigh(a, rules); a.Exempt || len(unchecked) != 1 {
			t.Errorf("another port is not exempt by that rule: %+v, %q", a, unchecked)
		}
	})
}

// TestProbeHardlyDisturbs has the server's socket, and all that a probe sends there is one datagram a family.
func TestProbeHardlyDisturbs(t *testing.T) {
	apartly(t, func() {
		nft(t, statefulRules)
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err == nil {
			defer unix.Close(fd)
			err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0),
				unix.Bind(fd, &unix.SockaddrInet6{Port: 6881}))
		}
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := Probe(6881); err != nil {
			t.Error(err)
		}
		var got []string
		for buf := make([]byte, 100); ; {
			n, from, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				break
			}
			ip := addrPort(from).Addr().Unmap()
			if ip.Is4() {
				ip = netip.PrefixFrom(ip, 24).Masked().Addr()
			}
			got = append(got, fmt.Sprintf("%v %x", ip, buf[:n]))
		}
		if !slices.Equal(got, []string{"192.0.2.0 00", "::1 00"}) {
			t.Errorf("the server received %q", got)
		}
	})
}

// TestDatagramChecksums: the sum over what is covered, its field included, is nothing, and the field never says "none".
func TestDatagramChecksums(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	v4 := func() netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(random.Uint32()), byte(random.Uint32())}), uint16(random.Uint32()))
	}
	v6 := func() netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(random.Uint32())}), uint16(random.Uint32()))
	}
	for i := range 200000 { // enough to meet the sum that must not be written as 0
		address, header := v4, ipv4Header
		if i%2 == 1 {
			address, header = v6, ipv6Header
		}
		from, to := address(), address()
		payload := make([]byte, i%4)
		packet := datagram(from, to, payload)
		udp := packet[header:]
		if header == ipv4Header && checksum(packet[:header]) != 0 {
			t.Fatalf("IPv4 header % x", packet)
		}
		pseudo := slices.Concat(from.Addr().AsSlice(), to.Addr().AsSlice(), []byte{0, protoUDP, 0, byte(len(udp))})
		if checksum(pseudo, udp) != 0 || udp[6] == 0 && udp[7] == 0 {
			t.Fatalf("UDP % x", packet)
		}
	}
}

// TestRulesOfIPTables reads what iptables writes into nftables: a match, a target, and the exemption of a port.
func TestRulesOfIPTables(t *testing.T) {
	apartly(t, func() {
		for _, line := range []string{
			"-t raw -A PREROUTING -p udp --dport 6881 -j CT --notrack",
			"-t raw -A OUTPUT -p udp --sport 6881 -j CT --notrack",
			"-A INPUT -i eth9 -m state --state INVALID -j DROP",
			"-t nat -A POSTROUTING -o eth9 -j MASQUERADE",
			"-A OUTPUT -p udp --dport 53 -j ACCEPT",
		} {
			run(t, "", "iptables-nft", strings.Fields(line)...)
		}
		rules, err := Rules(6881)
		if err != nil {
			t.Error(err)
		}
		got := map[string]int{}
		for _, r := range rules {
			got[fmt.Sprintf("%s %s %s, %s, in %v, interface %v", r.Table, r.Chain, r.What, r.Effect, r.wayIn, r.Interface)]++
		}
		for _, want := range []string{
			"raw PREROUTING -j CT --notrack, exempts, in true, interface false",
			"raw OUTPUT -j CT --notrack, exempts, in false, interface false",
			"filter INPUT -m conntrack, tracks, in false, interface true",
			"nat POSTROUTING -j MASQUERADE, tracks, in false, interface true",
		} {
			if got[want] != 1 {
				t.Errorf("want %s, got %v", want, got)
			}
		}
		if len(rules) != 4 {
			t.Errorf("%v", rules)
		}
	})
}

func TestProbeOfRealRules(t *testing.T) {
	for _, c := range []struct {
		name   string
		set    func(t *testing.T)
		active string
		exempt bool
		want   string
	}{
		{"no rules", func(*testing.T) {}, No, false, "leave no entries"},
		{"notrack alone wakes nothing", func(t *testing.T) { nft(t, exemptIn+exemptOut) }, No, false, "leave no entries"},
		{"ct rule", func(t *testing.T) { nft(t, statefulRules) }, Yes, false, "port 6881 are tracked"},
		{"NAT", func(t *testing.T) {
			nft(t, `table ip nat { chain post { type nat hook postrouting priority srcnat; oifname "eth9" masquerade; }; }`)
		}, Yes, false, "no entry: IPv6 in, IPv6 out"},
		{"iptables", func(t *testing.T) {
			run(t, "", "iptables-nft", "-A", "INPUT", "-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP")
		}, Yes, false, "left an entry: IPv4 in, IPv4 out;"},
		{"exempt", func(t *testing.T) { nft(t, statefulRules+exemptIn+exemptOut) }, Yes, true, "port 6881 are not"},
		{"exempt on the way in only", func(t *testing.T) { nft(t, statefulRules+exemptIn) }, Yes, false, "left an entry: IPv4 out, IPv6 out"},
		{"exempt on the way out only", func(t *testing.T) { nft(t, statefulRules+exemptOut) }, Yes, false, "left an entry: IPv4 in, IPv6 in"},
		{"another port exempt", func(t *testing.T) {
			nft(t, statefulRules+strings.ReplaceAll(exemptIn+exemptOut, "6881", "6882"))
		}, Yes, false, "left an entry: IPv4 in, IPv4 out, IPv6 in, IPv6 out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			apartly(t, func() {
				c.set(t)
				a, err := Probe(6881)
				if err != nil {
					t.Error(err)
				}
				t.Log(a.Evidence)
				if a.Active != c.active || a.Exempt != c.exempt || !strings.Contains(a.Evidence, c.want) {
					t.Errorf("%+v: want %s, exempt %v, %q", a, c.active, c.exempt, c.want)
				}
				after, err := Read()
				if err != nil || after.Count != 0 {
					t.Errorf("entries left: %d, %v", after.Count, err)
				}
			})
			require.False(t, t.Failed())
		})
	}
}
