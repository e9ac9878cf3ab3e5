package udp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	xdpredirect "supernode/internal/xdp"
)

// onXDPPair is onPair for a transport that receives by XDP.
func onXDPPair(t *testing.T, name string, test func(t *testing.T, p packetPair)) {
	onPair(t, name, func(t *testing.T, p packetPair) {
		p.xdp = true
		test(t, p)
	})
}

// homeOf is where the client's first socket is reached.
func homeOf(family int, client Transport) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParsePrefix(packetClient[family]).Addr(), client.Local()[0].Port())
}

// What the program leaves to the kernel arrives all the same, through the sockets: datagrams of others, and fragments, which
// only the kernel puts together. They get their turn while the ring is never empty.
func TestXDPLeavesTheRest(t *testing.T) {
	for family, name := range families {
		onXDPPair(t, name, func(t *testing.T, p packetPair) {
			client, server, to := p.open(family, 1)
			home := homeOf(family, client)
			long := strings.Repeat("long", 1000)
			var other netip.AddrPort
			p.server(func() {
				for range 3 * patience {
					send(server, home, netip.Addr{}, "answer")
				}
				conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(to.Addr(), 0)))
				require.NoError(t, err)
				defer conn.Close()
				other = conn.LocalAddr().(*net.UDPAddr).AddrPort()
				_, err = conn.WriteToUDPAddrPort([]byte("another's"), home)
				require.NoError(t, err)
				_, err = conn.WriteToUDPAddrPort([]byte(long), home)
				require.NoError(t, err)
			})
			readable := []unix.PollFd{{Fd: int32(client.(*xdp).sockets[0].fd), Events: unix.POLLIN}}
			limit := unix.NsecToTimespec(int64(patienceOfTests))
			ready, errno := ppollNap(readable, &limit)
			for errno == unix.EINTR {
				ready, errno = ppollNap(readable, &limit)
			}
			require.Zero(t, errno)
			require.Equal(t, 1, ready)
			in := NewLongInbox(1, 2*len(long)) // batches of one: the ring has more at each turn
			got := receive(t, client, in, 3*patience+2)
			position := map[string]int{}
			for i, d := range got {
				position[string(d.payload)] = i
				if string(d.payload) == "answer" {
					require.Equal(t, to, d.source)
				} else {
					require.Equal(t, other, d.source)
				}
			}
			require.Len(t, position, 3)
			require.Less(t, position["another's"], position["answer"], "in its turn, and not after all of the ring")
			require.EqualValues(t, 2, client.Stats().ReceiveCalls, "one datagram each from the socket")
		})
	}
}

// Fragments of the target itself are the kernel's, as well.
func TestXDPFragments(t *testing.T) {
	onXDPPair(t, "IPv4", func(t *testing.T, p packetPair) {
		client, server, _ := p.open(0, 1)
		home := homeOf(0, client)
		fd := server.(*mmsg).sockets[0].fd
		require.NoError(t, unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT))
		long := bytes.Repeat([]byte("long"), 1000)
		require.NoError(t, unix.Sendto(fd, long, 0, &unix.SockaddrInet4{Port: int(home.Port()), Addr: home.Addr().As4()}))
		require.Equal(t, long, receive(t, client, NewLongInbox(0, len(long)), 1)[0].payload)
		require.EqualValues(t, 1, client.Stats().ReceiveCalls)
	})
}

// A datagram that says to be longer than its frame, or shorter than its header, is none.
func TestXDPOpen(t *testing.T) {
	target := netip.MustParseAddrPort("198.51.100.1:53")
	x := &xdp{
		packet: &packet{mmsg: &mmsg{sockets: []*socket{
			{is4: true, local: netip.MustParseAddrPort("198.51.100.2:4000")},
			{is4: true, wildcard: true, local: netip.MustParseAddrPort("0.0.0.0:4001")},
		}}},
		from: target,
	}
	frame := func(to string, length int) []byte {
		f, at := make([]byte, 100), netip.MustParseAddrPort(to)
		from := target.Addr().As4()
		copy(f[ethernetSize+12:], from[:])
		copy(f[ethernetSize+16:], at.Addr().AsSlice())
		udp := f[ethernetSize+ip4Size:]
		binary.BigEndian.PutUint16(udp, target.Port())
		binary.BigEndian.PutUint16(udp[2:], at.Port())
		binary.BigEndian.PutUint16(udp[4:], uint16(length))
		return f
	}
	const whole = 100 - ethernetSize - ip4Size
	for _, tt := range []struct {
		to     string
		length int
		socket int // -1: none
	}{
		{"198.51.100.2:4000", whole, 0},
		{"198.51.100.2:4000", udpSize, 0},
		{"198.51.100.3:4001", whole, 1},
		{"198.51.100.3:4001", whole - 9, 1},
		{"198.51.100.3:4001", whole + 1, -1},
		{"198.51.100.3:4001", udpSize - 1, -1},
		{"198.51.100.3:4000", whole, -1}, // bound to another address
		{"198.51.100.2:4002", whole, -1},
	} {
		d, ok := x.open(frame(tt.to, tt.length))
		require.Equal(t, tt.socket >= 0, ok, "%+v", tt)
		if !ok {
			continue
		}
		require.Equal(t, tt.socket, d.socket)
		require.Equal(t, target, d.source)
		require.Len(t, d.payload, tt.length-udpSize)
		if tt.socket == 1 {
			require.Equal(t, netip.MustParseAddrPort(tt.to).Addr(), d.local)
		} else {
			require.False(t, d.local.IsValid(), "not asked for")
		}
	}
}

