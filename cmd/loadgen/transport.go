package main

import (
	"context"
	"fmt"
	"net/netip"

	"supernode/internal/nexthop"
	"supernode/internal/udp"
	"supernode/internal/xdp"
)

// The ways to send and receive, as --io names them.
const (
	ioMmsg   = "mmsg"
	ioPacket = "packet"
	ioXDP    = "xdp"
	ioNet    = "net"
)

var ioWays = []string{ioMmsg, ioPacket, ioXDP, ioNet}

// oneSocketManyAddresses says whether a socket can send from many addresses.
func oneSocketManyAddresses(io string) bool { return io != ioNet }

// openTransport opens the sockets of a layout. The end of ctx ends the search for the way to the target.
func openTransport(ctx context.Context, io string, l *layout, target netip.AddrPort) (udp.Transport, error) {
	o := udp.Options{Batch: batch, ReceiveBuffer: receiveBuffer, SendBuffer: sendBuffer, LocalAddr: true}
	switch io {
	case ioPacket, ioXDP:
		hop, err := nexthop.Find(ctx, target)
		if err != nil {
			return nil, fmt.Errorf("--io %s: %w: use --io mmsg", io, err)
		}
		if io == ioPacket {
			return udp.OpenPacket(l.listen, udp.Hop(hop), o)
		}
		t, err := udp.OpenXDP(l.listen, udp.Hop(hop), target, xdp.Redirect, o)
		if err != nil {
			return nil, fmt.Errorf("--io xdp: %w (--io packet needs less)", err)
		}
		return t, nil
	case ioNet:
		o.Batch = max(1, min(batch, netQueue/len(l.listen)))
		return udp.OpenNet(l.listen, o)
	}
	return udp.OpenMmsg(l.listen, o)
}
