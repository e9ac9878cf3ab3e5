package udp

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

// inNamespace runs test as a subtest in a network namespace of its own, which ends with it.
func inNamespace(t *testing.T, name string, test func(t *testing.T)) {
	apart.NeedRoot(t)
	t.Run(name, func(t *testing.T) {
		require.NoError(t, apart.Enter())
		test(t)
	})
}

// addAddress returns when the address can be used: for IPv6 the kernel makes its route in its own time,
// and says when.
func addAddress(t *testing.T, link, cidr string) {
	t.Helper()
	l, err := netlink.LinkByName(link)
	require.NoError(t, err)
	addr, err := netlink.ParseAddr(cidr)
	require.NoError(t, err)
	if addr.IP.To4() != nil {
		require.NoError(t, netlink.AddrAdd(l, addr))
		return
	}
	addr.Flags = unix.IFA_F_NODAD
	updates, done := make(chan netlink.RouteUpdate), make(chan struct{})
	require.NoError(t, netlink.RouteSubscribe(updates, done))
	defer close(done)
	require.NoError(t, netlink.AddrAdd(l, addr))
	for expired := time.After(patienceOfTests); ; {
		select {
		case u := <-updates:
			if u.Type == unix.RTM_NEWROUTE && u.Route.Type == unix.RTN_LOCAL && u.Dst != nil && u.Dst.IP.Equal(addr.IP) {
				return
			}
		case <-expired:
			require.Fail(t, "no route", "to %s on %s", cidr, link)
		}
	}
}

// addVeth adds a pair of interfaces, up, with an IPv4 network and a link-local address on the first.
func addVeth(t *testing.T, name, peer string) *netlink.Veth {
	t.Helper()
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: peer}
	require.NoError(t, netlink.LinkAdd(veth))
	p, err := netlink.LinkByName(peer)
	require.NoError(t, err)
	require.NoError(t, netlink.LinkSetUp(veth))
	require.NoError(t, netlink.LinkSetUp(p))
	addAddress(t, name, "198.18.0.1/24")
	addAddress(t, name, "fe80::53/64")
	return veth
}

func TestFirewallDropIsPermission(t *testing.T) {
	for _, b := range backends {
		inNamespace(t, b.name, func(t *testing.T) {
			tr := b.mustOpen(t, Options{}, "127.0.0.1:0", "127.0.0.1:0")
			open, blocked := tr.Local()[0], tr.Local()[1]
			dropOutput(t, blocked.Port())
			out := NewOutbox(0)
			for _, to := range []netip.AddrPort{open, blocked, open, blocked, blocked, open} {
				out.Add(append(out.Buffer(), "through"...), to, netip.Addr{})
			}
			tr.Send(out, 0)
			receive(t, tr, NewInbox(0), 3)
			require.EqualValues(t, 3, tr.Stats().Sent)
			require.Equal(t, SendErrors{Permission: 3}, tr.Stats().SendErrors)
		})
	}
}

// dropOutput drops, on their way out, the datagrams to a port.
func dropOutput(t *testing.T, port uint16) {
	c, err := nftables.New()
	require.NoError(t, err)
	table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "udp-test"})
	chain := c.AddChain(&nftables.Chain{Name: "output", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter})
	const offsetDestination, portSize = 2, 2
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offsetDestination, Len: portSize},
		&expr.Cmp{Register: 1, Op: expr.CmpOpEq, Data: []byte{byte(port >> 8), byte(port)}},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}})
	require.NoError(t, c.Flush())
}

func TestNoRouteIsUnreachable(t *testing.T) {
	for _, b := range backends {
		inNamespace(t, b.name, func(t *testing.T) {
			for _, tc := range []struct{ listen, to string }{
				{"0.0.0.0:0", "192.0.2.1:6881"}, {"[::]:0", "[2001:db8::1]:6881"},
			} {
				tr := b.mustOpen(t, Options{}, tc.listen)
				send(tr, netip.MustParseAddrPort(tc.to), netip.Addr{}, numbered(3)...)
				require.Equal(t, SendErrors{Unreachable: 3}, tr.Stats().SendErrors)
				require.Zero(t, tr.Stats().SendCalls)
			}
		})
	}
}

