package main

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"supernode/dht/wire"
	"supernode/internal/apart"
)

// inNamespace runs f on a thread in a network namespace of its own, which goes with the thread. Programs that
// f starts, and sockets that it opens, belong to the namespace.
func inNamespace(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	apart.NeedRoot(t)
	t.Run("in a namespace", func(t *testing.T) { // a goroutine of its own
		require.NoError(t, apart.Enter())
		f(t)
	})
}

// addAddress gives the namespace an address.
func addAddress(t *testing.T, cidr string) {
	lo, err := netlink.LinkByName("lo")
	require.NoError(t, err)
	a, err := netlink.ParseAddr(cidr)
	require.NoError(t, err)
	// Without a prefix route: on lo the kernel makes that one a reject route.
	a.Flags = unix.IFA_F_NODAD | unix.IFA_F_NOPREFIXROUTE
	require.NoError(t, netlink.AddrAdd(lo, a))
	awaitRoute(t, a.IP)
}

// awaitRoute waits until addr can be sent to: an IPv6 address gets its route from a kernel worker, in the
// worker's own time. (Not with require.Eventually, which would ask from another thread's namespace.)
func awaitRoute(t *testing.T, addr net.IP) {
	t.Helper()
	for end := time.Now().Add(waitLimit); ; time.Sleep(waitStep) {
		conn, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: addr, Port: 9})
		if err == nil {
			require.NoError(t, conn.Close())
			return
		}
		require.True(t, time.Now().Before(end), "no route to %s: %v", addr, err)
	}
}

// addRange gives the namespace all addresses of a range.
func addRange(t *testing.T, cidr string) {
	lo, err := netlink.LinkByName("lo")
	require.NoError(t, err)
	dst := netip.MustParsePrefix(cidr)
	require.NoError(t, netlink.RouteAdd(&netlink.Route{
		LinkIndex: lo.Attrs().Index,
		Type:      unix.RTN_LOCAL,
		Table:     unix.RT_TABLE_LOCAL,
		Scope:     netlink.SCOPE_HOST,
		Dst: &net.IPNet{
			IP:   dst.Addr().AsSlice(),
			Mask: net.CIDRMask(dst.Bits(), dst.Addr().BitLen()),
		},
	}))
}

func respondAt(t *testing.T, addr string, b behaviour) *responder {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
	require.NoError(t, err)
	return serveOn(t, conn, b)
}

// A public address gets not a single query without consent, and what was asked for with it.
func TestPublicTarget(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(t *testing.T) {
		addAddress(t, "203.0.113.5/32")
		r := respondAt(t, "203.0.113.5:6881", good)
		loadgen(t, r.addr.String()).oneLine(t, 2, "public", "--i-may-flood-this")
		require.Empty(t, r.all())
		got := measure(t, "--i-may-flood-this", "--flows", "10", "--duration", "100ms", "--timeout", "300ms", r.addr.String())
		require.EqualValues(t, len(r.all()), got.Sent)
		require.Equal(t, got.Sent, got.Answered)
		require.Len(t, flowsOf(r.all()), 10)
	})
}

// One socket speaks as many hosts, and when the hosts do not suffice there are more sockets.
func TestSources(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(t *testing.T) {
		addRange(t, "198.18.0.0/15")
		addAddress(t, "10.0.0.1/32")
		r := respondAt(t, "10.0.0.1:6881", good)
		for _, tt := range []struct {
			sources    string
			flows      string
			threads    string
			hosts, all int
		}{
			{"198.18.0.0/15", "300", "1", 300, 300},
			{"198.18.0.0/29", "300", "1", 6, 300},
			{"198.18.0.0/15", "300", "3", 300, 300},
			{"198.18.0.0/31", "300", "3", 2, 300}, // fewer than threads
		} {
			before := len(r.all())
			got := measure(t, "--sources", tt.sources, "--flows", tt.flows, "--threads", tt.threads, "--mix", "get_peers=1", "--timeout", "300ms", r.addr.String())
			queries := r.all()[before:]
			require.EqualValues(t, len(queries), got.Sent)
			require.Equal(t, got.Sent, got.Answered)
			flows, hosts := flowsOf(queries), map[netip.Addr]bool{}
			require.Len(t, flows, tt.all)
			for f := range flows {
				hosts[f.Addr()] = true
				require.True(t, netip.MustParsePrefix(tt.sources).Contains(f.Addr()))
			}
			require.Len(t, hosts, tt.hosts)
		}
		loadgen(t, "--sources", "10.9.0.0/24", r.addr.String()).oneLine(t, 2, "ip route add local 10.9.0.0/24")
	})
}

