package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/bench/measure"
	"supernode/internal/apart"
)

// patience bounds every wait for a datagram or a process; reaching it is a failure.
const patience = 10 * time.Second

// up makes a lab that the test's end closes.
func up(t *testing.T) *Lab {
	t.Helper()
	apart.NeedRoot(t)
	l, err := Up(context.Background(), Default())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// listenIn opens a UDP socket inside a side.
func listenIn(l *Lab, side Side, addr netip.AddrPort) (*net.UDPConn, error) {
	var c *net.UDPConn
	err := l.Do(side, func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
		return err
	})
	return c, err
}

// serve echoes datagrams at an address of the server until the test ends.
func serve(t *testing.T, l *Lab, addr netip.AddrPort) {
	t.Helper()
	c, err := listenIn(l, Server, addr)
	require.NoError(t, err)
	go echo(c)
	t.Cleanup(func() { c.Close() })
}

func echo(c *net.UDPConn) {
	for buf := make([]byte, 2048); ; {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		_, _ = c.WriteToUDPAddrPort(buf[:n], from)
	}
}

// ask sends one datagram from an address of the client and waits for its echo.
func ask(l *Lab, from netip.Addr, to netip.AddrPort) error {
	c, err := listenIn(l, Client, netip.AddrPortFrom(from, 0))
	if err != nil {
		return err
	}
	defer c.Close()
	return askFrom(c, to)
}

// askFrom does the same from an open socket.
func askFrom(c *net.UDPConn, to netip.AddrPort) error {
	if _, err := c.WriteToUDPAddrPort([]byte("ping"), to); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	buf := make([]byte, 16)
	n, addr, err := c.ReadFromUDPAddrPort(buf)
	if err != nil {
		return fmt.Errorf("from %v to %v: %w", c.LocalAddr(), to, err)
	}
	if got := netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()); got != to || string(buf[:n]) != "ping" {
		return fmt.Errorf("%q came from %v, want the echo from %v", buf[:n], got, to)
	}
	return nil
}

// echoOnce serves one echo and asks for it from an AnyIP address.
func echoOnce(l *Lab) error {
	c, err := listenIn(l, Server, l.ServerEndpoint())
	if err != nil {
		return err
	}
	defer c.Close()
	go echo(c)
	return ask(l, l.Spec().Sources4.Addr().Next(), l.ServerEndpoint())
}

func TestTraffic(t *testing.T) {
	l := up(t)
	serve(t, l, l.ServerEndpoint())
	serve(t, l, l.ServerEndpoint6())
	require.Empty(t, l.Warnings())

	last4 := netip.MustParseAddr("198.19.255.255")
	require.True(t, l.Spec().Sources4.Contains(last4))
	for _, c := range []struct {
		name string
		from netip.Addr
		to   netip.AddrPort
	}{
		{"link IPv4", l.Spec().ClientAddr4.Addr(), l.ServerEndpoint()},
		{"link IPv6", l.Spec().ClientAddr6.Addr(), l.ServerEndpoint6()},
		{"first of the AnyIP range", netip.MustParseAddr("198.18.0.0"), l.ServerEndpoint()},
		{"inside the AnyIP range", netip.MustParseAddr("198.18.77.5"), l.ServerEndpoint()},
		{"last of the AnyIP range", last4, l.ServerEndpoint()},
		{"AnyIP IPv6", netip.MustParseAddr("fd00:18:1::beef"), l.ServerEndpoint6()},
		{"last AnyIP IPv6", netip.MustParseAddr("fd00:18:1:0:ffff:ffff:ffff:ffff"), l.ServerEndpoint6()},
	} {
		t.Run(c.name, func(t *testing.T) { require.NoError(t, ask(l, c.from, c.to)) })
	}
}

