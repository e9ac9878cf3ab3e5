package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// harmless are the ranges that a flood cannot leave the site from, so that it needs no second thought.
// Anything else, carrier NAT and the documentation ranges included, may be routed to somebody.
var harmless = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"),    // loopback, RFC 1122
	netip.MustParsePrefix("::1/128"),        // RFC 4291
	netip.MustParsePrefix("10.0.0.0/8"),     // private, RFC 1918
	netip.MustParsePrefix("172.16.0.0/12"),  //
	netip.MustParsePrefix("192.168.0.0/16"), //
	netip.MustParsePrefix("198.18.0.0/15"),  // benchmarking, RFC 2544
	netip.MustParsePrefix("169.254.0.0/16"), // link-local, RFC 3927
	netip.MustParsePrefix("fe80::/10"),      // link-local, RFC 4291
	netip.MustParsePrefix("fc00::/7"),       // unique local, RFC 4193
}

// checkTarget says whether queries may be sent to addr at all, and to a public one only with floodOK.
func checkTarget(addr netip.AddrPort, floodOK bool) error {
	ip := addr.Addr()
	switch {
	case ip.IsUnspecified(), ip.IsMulticast(), ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("target %s: is no host's address", addr)
	case addr.Port() == 0:
		return fmt.Errorf("target %s: port must be 1 to 65535", addr)
	case floodOK:
		return nil
	}
	for _, p := range harmless {
		if p.Contains(ip.WithZone("")) {
			return nil
		}
	}
	return fmt.Errorf("target %s: is a public address: if it is yours to load, say --i-may-flood-this", addr)
}

// resolver is what of net.Resolver is used.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// resolveTarget reads HOST:PORT. Of a name's addresses it takes the first of the family of sources, or
// without sources the first IPv4 address, or else the first.
func resolveTarget(ctx context.Context, hostport string, sources netip.Prefix, r resolver) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(hostport)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("target %q: must be HOST:PORT, an IPv6 address in brackets", hostport)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil || host == "" {
		return netip.AddrPort{}, fmt.Errorf("target %q: must be HOST:PORT with a port of 1 to 65535", hostport)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(ip.Unmap(), uint16(port)), nil
	}
	ips, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			err = errors.New("no such host")
		}
		return netip.AddrPort{}, fmt.Errorf("target %q: look up %s: %w", hostport, host, err)
	}
	want4 := !sources.IsValid() || sources.Addr().Is4()
	for _, ip := range ips {
		if ip.Unmap().Is4() == want4 {
			return netip.AddrPortFrom(ip.Unmap(), uint16(port)), nil
		}
	}
	if sources.IsValid() || len(ips) == 0 {
		return netip.AddrPort{}, fmt.Errorf("target %q: has no address of the family of --sources %s", hostport, sources)
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(port)), nil
}
