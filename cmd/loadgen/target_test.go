package main

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckTarget(t *testing.T) {
	for _, tt := range []struct {
		addr string
		ok   bool // without consent
		err  string
	}{
		{"127.0.0.1:6881", true, ""},
		{"127.255.3.4:1", true, ""},
		{"[::1]:6881", true, ""},
		{"10.0.0.0:1", true, ""},
		{"10.255.255.255:1", true, ""},
		{"172.16.0.1:1", true, ""},
		{"172.31.255.254:1", true, ""},
		{"192.168.0.1:1", true, ""},
		{"198.18.0.1:1", true, ""},
		{"198.19.255.254:1", true, ""},
		{"169.254.7.7:1", true, ""},
		{"[fe80::1%eth0]:1", true, ""},
		{"[febf::1]:1", true, ""},
		{"[fc00::1]:1", true, ""},
		{"[fdff::1]:1", true, ""},

		{"8.8.8.8:1", false, ""},
		{"9.255.255.255:1", false, ""},
		{"11.0.0.0:1", false, ""},
		{"172.15.255.255:1", false, ""},
		{"172.32.0.0:1", false, ""},
		{"192.167.255.255:1", false, ""},
		{"192.169.0.0:1", false, ""},
		{"198.17.255.255:1", false, ""},
		{"198.20.0.0:1", false, ""},
		{"100.64.0.1:1", false, ""}, // the provider's, not ours
		{"192.0.2.1:1", false, ""},  // documentation, but nothing stops it from being routed
		{"128.0.0.1:1", false, ""},
		{"[2001:db8::1]:1", false, ""},
		{"[2002:7f00:1::]:1", false, ""},    // 6to4 of 127.0.0.1
		{"[64:ff9b::7f00:1]:1", false, ""},  // NAT64 of 127.0.0.1
		{"[fec0::1]:1", false, ""},          // site-local is deprecated
		{"[::7f00:1]:1", false, ""},         // IPv4-compatible
		{"[fbff:ffff::1]:1", false, ""},     // just below ULA
		{"[::2]:1", false, ""},              // just beside loopback
		{"0.0.0.0:1", false, "no host's"},   // Linux takes it for loopback
		{"[::]:1", false, "no host's"},      //
		{"224.0.0.1:1", false, "no host's"}, //
		{"[ff02::1]:1", false, "no host's"},
		{"255.255.255.255:1", false, "no host's"},
		{"127.0.0.1:0", false, "port must be"},
	} {
		addr := netip.MustParseAddrPort(tt.addr)
		err := checkTarget(addr, false)
		if tt.ok {
			require.NoError(t, err, tt.addr)
		} else if tt.err == "" {
			require.ErrorContains(t, err, "--i-may-flood-this", tt.addr)
		}
		err = checkTarget(addr, true)
		if tt.err == "" {
			require.NoError(t, err, tt.addr)
		} else {
			require.ErrorContains(t, err, tt.err, tt.addr)
		}
	}
}

// names is a resolver that knows a few.
type names map[string][]netip.Addr

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if ips := n[host]; ips != nil {
		return ips, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func TestResolveTarget(t *testing.T) {
	dns := names{
		"both":   {netip.MustParseAddr("fd00::1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")},
		"six":    {netip.MustParseAddr("fd00::6")},
		"mapped": {netip.MustParseAddr("::ffff:8.8.8.8")},
	}
	for _, tt := range []struct{ in, sources, want, err string }{
		{"127.0.0.1:6881", "", "127.0.0.1:6881", ""},
		{"[::1]:6881", "", "[::1]:6881", ""},
		{"[::ffff:8.8.8.8]:1", "", "8.8.8.8:1", ""},
		{"[fe80::1%eth0]:1", "", "[fe80::1%eth0]:1", ""},
		{"both:1", "", "10.0.0.1:1", ""},
		{"both:1", "fd01::/64", "[fd00::1]:1", ""},
		{"both:1", "10.0.0.0/8", "10.0.0.1:1", ""},
		{"six:1", "", "[fd00::6]:1", ""},
		{"mapped:1", "", "8.8.8.8:1", ""},
		{"six:1", "10.0.0.0/8", "", "family of --sources"},
		{"nowhere:1", "", "", "no such host"},
		{"127.0.0.1", "", "", "HOST:PORT"},
		{"::1:6881", "", "", "brackets"},
		{"127.0.0.1:http", "", "", "port of 1 to 65535"},
		{"127.0.0.1:65536", "", "", "port of 1 to 65535"},
		{":1", "", "", "HOST:PORT"},
		{"", "", "", "HOST:PORT"},
	} {
		var sources netip.Prefix
		if tt.sources != "" {
			sources = netip.MustParsePrefix(tt.sources)
		}
		got, err := resolveTarget(t.Context(), tt.in, sources, dns)
		if tt.err != "" {
			require.ErrorContains(t, err, tt.err, tt.in)
			continue
		}
		require.NoError(t, err, tt.in)
		require.Equal(t, tt.want, got.String(), tt.in)
	}
}