// Datagrams to a neighbour that does not answer ARP stay in the send buffer until it is full.
func TestFullSendBuffer(t *testing.T) {
	inNamespace(t, "mmsg", func(t *testing.T) {
		addVeth(t, "one", "two")
		tr := mmsgBackend.mustOpen(t, Options{SendBuffer: 1}, "0.0.0.0:0") // the kernel has a minimum
		send(tr, netip.MustParseAddrPort("198.18.0.2:6881"), netip.Addr{}, numbered(64)...)
		s := tr.Stats()
		require.Positive(t, s.Sent)
		require.Positive(t, s.SendErrors.NoBuffer)
		require.EqualValues(t, 64, s.Sent+s.SendErrors.NoBuffer)
	})
}

func TestWildcardIPv6AnswersFromQueriedAddress(t *testing.T) {
	inNamespace(t, "mmsg", func(t *testing.T) {
		addAddress(t, "lo", "2001:db8::1/128")
		addAddress(t, "lo", "2001:db8::2/128")
		server := mmsgBackend.mustOpen(t, Options{}, "[::]:0")
		client := mmsgBackend.mustOpen(t, Options{}, "[::1]:0")
		for _, queried := range []string{"2001:db8::2", "2001:db8::1", "::1"} {
			to := netip.AddrPortFrom(netip.MustParseAddr(queried), server.Local()[0].Port())
			exchange(t, client, server, to)
		}
	})
}

// The interface of a link-local address must survive, or it cannot be answered; and it must not cost
// an allocation a datagram.
func TestLinkLocal(t *testing.T) {
	for _, listen := range []string{"[::]:0", "[fe80::53%one]:0"} {
		for _, b := range backends {
			inNamespace(t, b.name+listen, func(t *testing.T) {
				index := addVeth(t, "one", "two").Index
				server := b.mustOpen(t, Options{LocalAddr: true}, listen)
				client := b.mustOpen(t, Options{LocalAddr: true}, "[fe80::53%one]:0")
				named := netip.MustParseAddrPort("[fe80::53%one]:0")
				to := netip.AddrPortFrom(named.Addr(), server.Local()[0].Port())
				if b.name == "net" {
					send(client, to, netip.Addr{}, "query")
					d := receive(t, server, NewInbox(0), 1)[0]
					require.Equal(t, "one", d.source.Addr().Zone())
					send(server, d.source, netip.Addr{}, "answer")
					require.Equal(t, to, receive(t, client, NewInbox(0), 1)[0].source)
					return
				}
				exchange(t, client, server, to)
				ifi, err := net.InterfaceByName("one")
				require.NoError(t, err)
				require.Equal(t, index, ifi.Index)
				in, out := NewInbox(0), NewOutbox(0)
				require.Zero(t, testing.AllocsPerRun(20, func() { pingPong(t, client, server, to, in, out) }))
				send(client, netip.MustParseAddrPort("[fe80::53%nosuch]:6881"), netip.Addr{}, "lost")
				require.Equal(t, SendErrors{Other: 1}, client.Stats().SendErrors)
				_, err = OpenMmsg([]netip.AddrPort{netip.MustParseAddrPort("[fe80::53%nosuch]:0")}, Options{})
				require.ErrorContains(t, err, `"nosuch"`)
			})
		}
	}
}

// exchange sends a query to an address of the server and checks that the answer comes from there.
func exchange(t *testing.T, client, server Transport, to netip.AddrPort) {
	t.Helper()
	in := NewInbox(0)
	send(client, to, netip.Addr{}, "query")
	require.Equal(t, SendErrors{}, client.Stats().SendErrors)
	d := receive(t, server, in, 1)[0]
	require.Equal(t, to.Addr().WithZone(""), d.local.WithZone(""))
	require.Equal(t, client.Local()[0], d.source)
	send(server, d.source, d.local, "answer")
	answer := receive(t, client, in, 1)[0]
	require.Equal(t, to.Addr().WithZone(""), answer.source.Addr().WithZone(""))
	require.Equal(t, d.local, answer.source.Addr())
	require.Equal(t, SendErrors{}, server.Stats().SendErrors)
}

// An IPv4 broadcast is answered from the address of ours that faces it.
func TestBroadcastLocal(t *testing.T) {
	inNamespace(t, "mmsg", func(t *testing.T) {
		addVeth(t, "one", "two")
		server := mmsgBackend.mustOpen(t, Options{}, "0.0.0.0:0")
		client, err := net.Dial("udp4", netip.AddrPortFrom(netip.MustParseAddr("198.18.0.255"), server.Local()[0].Port()).String())
		require.NoError(t, err)
		defer client.Close()
		_, err = client.Write([]byte("anyone?"))
		require.NoError(t, err)
		d := receive(t, server, NewInbox(0), 1)[0]
		require.Equal(t, "198.18.0.1", d.local.String())
	})
}
