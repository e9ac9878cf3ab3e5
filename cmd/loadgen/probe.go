package main

import (
	"fmt"
	"net"
	"net/netip"
)

// probe finds out whether the flows' addresses are this machine's, by asking for the first and the last of
// them. Without it every query would fail, one by one, as the kernel lets nobody send from a foreign address.
func (l *layout) probe(sources netip.Prefix) error {
	first, last := l.listen[0].Addr(), l.listen[len(l.listen)-1].Addr()
	if l.block.count > 0 {
		first, last = l.block.at(0), l.block.at(l.perSocket-1)
	}
	for _, addr := range []netip.Addr{first, last} {
		if conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0))); err == nil {
			_ = conn.Close()
			continue
		}
		mend := fmt.Sprintf("ip route add local %s dev lo", sources.Masked())
		if addr.Is6() { // for IPv6 the route alone does not make the addresses ours, net/ipv6/datagram.c
			mend = fmt.Sprintf("ip -6 route add local %s dev lo; sysctl -w net.ipv6.ip_nonlocal_bind=1", sources.Masked())
		}
		return fmt.Errorf("--sources %s: %s is not an address of this machine, to own the whole range: %s", sources, addr, mend)
	}
	return nil
}
