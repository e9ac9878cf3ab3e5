package interop

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// init keeps every goroutine but the main one off the main thread, which could not be used up as onThread does: the
// runtime parks it instead of ending it, and it would stay in the namespace it was moved to.
func init() { runtime.LockOSThread() }

// family is an address family with the addresses of host N and of its router, in the notation of package fmt.
type family struct {
	name         string // as in the label of supernode_nodes
	host, router string
}

var families = []family{
	{name: "ipv4", host: "198.18.%d.1/24", router: "198.18.%d.254/24"},    // RFC 2544
	{name: "ipv6", host: "fd00:18:%d::1/64", router: "fd00:18:%d::fe/64"}, // RFC 4193
}

// network is a router to which hosts are added. All addresses are of one family.
type network struct {
	family family
	router *namespace
	hosts  int
	only   netip.Prefix // hosts have a route to nowhere else; the zero Prefix: to everywhere
	lost   context.CancelCauseFunc
}

// host is a network namespace with one address and one route.
type host struct {
	*namespace
	addr   netip.Addr
	prefix netip.Prefix // addr, and of how many bits its link's network is
	lost   context.CancelCauseFunc
}

// newNetwork makes a router. It calls lost when a process on one of its hosts has ended.
func newNetwork(t *testing.T, f family, lost context.CancelCauseFunc) *network {
	t.Helper()
	n := &network{family: f, router: newNamespace(t, "router"), lost: lost}
	n.router.set(t, "net/ipv4/ip_forward", "1")
	n.router.set(t, "net/ipv6/conf/all/forwarding", "1")
	return n
}

// host adds a host on a link of its own and waits until packets pass.
func (n *network) host(ctx context.Context, t *testing.T, name string) *host {
	t.Helper()
	n.hosts++
	own := netip.MustParsePrefix(fmt.Sprintf(n.family.host, n.hosts))
	gateway := netip.MustParsePrefix(fmt.Sprintf(n.family.router, n.hosts))
	h := &host{namespace: newNamespace(t, name), addr: own.Addr(), prefix: own, lost: n.lost}

	const device = "up"
	toHost := fmt.Sprintf("host%d", n.hosts)
	veth := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: device, PeerNamespace: netlink.NsFd(h.fd)}
	veth.Name = toHost
	require.NoError(t, n.router.netlink.LinkAdd(veth), "create veth pair to host %s", name)
	h.address(t, device, own)
	n.router.address(t, toHost, gateway)
	h.raise(t, device)
	n.router.raise(t, toHost)
	h.awaitUp(ctx, t, device)
	n.router.awaitUp(ctx, t, toHost)
	route := &netlink.Route{Gw: gateway.Addr().AsSlice()}
	if n.only.IsValid() {
		route.Dst = ipNet(n.only.Masked())
	}
	require.NoError(t, h.netlink.RouteAdd(route), "add route to host %s", name)
	return h
}

// isolate keeps the hosts that are added from now on from one another: they reach h and nobody else.
func (n *network) isolate(h *host) { n.only = h.prefix }

// namespace is a network namespace without a name: the kernel removes it, its links included, when the last process
// in it has ended and fd is closed, which the end of this process does too.
type namespace struct {
	name    string
	fd      int
	netlink *netlink.Handle
}

// newNamespace makes a namespace, its loopback up, that the test's end closes.
func newNamespace(t *testing.T, name string) *namespace {
	t.Helper()
	s := &namespace{name: name}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		var err error
		s.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	require.NoError(t, err, "create network namespace for %s", name)
	t.Cleanup(func() { unix.Close(s.fd) })
	s.netlink, err = netlink.NewHandleAt(netns.NsHandle(s.fd), unix.NETLINK_ROUTE)
	require.NoError(t, err, "open netlink of %s", name)
	t.Cleanup(s.netlink.Close)
	// IPv6 addresses, the router's link-local ones above all, work at once instead of being probed for during two
	// seconds in which packets are lost: a client that lost its first queries may look again after a quarter of an hour.
	s.set(t, "net/ipv6/conf/default/accept_dad", "0")
	s.set(t, "net/ipv6/conf/default/accept_ra", "0")
	s.raise(t, "lo")
	return s
}

// do runs f in the namespace. What f opens stays there.
func (s *namespace) do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(s.fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace of %s: %w", s.name, err)
		}
		return f()
	})
}

func (s *namespace) set(t *testing.T, sysctl, value string) {
	t.Helper()
	require.NoError(t, s.do(func() error {
		return os.WriteFile(filepath.Join("/proc/sys", sysctl), []byte(value), 0)
	}), "set sysctl of %s", s.name)
}

// address gives a device that is still down its address, without probing for duplicates: it works at once.
func (s *namespace) address(t *testing.T, device string, prefix netip.Prefix) {
	t.Helper()
	addr := &netlink.Addr{IPNet: ipNet(prefix)}
	if prefix.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	require.NoError(t, s.netlink.AddrAdd(s.link(t, device), addr), "add %v to %s", prefix, s.name)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func (s *namespace) raise(t *testing.T, device string) {
	t.Helper()
	require.NoError(t, s.netlink.LinkSetUp(s.link(t, device)), "bring up %s of %s", device, s.name)
}

// awaitUp waits until the kernel's link watcher has seen the link: before that, packets vanish.
func (s *namespace) awaitUp(ctx context.Context, t *testing.T, device string) {
	t.Helper()
	await(ctx, t, device+" of "+s.name+" is up", func() error {
		if state := s.link(t, device).Attrs().OperState; state != netlink.OperUp {
			return fmt.Errorf("it is %v", state)
		}
		return nil
	})
}

func (s *namespace) link(t *testing.T, device string) netlink.Link {
	t.Helper()
	link, err := s.netlink.LinkByName(device)
	require.NoError(t, err, "find link of %s", s.name)
	return link
}

// onThread runs f on an operating-system thread that ends with f, and so does whatever f does to the thread.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		done <- f()
	}()
	return <-done
}