// A million hosts from one socket, each known for what it is and answering the target, between trials, too.
func TestMillionFlows(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(t *testing.T) {
		const million = 1_000_000
		addRange(t, "10.64.0.0/10")
		addAddress(t, "10.0.0.1/32")
		r := respondAt(t, "10.0.0.1:6881", good)
		c := startControlled(t, "--flows", "1000000", "--infohashes", "1000000", "--zipf", "1", "--sources", "10.64.0.0/10",
			"--mix", "announce_peer=1", "--timeout", "1s", "--warmup", "0s", r.addr.String())
		require.Equal(t, million, c.next("ready").Flows)
		got := c.trial(`{"rate": 10000, "duration_s": 0.2, "walk": true}`)
		require.Equal(t, got.Sent, got.Answered)
		require.EqualValues(t, len(flowsOf(r.all())), got.Walked.Flows, "each flow is another host")
		require.Equal(t, got.Walked.Flows, got.Walked.Infohashes)

		p := netip.MustParsePrefix("10.64.0.0/10")
		l, err := planFlows(million, r.addr.Addr(), p, true, part{})
		require.NoError(t, err)
		port := r.all()[0].from.Port()
		hosts := []uint32{0, 1, million / 2, million - 1}
		for _, flow := range hosts {
			ping := wire.Message{Kind: wire.Query, Method: wire.Ping, T: []byte("idle"), ID: responderID}
			r.send(ping.Append(nil), netip.AddrPortFrom(l.source(flow), port))
		}
		for end := time.Now().Add(waitLimit); len(r.responses()) < len(hosts); time.Sleep(waitStep) {
			require.True(t, time.Now().Before(end), "%d of %d hosts answered", len(r.responses()), len(hosts))
		}
		for i, a := range r.responses() {
			var id wire.ID
			derive(&id, 1, kindFlow, hosts[i])
			require.Equal(t, id[:], a.m.ID)
		}
		c.end()
	})
}

// nonlocalBind is the setting of the network namespace of the thread that opens it.
const nonlocalBind = "/proc/sys/net/ipv6/ip_nonlocal_bind"

func TestSources6(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(t *testing.T) {
		addAddress(t, "fd00::1/128")
		addRange(t, "fd00:18:1::/64")
		r := respondAt(t, "[fd00::1]:6881", good)
		args := []string{"--sources", "fd00:18:1::/64", "--flows", "200", "--mix", "get_peers=1", "--timeout", "300ms", r.addr.String()}
		loadgen(t, args...).oneLine(t, 2, "net.ipv6.ip_nonlocal_bind=1")
		require.NoError(t, os.WriteFile(nonlocalBind, []byte("1"), 0))
		got := measure(t, args...)
		require.EqualValues(t, len(r.all()), got.Sent)
		require.Equal(t, got.Sent, got.Answered)
		require.Len(t, flowsOf(r.all()), 200)

		// Without a range, a socket a flow.
		before := len(r.all())
		got = measure(t, "--flows", "20", "--timeout", "300ms", r.addr.String())
		require.Equal(t, got.Sent, got.Answered)
		require.Len(t, flowsOf(r.all()[before:]), 20)
	})
}
