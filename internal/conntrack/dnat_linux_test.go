package conntrack

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	ct "github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

// TestCureRefusesTranslatedPort: what NAT leads elsewhere must stay tracked, or it ends here.
func TestCureRefusesTranslatedPort(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.NeedProgram(t, "iptables")
	nat := func(rule string) string {
		return "nft 'table ip n { map m { type inet_service : ipv4_addr; elements = { 6881 : 10.0.0.2 }; }; " +
			"chain p { type nat hook prerouting priority dstnat; " + rule + "; }; }'"
	}
	for name, c := range map[string]struct {
		setup string
		want  string // "" when it is not about the port
	}{
		"dnat":             {nat("udp dport 6881 dnat to 10.0.0.2"), "dnat"},
		"dnat of a range":  {nat("udp dport { 80, 6000-7000 } dnat to 10.0.0.2"), "dnat"},
		"dnat by a map":    {nat("dnat to udp dport map @m"), "dnat"},
		"dnat to the port": {nat("udp dport 80 dnat to 127.0.0.1:6881"), "dnat"},
		"redirect":         {nat("udp dport 6881 redirect to :53"), "redirect"},
		"iptables":         {"iptables -t nat -A PREROUTING -p udp --dport 6881 -j DNAT --to 10.0.0.2:53", "DNAT"},
		"tcp":              {nat("tcp dport 6881 dnat to 10.0.0.2"), ""},
		"another port":     {nat("udp dport { 80, 7000-8000 } dnat to 10.0.0.2"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			apart.In(t, func() {
				apart.Shell(t, c.setup)
				before := apart.Shell(t, "nft list ruleset")
				_, err := Cure(t.Context(), curePort, 10*time.Millisecond)
				_, held := HoldExempt(curePort)
				if c.want == "" {
					require.NoError(t, err)
					require.NoError(t, held)
					return
				}
				for _, err := range []error{err, held} {
					require.ErrorIs(t, err, errTranslated)
					require.ErrorContains(t, err, c.want)
				}
				require.Equal(t, before, apart.Shell(t, "nft list ruleset"))
			})
		})
	}
}

// TestCureRefusesTranslatedFlow: the rule names no port, but a flow shows what it does.
func TestCureRefusesTranslatedFlow(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.In(t, func() {
		apart.Shell(t, stateful)
		conn, err := ct.Dial(nil)
		require.NoError(t, err)
		defer conn.Close()
		client, here, there := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.2")
		flow := ct.NewFlow(unix.IPPROTO_UDP, ct.StatusConfirmed, client, here, 1000, curePort, 30, 0)
		flow.TupleReply.IP.SourceAddress = there
		require.NoError(t, conn.Create(flow))
		_, err = Cure(t.Context(), curePort, 10*time.Millisecond)
		require.ErrorIs(t, err, errTranslated)
		require.ErrorContains(t, err, "10.0.0.2:6881")
		_, err = HoldExempt(curePort)
		require.ErrorIs(t, err, errTranslated)
		_, err = Cure(t.Context(), curePort+1, 10*time.Millisecond)
		require.NoError(t, err)
	})
}

// TestForwardedIsCounted: what the host passes on has its own count, since the exemption may end it.
func TestForwardedIsCounted(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.NeedProgram(t, "ip")
	apart.In(t, func() {
		apart.Shell(t, "ip link add away type veth peer far; ip link set far up; ip addr add 10.0.0.1/24 dev away; ip link set away up; "+
			"ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:09 dev away; sysctl -qw net.ipv4.ip_forward=1; "+
			"sysctl -qw net.ipv4.conf.all.rp_filter=0; sysctl -qw net.ipv4.conf.lo.rp_filter=0")
		require.NoError(t, install(curePort, counterChains(curePort)))
		from, to := netip.MustParseAddrPort("192.0.2.7:1000"), netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), curePort)
		require.NoError(t, injectOnLoopback(datagram(from, to, probePayload)))
		var r Round
		for deadline := time.Now().Add(5 * time.Second); r.Forwarded == 0 && time.Now().Before(deadline); {
			require.NoError(t, readCounters(curePort, &r)) // on this thread, which is in the namespace
		}
		require.EqualValues(t, 1, r.Forwarded)
		require.Zero(t, r.In.Came)
	})
}
