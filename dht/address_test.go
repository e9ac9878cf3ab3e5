package dht

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRealm(t *testing.T) {
	for _, c := range []struct {
		first, last string // of a range that belongs to realm altogether
		realm       realm
	}{
		{"0.0.0.0", "0.255.255.255", never},
		{"1.0.0.0", "9.255.255.255", public},
		{"10.0.0.0", "10.255.255.255", private},
		{"11.0.0.0", "100.63.255.255", public},
		{"100.64.0.0", "100.127.255.255", carrier},
		{"100.128.0.0", "126.255.255.255", public},
		{"127.0.0.0", "127.255.255.255", loopback},
		{"128.0.0.0", "169.253.255.255", public},
		{"169.254.0.0", "169.254.255.255", linkLocal},
		{"169.255.0.0", "172.15.255.255", public},
		{"172.16.0.0", "172.31.255.255", private},
		{"172.32.0.0", "191.255.255.255", public},
		{"192.0.0.0", "192.0.0.255", never},
		{"192.0.1.0", "192.0.1.255", public},
		{"192.0.2.0", "192.0.2.255", document},
		{"192.0.3.0", "192.167.255.255", public},
		{"192.168.0.0", "192.168.255.255", private},
		{"192.169.0.0", "198.17.255.255", public},
		{"198.18.0.0", "198.19.255.255", private},
		{"198.20.0.0", "198.51.99.255", public},
		{"198.51.100.0", "198.51.100.255", document},
		{"198.51.101.0", "203.0.112.255", public},
		{"203.0.113.0", "203.0.113.255", document},
		{"203.0.114.0", "223.255.255.255", public},
		{"224.0.0.0", "255.255.255.255", never},

		{"::", "::", never},
		{"::1", "::1", loopback},
		{"::2", "1fff:ffff::", never}, // IPv4-mapped and NAT64 among them
		{"::ffff:1.2.3.4", "::ffff:1.2.3.4", never},
		{"64:ff9b::102:304", "64:ff9b::102:304", never},
		{"2000::", "2001:db7:ffff::", public},
		{"2001:db8::", "2001:db8:ffff:ffff::", document},
		{"2001:db9::", "3ffe:ffff::", public},
		{"3fff::", "3fff:fff:ffff::", document},
		{"3fff:1000::", "3fff:ffff::", public},
		{"4000::", "fbff::", never},
		{"fc00::", "fdff:ffff::", local6},
		{"fe00::", "fe7f::", never},
		{"fe80::1", "febf::1", linkLocal},
		{"fe80::1%eth0", "fe80::1%eth0", never},
		{"2003::1%eth0", "2003::1%eth0", never},
		{"fec0::", "ffff::", never},
	} {
		for _, s := range []string{c.first, c.last} {
			require.Equal(t, c.realm, realmOf(netip.MustParseAddr(s)), "realm of %s", s)
		}
	}
}

func TestReach(t *testing.T) {
	addr := func(s string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(s), 6881) }
	all := []string{"1.2.3.4", "2003::1", "127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "198.18.0.1",
		"100.64.0.1", "169.254.1.1", "fe80::1", "192.0.2.1", "2001:db8::1", "fd00::1",
		"0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "240.0.0.1", "ff02::1", "::ffff:1.2.3.4"}
	for _, c := range []struct {
		own     string
		private bool
		allowed []string
	}{
		{"", false, all[:2]},
		{"0.0.0.0", false, all[:2]},
		{"::", false, all[:2]},
		{"5.6.7.8", false, all[:2]},
		{"127.0.0.1", false, []string{"1.2.3.4", "2003::1", "127.0.0.1", "::1"}},
		{"::1", false, []string{"1.2.3.4", "2003::1", "127.0.0.1", "::1"}},
		{"192.168.0.9", false, []string{"1.2.3.4", "2003::1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "198.18.0.1"}},
		{"100.100.0.1", false, []string{"1.2.3.4", "2003::1", "100.64.0.1"}},
		{"169.254.9.9", false, []string{"1.2.3.4", "2003::1", "169.254.1.1", "fe80::1"}},
		{"fe80::9%eth0", false, []string{"1.2.3.4", "2003::1", "169.254.1.1", "fe80::1"}},
		{"::ffff:192.168.0.9", false, []string{"1.2.3.4", "2003::1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "198.18.0.1"}},
		{"fd00::9", false, []string{"1.2.3.4", "2003::1", "fd00::1"}},
		{"", true, all[:14]},
	} {
		var own []netip.Addr
		if c.own != "" {
			own = append(own, netip.MustParseAddr(c.own))
		}
		r := newReach(own, c.private)
		var allowed []string
		for _, s := range all {
			if r.allows(addr(s)) {
				allowed = append(allowed, s)
			}
			require.False(t, r.allows(netip.AddrPortFrom(netip.MustParseAddr(s), 0)), "port 0 at %s", s)
		}
		require.Equal(t, c.allowed, allowed, "own %q, private %v", c.own, c.private)
		require.False(t, r.allows(netip.AddrPort{}))
	}
}

// TestRealmShortcut compares the fast path for public IPv4 addresses with the list it stands for.
func TestRealmShortcut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "addr")))
		want := public
		for _, s := range special {
			if s.prefix.Contains(a) {
				want = s.realm
			}
		}
		if got := realmOf(a); got != want {
			t.Fatalf("realm of %v is %d, want %d", a, got, want)
		}
	})
}
