// Package nexthop finds out where the kernel would send a frame for an address: out of which link, from which hardware
// address, to which. It is for those who write frames themselves, and so are told none of this by the kernel.
//
// The answer is that of the moment: who keeps it does not see routes change, nor a neighbour. Ethernet only: what goes
// through a tunnel has no hardware address, and what stays on this machine takes no frame from outside the kernel's own
// stack (martian source, net/ipv4/route.c).
package nexthop

import "net/netip"

// Hop is where a frame goes. Its fields are those of udp.Hop.
type Hop struct {
	Interface   int
	MTU         int
	Local, Peer [6]byte
	Source      netip.Addr
}
