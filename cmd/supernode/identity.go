package main

import (
	"net"
	"net/netip"

	"supernode/dht"
	"supernode/dht/wire"
)

// farAway are addresses of a root name server: what stands here only has to be reached by the default route.
var farAway = [2]string{"198.41.0.4:53", "[2001:503:ba3e::2:30]:53"}

// identity makes the node's ids among IPv4 and IPv6 nodes out of those it had, or random ones, so that they comply with
// BEP 42 from the first answer on: clients that enforce it announce to no other node. A family without a socket gets the
// other's.
//
// Behind a NAT, and where traffic leaves by another address than it arrives at, the id does not comply.
func identity(ids [2]wire.ID, local []netip.AddrPort) (id4, id6 wire.ID) {
	known := [2]bool{}
	for _, addr := range local {
		f := family(addr.Addr())
		if known[f] {
			continue // one id a family: the first address has it
		}
		known[f] = true
		seen := addr.Addr()
		if seen.IsUnspecified() {
			seen = sourceAddr(f)
		}
		ids[f] = dht.SecureID(ids[f], seen)
	}
	for f := range ids {
		if !known[f] {
			ids[f] = ids[1-f]
		}
	}
	return ids[0], ids[1]
}

// sourceAddr is the address that packets to far away leave with, or an invalid one if there is no way there. It asks
// the kernel's routing table and sends nothing.
func sourceAddr(family int) netip.Addr {
	c, err := net.Dial([2]string{"udp4", "udp6"}[family], farAway[family])
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}
