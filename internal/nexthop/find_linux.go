package nexthop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
)

// resolveTimeout is how long a neighbour may take to say its hardware address; the kernel asks three times, a second apart.
const resolveTimeout = 3500 * time.Millisecond

// Find returns the hop to target. If the kernel does not know the next hop's hardware address yet, an empty datagram to
// target makes it ask (ARP, RFC 826; neighbour discovery, RFC 4861). The end of ctx ends the wait for the answer.
func Find(ctx context.Context, target netip.AddrPort) (Hop, error) {
	h, err := find(ctx, target)
	if err != nil {
		return Hop{}, fmt.Errorf("find the way to %v: %w", target.Addr(), err)
	}
	return h, nil
}

func find(ctx context.Context, target netip.AddrPort) (h Hop, err error) {
	addr := target.Addr()
	routes, err := netlink.RouteGetWithOptions(addr.AsSlice(), &netlink.RouteGetOptions{Oif: addr.Zone()})
	if err != nil {
		return h, fmt.Errorf("ask for the route: %w", err)
	}
	if len(routes) == 0 {
		return h, errors.New("there is no route")
	}
	route := routes[0]
	if via, ok := route.Via.(*netlink.Via); ok {
		// RTA_VIA, a gateway of another family than the route's (RFC 5549). Its neighbour entry is of that family.
		return h, fmt.Errorf("it leads through the gateway %v, of another family than the address, which is not supported", via.Addr)
	}
	link, err := netlink.LinkByIndex(route.LinkIndex)
	if err != nil {
		return h, fmt.Errorf("look at link %d: %w", route.LinkIndex, err)
	}
	attrs := link.Attrs()
	switch {
	case attrs.Flags&net.FlagLoopback != 0:
		return h, errors.New("it is an address of this machine")
	case attrs.EncapType != "ether" || len(attrs.HardwareAddr) != len(h.Local):
		return h, fmt.Errorf("it leads through %s, which is no Ethernet link", attrs.Name)
	}
	h.Interface, h.MTU, h.Local = route.LinkIndex, attrs.MTU, [6]byte(attrs.HardwareAddr)
	if source, ok := netip.AddrFromSlice(route.Src); ok {
		h.Source = source.Unmap()
	}
	next := addr.WithZone("")
	if gateway, ok := netip.AddrFromSlice(route.Gw); ok && !gateway.IsUnspecified() {
		next = gateway.Unmap()
	}
	h.Peer, err = resolve(ctx, route.LinkIndex, next, target)
	return h, err
}

// resolve returns the hardware address of next, a neighbour on the link.
func resolve(ctx context.Context, link int, next netip.Addr, target netip.AddrPort) (peer [6]byte, err error) {
	updates, done := make(chan netlink.NeighUpdate, 16), make(chan struct{})
	defer close(done)
	// Before the first look, so that nothing is missed between it and the wait.
	if err := netlink.NeighSubscribeWithOptions(updates, done, netlink.NeighSubscribeOptions{}); err != nil {
		return peer, fmt.Errorf("watch neighbours: %w", err)
	}
	known, err := netlink.NeighList(link, family(next))
	if err != nil {
		return peer, fmt.Errorf("list neighbours: %w", err)
	}
	for i := range known {
		if peer, ok := resolved(&known[i], link, next); ok {
			return peer, nil
		}
	}
	if err := knock(target); err != nil {
		return peer, err
	}
	for expired := time.After(resolveTimeout); ; {
		select {
		case u, open := <-updates:
			if !open {
				return peer, errors.New("watch neighbours: the kernel has stopped telling")
			}
			peer, ok := resolved(&u.Neigh, link, next)
			if ok {
				return peer, nil
			}
			if failed(&u.Neigh, link, next) {
				return peer, silent(next)
			}
		case <-ctx.Done():
			return peer, fmt.Errorf("wait for the hardware address of neighbour %v: %w", next, context.Cause(ctx))
		case <-expired:
			return peer, silent(next)
		}
	}
}

// resolved says whether n is the neighbour next, and its hardware address known.
func resolved(n *netlink.Neigh, link int, next netip.Addr) (peer [6]byte, ok bool) {
	addr, valid := netip.AddrFromSlice(n.IP)
	if !valid || n.LinkIndex != link || addr.Unmap() != next || len(n.HardwareAddr) != len(peer) {
		return peer, false
	}
	const good = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE | netlink.NUD_PERMANENT | netlink.NUD_NOARP
	return [6]byte(n.HardwareAddr), n.State&good != 0
}

// failed says whether the kernel has asked for next in vain.
func failed(n *netlink.Neigh, link int, next netip.Addr) bool {
	addr, valid := netip.AddrFromSlice(n.IP)
	return valid && n.LinkIndex == link && addr.Unmap() == next && n.State&netlink.NUD_FAILED != 0
}

func silent(next netip.Addr) error {
	return fmt.Errorf("neighbour %v does not say its hardware address: is it up, and on this link?", next)
}

func family(a netip.Addr) int {
	if a.Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

// knock sends an empty datagram.
func knock(target netip.AddrPort) error {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(target))
	if err != nil {
		return err
	}
	_, err = conn.Write(nil)
	return errors.Join(err, conn.Close())
}