// TestSourceByControlMessage: one socket of the client speaks as any address of the ranges, as the generator does.
func TestSourceByControlMessage(t *testing.T) {
	l := up(t)
	for _, c := range []struct {
		name    string
		to      netip.AddrPort
		from    netip.Addr
		control func(netip.Addr) []byte
	}{
		{"IP_PKTINFO", l.ServerEndpoint(), netip.MustParseAddr("198.19.1.2"), func(a netip.Addr) []byte {
			return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: a.As4()})
		}},
		{"IPV6_PKTINFO", l.ServerEndpoint6(), netip.MustParseAddr("fd00:18:1::1:2"), func(a netip.Addr) []byte {
			return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: a.As16()})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, err := listenIn(l, Server, c.to)
			require.NoError(t, err)
			defer server.Close()
			client, err := listenIn(l, Client, netip.AddrPort{})
			require.NoError(t, err)
			defer client.Close()
			_, _, err = client.WriteMsgUDPAddrPort([]byte("x"), c.control(c.from), c.to)
			require.NoError(t, err)
			require.NoError(t, server.SetReadDeadline(time.Now().Add(patience)))
			_, from, err := server.ReadFromUDPAddrPort(make([]byte, 8))
			require.NoError(t, err)
			require.Equal(t, c.from, from.Addr().Unmap())
		})
	}
}

// TestReceiveThreadsDoTheWork: both sides' receive work is done by their own kernel threads, on their own cores.
func TestReceiveThreadsDoTheWork(t *testing.T) {
	l := up(t)
	serve(t, l, l.ServerEndpoint())
	require.NotZero(t, l.NAPI(Server))
	require.NotZero(t, l.NAPI(Client))
	require.NotEqual(t, l.NAPI(Server), l.NAPI(Client))
	for _, side := range sides {
		var set unix.CPUSet
		require.NoError(t, unix.SchedGetaffinity(l.NAPI(side), &set))
		require.Equal(t, 1, set.Count())
		require.True(t, set.IsSet(l.cpu(side)), "receive thread of the %s is on its core", side)
	}

	clocks, err := measure.Open(measure.Target{
		ServerNAPI: l.NAPI(Server), ClientNAPI: l.NAPI(Client), ServerCPU: l.Spec().ServerCPU, ClientCPU: l.Spec().ClientCPU,
		InServer: func(f func() error) error { return l.Do(Server, f) },
	})
	require.NoError(t, err)
	defer clocks.Close()
	before, err := clocks.Snapshot()
	require.NoError(t, err)
	for range 20 {
		require.NoError(t, ask(l, l.Spec().ClientAddr4.Addr(), l.ServerEndpoint()))
	}
	after, err := clocks.Snapshot()
	require.NoError(t, err)
	require.NoError(t, after.Sub(before).Check())
	require.Empty(t, after.Conntrack.Unchecked)
	require.Zero(t, after.Conntrack.Count)
}

func TestLosses(t *testing.T) {
	l := up(t)
	before, err := l.Losses(Server)
	require.NoError(t, err)
	c, err := listenIn(l, Client, netip.AddrPort{})
	require.NoError(t, err)
	defer c.Close()
	const n = 3
	for range n {
		_, err := c.WriteToUDPAddrPort([]byte("x"), l.ServerEndpoint())
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		after, err := l.Losses(Server)
		return err == nil && after.Sub(before).NoPort == n
	}, patience, time.Millisecond, "datagrams to a port nobody has are counted")
}

// TestFullRing: what a burst loses in front of the server's stack is seen as lost in the ring.
func TestFullRing(t *testing.T) {
	l := up(t)
	c, err := listenIn(l, Client, netip.AddrPort{})
	require.NoError(t, err)
	defer c.Close()
	// The receive thread cannot run while the sender does: both are on one core.
	require.NoError(t, pin(l.NAPI(Server), l.Spec().ClientCPU))
	require.NoError(t, l.Do(Client, func() error {
		if err := pin(0, l.Spec().ClientCPU); err != nil {
			return err
		}
		for deadline := time.Now().Add(patience); ; {
			for range 1000 {
				if _, err := c.WriteToUDPAddrPort([]byte("x"), l.ServerEndpoint()); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
					return err
				}
			}
			lost, err := l.Losses(Server)
			if err != nil || lost.Ring > 0 {
				return err
			}
			if time.Now().After(deadline) {
				return errors.New("a ring of 256 never overflowed")
			}
		}
	}))
}
