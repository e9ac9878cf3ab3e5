package udp

import (
	"io"
	"net/netip"
)

// Hop is the way out of a packet transport: an Ethernet link, and who takes the frames there.
type Hop struct {
	// Interface is the link's index.
	Interface int
	// MTU is what the link takes of an IP packet, in bytes.
	MTU int
	// Local and Peer are the hardware addresses of the link and of the next hop: the target itself, or the gateway to it.
	Local, Peer [6]byte
	// Source is where a datagram comes from that names no source itself, through a socket that is bound to no address.
	Source netip.Addr
}

// Redirect begins to redirect UDP datagrams from the address and port from to any of our addresses and ports to, whole ones in
// frames of at most longest bytes to the hardware address local, to an AF_XDP socket that is bound to the first receive queue
// of an interface. An unspecified address among to is any of its family. Closing ends that.
type Redirect func(ifindex, socket int, local [6]byte, from netip.AddrPort, to []netip.AddrPort, longest int) (io.Closer, error)
