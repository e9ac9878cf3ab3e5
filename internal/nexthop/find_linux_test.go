package nexthop

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

var (
	near = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	far  = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

// beside runs test in a namespace with a link, "near", to another in which there is 198.18.0.2 and fd00:18::2.
func beside(t *testing.T, test func(t *testing.T, link netlink.Link)) {
	apart.NeedRoot(t)
	t.Run("in a namespace", func(t *testing.T) {
		require.NoError(t, apart.Enter())
		ns, end := make(chan int), make(chan struct{})
		go func() { // the namespace ends with it
			fd := -1
			if apart.Enter() == nil {
				fd, _ = unix.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			}
			ns <- fd
			<-end
		}()
		fd := <-ns
		require.Positive(t, fd)
		t.Cleanup(func() { close(end); unix.Close(fd) })
		require.NoError(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "near", HardwareAddr: near}, PeerName: "far",
			PeerHardwareAddr: far, PeerNamespace: netlink.NsFd(fd)}))
		there, err := netlink.NewHandleAt(netns.NsHandle(fd))
		require.NoError(t, err)
		t.Cleanup(there.Close)
		here, err := netlink.NewHandle()
		require.NoError(t, err)
		t.Cleanup(here.Close)
		raise(t, there, "far", "198.18.0.2/24", "fd00:18::2/64")
		test(t, raise(t, here, "near", "198.18.0.1/24", "fd00:18::1/64"))
	})
}

func raise(t *testing.T, h *netlink.Handle, name string, addrs ...string) netlink.Link {
	link, err := h.LinkByName(name)
	require.NoError(t, err)
	for _, a := range addrs {
		addr, err := netlink.ParseAddr(a)
		require.NoError(t, err)
		addr.Flags = unix.IFA_F_NODAD
		require.NoError(t, h.AddrAdd(link, addr))
	}
	require.NoError(t, h.LinkSetUp(link))
	return link
}

func TestFind(t *testing.T) {
	beside(t, func(t *testing.T, link netlink.Link) {
		want := Hop{Interface: link.Attrs().Index, MTU: 1500, Local: [6]byte(near), Peer: [6]byte(far)}
		for range 2 { // the second time the kernel knows the neighbour
			for target, source := range map[string]string{"198.18.0.2:6881": "198.18.0.1", "[fd00:18::2]:6881": "fd00:18::1"} {
				want.Source = netip.MustParseAddr(source)
				hop, err := Find(t.Context(), netip.MustParseAddrPort(target))
				require.NoError(t, err, target)
				require.Equal(t, want, hop, target)
			}
		}
		// Through a gateway.
		_, dst, err := net.ParseCIDR("203.0.113.0/24")
		require.NoError(t, err)
		require.NoError(t, netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: dst, Gw: net.IPv4(198, 18, 0, 2)}))
		hop, err := Find(t.Context(), netip.MustParseAddrPort("203.0.113.9:53"))
		require.NoError(t, err)
		want.Source = netip.MustParseAddr("198.18.0.1")
		require.Equal(t, want, hop)
	})
}

func TestFindErrors(t *testing.T) {
	beside(t, func(t *testing.T, link netlink.Link) {
		// One question, soon given up.
		for knob, value := range map[string]string{"mcast_solicit": "1", "retrans_time_ms": "10"} {
			require.NoError(t, os.WriteFile("/proc/sys/net/ipv4/neigh/near/"+knob, []byte(value), 0))
		}
		for target, want := range map[string]string{
			"127.0.0.1:6881":    "127.0.0.1: it is an address of this machine",
			"[::1]:6881":        "::1: it is an address of this machine",
			"198.18.0.1:6881":   "198.18.0.1: it is an address of this machine",
			"192.0.2.1:6881":    "192.0.2.1: ask for the route",
			"198.18.0.200:6881": "neighbour 198.18.0.200 does not say its hardware address",
		} {
			_, err := Find(t.Context(), netip.MustParseAddrPort(target))
			require.ErrorContains(t, err, want)
		}
		require.NoError(t, netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tun"}, Mode: netlink.TUNTAP_MODE_TUN}))
		tun, err := netlink.LinkByName("tun")
		require.NoError(t, err)
		addr, err := netlink.ParseAddr("192.0.2.1/24")
		require.NoError(t, err)
		require.NoError(t, netlink.AddrAdd(tun, addr))
		require.NoError(t, netlink.LinkSetUp(tun))
		_, err = Find(t.Context(), netip.MustParseAddrPort("192.0.2.7:6881"))
		require.ErrorContains(t, err, "it leads through tun, which is no Ethernet link")
	})
}

// TestFindGatewayOfOtherFamily: a route of IPv4 whose gateway is one of IPv6 is refused by name.
func TestFindGatewayOfOtherFamily(t *testing.T) {
	beside(t, func(t *testing.T, link netlink.Link) {
		_, dst, err := net.ParseCIDR("203.0.113.0/24")
		require.NoError(t, err)
		require.NoError(t, netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: dst,
			Via: &netlink.Via{AddrFamily: netlink.FAMILY_V6, Addr: net.ParseIP("fd00:18::2")}}))
		_, err = Find(t.Context(), netip.MustParseAddrPort("203.0.113.9:53"))
		require.ErrorContains(t, err, "it leads through the gateway fd00:18::2, of another family")
	})
}

// TestFindInterrupted: the wait for a silent neighbour ends with its context.
func TestFindInterrupted(t *testing.T) {
	beside(t, func(t *testing.T, _ netlink.Link) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := Find(ctx, netip.MustParseAddrPort("198.18.0.200:6881"))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "neighbour 198.18.0.200")
	})
}