// Frames that find the ring full are drops, and the ring goes on afterwards, round and round.
func TestXDPRingFull(t *testing.T) {
	onXDPPair(t, "IPv4", func(t *testing.T, p packetPair) {
		client, server, _ := p.open(0, 1)
		home := homeOf(0, client)
		const burst = 64
		sent := 0
		for end := time.Now().Add(patienceOfTests); client.Stats().BufferDrops == 0; sent += burst {
			require.True(t, time.Now().Before(end), "%d datagrams do not fill the ring", sent)
			send(server, home, netip.Addr{}, numbered(burst)...)
		}
		in := NewInbox(0)
		require.GreaterOrEqual(t, len(receive(t, client, in, rxFrames)), rxFrames)
		for n := 1; n > 0; { // what was still on its way
			var err error
			n, err = client.Receive(in, 10*nap)
			require.NoError(t, err)
		}
		s := client.Stats()
		require.LessOrEqual(t, s.Received+s.BufferDrops, uint64(sent), "what the link's own ring had no room for is not the socket's")
		for range 2 * rxEntries / burst {
			send(server, home, netip.Addr{}, numbered(burst)...)
			for i, d := range receive(t, client, in, burst) {
				require.Equal(t, numbered(burst)[i], string(d.payload))
			}
		}
		require.Equal(t, s.BufferDrops, client.Stats().BufferDrops)
	})
}

// It waits for the ring as for a socket, and is woken as any transport.
func TestXDPWaits(t *testing.T) {
	onXDPPair(t, "IPv4", func(t *testing.T, p packetPair) {
		client, server, _ := p.open(0, 1)
		home := homeOf(0, client)
		in := NewInbox(0)
		for _, d := range []time.Duration{0, time.Millisecond, 2 * nap} {
			n, err := client.Receive(in, d)
			require.NoError(t, err)
			require.Zero(t, n)
		}
		parked := make(chan struct{}, 1)
		onCall = func(name string) {
			if name == "park" {
				parked <- struct{}{}
			}
		}
		defer func() { onCall = nil }()
		for _, wake := range []func(){client.Wake, func() { send(server, home, netip.Addr{}, "awake") }} {
			woken := make(chan struct{})
			go func() {
				defer close(woken)
				<-parked
				wake()
			}()
			_, err := client.Receive(in, -1)
			require.NoError(t, err)
			<-woken
		}
		require.Equal(t, 1, in.Len())
		require.Equal(t, "awake", string(in.Payload(0)))
	})
}

func TestXDPDoesNotAllocate(t *testing.T) {
	onXDPPair(t, "IPv4", func(t *testing.T, p packetPair) {
		client, server, _ := p.open(0, 1)
		home := homeOf(0, client)
		in, out := NewInbox(0), NewOutbox(0)
		require.Zero(t, testing.AllocsPerRun(20, func() {
			moveBatch(t, server, client, home, in, out)
		}))
	})
}

// The link has the program while the transport is open, and one only; closed, it has none, and everything else can be
// closed once more.
func TestXDPCloses(t *testing.T) {
	onXDPPair(t, "IPv4", func(t *testing.T, p packetPair) {
		attached := func() bool {
			link, err := netlink.LinkByIndex(p.hop.Interface)
			require.NoError(t, err)
			return link.Attrs().Xdp != nil && link.Attrs().Xdp.Attached
		}
		require.False(t, attached())
		client, _, to := p.open(0, 1)
		require.True(t, attached())
		listen := []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0")}
		_, err := OpenXDP(listen, p.hop, to, xdpredirect.Redirect, Options{})
		require.ErrorIs(t, err, unix.EBUSY)
		require.ErrorContains(t, err, "another AF_XDP socket has the link's first queue")
		_, err = xdpredirect.Redirect(p.hop.Interface, client.(*xdp).rx.fd, p.hop.Local, to, client.Local(), longestFrame)
		require.ErrorIs(t, err, unix.EBUSY)
		require.ErrorContains(t, err, "the interface has an XDP program already")
		require.True(t, attached())
		require.NoError(t, client.Close())
		require.False(t, attached())
		require.NoError(t, client.Close())
		require.Zero(t, client.Stats().BufferDrops)
		_, err = client.Receive(NewInbox(0), 0)
		require.ErrorIs(t, err, net.ErrClosed)

		refused := errors.New("refused")
		_, err = OpenXDP(listen, p.hop, to, func(int, int, [6]byte, netip.AddrPort, []netip.AddrPort, int) (io.Closer, error) { return nil, refused }, Options{})
		require.ErrorIs(t, err, refused)
		again, err := OpenXDP(listen, p.hop, to, xdpredirect.Redirect, Options{})
		require.NoError(t, err, "nothing is left of the one that was refused")
		require.NoError(t, again.Close())
	})
}
