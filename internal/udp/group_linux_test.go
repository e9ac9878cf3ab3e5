package udp

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func openGroup(t *testing.T, n int, addrs ...string) []Transport {
	t.Helper()
	var listen []netip.AddrPort
	for _, a := range addrs {
		listen = append(listen, netip.MustParseAddrPort(a))
	}
	group, err := OpenMmsgGroup(listen, Options{}, n)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, closeAll(group)) })
	require.Len(t, group, n)
	return group
}

// anyIPv6 makes every address of a prefix this namespace's own.
func anyIPv6(t *testing.T, cidr string) {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	require.NoError(t, err)
	network, err := netlink.ParseIPNet(cidr)
	require.NoError(t, err)
	require.NoError(t, netlink.RouteAdd(&netlink.Route{
		LinkIndex: lo.Attrs().Index, Dst: network, Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST,
	}))
}

// TestGroupSteers sends from many sources, from two ports each, and for IPv6 from two /64s of each /48: a source keeps to
// one transport, and no transport goes short.
func TestGroupSteers(t *testing.T) {
	inNamespace(t, "apart", func(t *testing.T) {
		anyIPv6(t, "2001:db8::/32")
		const n, sources = 3, 300
		for _, c := range []struct {
			listen, hosts string
			source        func(i, k int) netip.Addr
		}{
			{"127.0.0.1:0", "0.0.0.0:0", func(i, _ int) netip.Addr { return netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}) }},
			{"[::1]:0", "[::]:0", func(i, k int) netip.Addr {
				return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, byte(i >> 8), byte(i), byte(k), byte(k), 15: byte(k)})
			}},
		} {
			group := openGroup(t, n, c.listen, c.listen) // as one address of several, too
			for number := range 2 {
				for k := range 2 {
					hosts := backends[0].mustOpen(t, Options{}, c.hosts)
					require.NoError(t, hosts.(*mmsg).eachSocket("IPV6_FREEBIND", func(s *socket) error {
						if s.is4 {
							return nil
						}
						return unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1) // to speak for all of the prefix
					}))
					for i := range sources {
						out := NewOutbox(1)
						out.Add(append(out.Buffer(), "q"...), group[0].Local()[number], c.source(i, k))
						hosts.Send(out, 0)
					}
					require.EqualValues(t, sources, hosts.Stats().Sent, "%+v", hosts.Stats())
				}
				seen, total := map[netip.Addr]int{}, 0
				for at, tr := range group {
					in, got := NewInbox(0), 0
					for {
						n, err := tr.Receive(in, 0)
						require.NoError(t, err)
						if n == 0 {
							break
						}
						for i := range n {
							require.Equal(t, number, in.Socket())
							source := in.Source(i).Addr()
							if source.Is6() {
								prefix, err := source.Prefix(48)
								require.NoError(t, err)
								source = prefix.Addr()
							}
							if before, ok := seen[source]; ok {
								require.Equal(t, before, at, "%v comes to two", source)
							}
							seen[source] = at
						}
						got += n
					}
					require.Greater(t, got, 2*sources/n/2, "transport %d of %d", at, n)
					total += got
				}
				require.Equal(t, 2*sources, total)
				require.Len(t, seen, sources)
			}
		}
	})
}

// TestGroupIsExclusive: a group takes no address from anybody, nobody takes one from it, and who joins it in spite of that
// gets nothing.
func TestGroupIsExclusive(t *testing.T) {
	inNamespace(t, "apart", func(t *testing.T) {
		taken := backends[0].mustOpen(t, Options{ReusePort: true}, "127.0.0.1:0")
		_, err := OpenMmsgGroup(taken.Local(), Options{}, 2)
		require.ErrorIs(t, err, syscall.EADDRINUSE)

		group := openGroup(t, 2, "127.0.0.1:0")
		_, err = OpenMmsg(group[0].Local(), Options{})
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		_, err = OpenMmsgGroup(group[0].Local(), Options{}, 2)
		require.ErrorIs(t, err, syscall.EADDRINUSE)

		joined := backends[0].mustOpen(t, Options{ReusePort: true}, group[0].Local()[0].String())
		hosts := backends[0].mustOpen(t, Options{}, "0.0.0.0:0")
		for i := range 200 {
			out := NewOutbox(1)
			out.Add(append(out.Buffer(), "q"...), group[0].Local()[0], netip.AddrFrom4([4]byte{127, 1, 1, byte(i)}))
			hosts.Send(out, 0)
		}
		require.EqualValues(t, 200, hosts.Stats().Sent)
		n, err := joined.Receive(NewInbox(0), 0)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestGroupErrors(t *testing.T) {
	free := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	_, err := OpenMmsgGroup(free, Options{}, 0)
	require.ErrorContains(t, err, "group of 0")
	_, err = OpenMmsgGroup(free, Options{Batch: -1}, 2)
	require.ErrorContains(t, err, "batch -1")
	require.Len(t, openGroup(t, 1, "127.0.0.1:0"), 1)
}
