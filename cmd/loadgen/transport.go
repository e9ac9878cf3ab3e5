package main

import (
	"context"
	"fmt"
	"net/netip"

	"supernode/internal/nexthop"
	"supernode/internal/udp"
)

// The ways to send and receive, as --io names them.
const (
	ioMmsg   = "mmsg"
	ioPacket = "packet"
	ioNet    = "net"
)

// oneSocketManyAddresses says whether a socket can send from many addresses.
func oneSocketManyAddresses(io string) bool { return io != ioNet }

// openTransport opens the sockets of a layout. The end of ctx ends the search for the way to the target.
func openTransport(ctx context.Context, io string, l *layout, target netip.AddrPort) (udp.Transport, error) {
	o := udp.Options{Batch: batch, ReceiveBuffer: receiveBuffer, SendBuffer: sendBuffer, LocalAddr: true}
	switch io {
	case ioPacket:
		hop, err := nexthop.Find(ctx, target)
		if err != nil {
			return nil, fmt.Errorf("--io packet: %w: use --io mmsg", err)
		}
		return udp.OpenPacket(l.listen, udp.Hop(hop), o)
	case ioNet:
		o.Batch = max(1, min(batch, netQueue/len(l.listen)))
		return udp.OpenNet(l.listen, o)
	}
	return udp.OpenMmsg(l.listen, o)
}
