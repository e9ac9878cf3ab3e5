package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Locally administered addresses. They are fixed, since each lab's two devices meet nobody else.
var hardware = [2]net.HardwareAddr{
	Server: {0x02, 0x53, 0x4e, 0, 0, 1},
	Client: {0x02, 0x53, 0x4e, 0, 0, 2},
}

// linkTimeout bounds the wait for a link to come up, which takes the kernel's link watcher up to a second.
const linkTimeout = 5 * time.Second

// createLinks makes the veth pair, still down, one end in each namespace. One queue each: one NAPI thread each.
func (l *Lab) createLinks() error {
	veth := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{
			Name: l.ends[Server].dev, HardwareAddr: hardware[Server], TxQLen: -1, NumTxQueues: 1, NumRxQueues: 1,
		},
		PeerName:         l.ends[Client].dev,
		PeerHardwareAddr: hardware[Client],
		PeerNamespace:    netlink.NsFd(l.ends[Client].ns),
		PeerTxQLen:       -1,
		PeerNumTxQueues:  1,
		PeerNumRxQueues:  1,
	}
	if err := l.ends[Server].nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("create veth %s: %w", veth.Name, err)
	}
	for _, side := range sides {
		e := &l.ends[side]
		link, err := e.nl.LinkByName(e.dev)
		if err != nil {
			return fmt.Errorf("find link %s: %w", e.dev, err)
		}
		if e.lo, err = e.nl.LinkByName("lo"); err != nil {
			return fmt.Errorf("find loopback of the %s: %w", side, err)
		}
		e.link = link
	}
	return nil
}

// tune sets the namespace's sysctls and the device's offloads, both while the link is down: an IPv6 address that
// exists when a link comes up would be probed for.
func (l *Lab) tune(side Side) error {
	e := &l.ends[side]
	set := map[string]string{
		// Answers to AnyIP sources leave by a route that reverse-path filtering may dislike.
		"net/ipv4/conf/all/rp_filter":           "0",
		"net/ipv4/conf/default/rp_filter":       "0",
		"net/ipv4/conf/" + e.dev + "/rp_filter": "0",
		"net/ipv4/conf/lo/rp_filter":            "0",
	}
	if side == Server {
		set["net/ipv4/ip_unprivileged_port_start"] = "0" // whoever the server runs as, see AsCaller
	}
	if l.v6 {
		conf := "net/ipv6/conf/" + e.dev
		for k, v := range map[string]string{
			"net/ipv6/conf/lo/disable_ipv6": "0",
			conf + "/disable_ipv6":          "0",
			conf + "/accept_dad":            "0", // no duplicate-address detection: addresses work at once
			conf + "/accept_ra":             "0",
			conf + "/router_solicitations":  "0",
			conf + "/addr_gen_mode":         "1", // no link-local address, so no multicast chatter on the link
			"net/ipv6/ip_nonlocal_bind":     "1", // AnyIP: IPV6_PKTINFO wants this for an address of a local route
		} {
			set[k] = v
		}
	}
	return inside(e.ns, func() error {
		for name, value := range set {
			if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0); err != nil {
				return fmt.Errorf("set sysctl %s=%s for the %s: %w", strings.ReplaceAll(name, "/", "."), value, side, err)
			}
		}
		return setOffloads(e.dev)
	})
}

// raise brings loopback and the link up on both sides and waits until the kernel has noticed: before that, packets
// vanish in the noop queueing discipline.
func (l *Lab) raise(ctx context.Context) error {
	for _, side := range sides {
		e := &l.ends[side]
		for _, link := range []netlink.Link{e.lo, e.link} {
			if err := e.nl.LinkSetUp(link); err != nil {
				return fmt.Errorf("bring up %s of the %s: %w", link.Attrs().Name, side, err)
			}
		}
	}
	deadline := time.Now().Add(linkTimeout)
	for _, side := range sides {
		e := &l.ends[side]
		for {
			link, err := e.nl.LinkByIndex(e.link.Attrs().Index)
			if err != nil {
				return fmt.Errorf("look at link %s: %w", e.dev, err)
			}
			if link.Attrs().OperState == netlink.OperUp {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("link %s is %v after %v", e.dev, link.Attrs().OperState, linkTimeout)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Millisecond):
			}
		}
	}
	return nil
}

// address gives both sides their addresses, permanent neighbours (so that no trial ever waits for ARP or NDP), the
// route back to the sources, and the AnyIP ranges.
func (l *Lab) address() error {
	s := l.spec
	if err := l.addressFamily(s.ServerAddr4, s.ClientAddr4, s.Sources4); err != nil || !l.v6 {
		return err
	}
	return l.addressFamily(s.ServerAddr6, s.ClientAddr6, s.Sources6)
}

func (l *Lab) addressFamily(server, client, sources netip.Prefix) error {
	own := [2]netip.Prefix{Server: server, Client: client}
	for _, side := range sides {
		e := &l.ends[side]
		addr := &netlink.Addr{IPNet: ipNet(own[side])}
		if server.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := e.nl.AddrAdd(e.link, addr); err != nil {
			return fmt.Errorf("add address %v to the %s: %w", own[side], side, err)
		}
		peer := own[side.other()].Addr()
		if err := e.nl.NeighSet(&netlink.Neigh{
			LinkIndex: e.link.Attrs().Index, IP: peer.AsSlice(), HardwareAddr: hardware[side.other()], State: netlink.NUD_PERMANENT,
		}); err != nil {
			return fmt.Errorf("add neighbour %v to the %s: %w", peer, side, err)
		}
	}
	back := &netlink.Route{LinkIndex: l.ends[Server].link.Attrs().Index, Dst: ipNet(sources), Gw: client.Addr().AsSlice()}
	if err := l.ends[Server].nl.RouteAdd(back); err != nil {
		return fmt.Errorf("add route %v via %v to the server: %w", sources, client.Addr(), err)
	}
	anyIP := &netlink.Route{
		LinkIndex: l.ends[Client].lo.Attrs().Index, Dst: ipNet(sources), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL,
		Scope: netlink.SCOPE_HOST,
	}
	if err := l.ends[Client].nl.RouteAdd(anyIP); err != nil {
		return fmt.Errorf("add local route %v to the client: %w", sources, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func hasIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return !errors.Is(err, os.ErrNotExist)
}
