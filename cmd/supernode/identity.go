package main

import (
	"net"
	"net/netip"

	"supernode/dht"
	"supernode/dht/wire"
)

// farAway are addresses of a root name server: what stands here only has to be reached by the default route.
var farAway = [2]string{"198.41.0.4:53", "[2001:503:ba3e::2:30]:53"}

// site is where one node is at home: the sockets it has and the ids it is known by there. A host with several addresses
// of a family has that many sites, each with ids and a routing table of its own, and all serve the same peers (BEP 45).
type site struct {
	sockets [2]int // the number of its IPv4 and its IPv6 socket, or -1
	ids     [2]wire.ID
}

// sitesOf pairs the first IPv4 socket with the first IPv6 socket, the second with the second, and so on. random gives a
// fresh random id, and saved the id that the node had at a socket before, or else the other.
//
// Each id complies with BEP 42 from the first answer on where the address tells what others see: clients that enforce
// it announce to no other node. Behind a NAT, and where traffic leaves by another address than it arrives at, it does not
// before others have said where they see the node.
func sitesOf(local []netip.AddrPort, saved func(socket int, other wire.ID) wire.ID, random func() wire.ID) (sites []site) {
	var used [2]int
	for socket, addr := range local {
		f := family(addr.Addr())
		if used[f] == len(sites) {
			id := random()
			sites = append(sites, site{sockets: [2]int{-1, -1}, ids: [2]wire.ID{id, id}})
		}
		s := &sites[used[f]]
		used[f]++
		seen := addr.Addr()
		if seen.IsUnspecified() {
			seen = sourceAddr(f)
		}
		s.sockets[f], s.ids[f] = socket, dht.SecureID(saved(socket, s.ids[f]), seen)
	}
	for i := range sites {
		s := &sites[i]
		for f := range s.ids {
			if s.sockets[f] < 0 {
				s.ids[f] = s.ids[1-f] // the id of a family it does not speak is never seen
			}
		}
	}
	return sites
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
