package udp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
	xdpredirect "supernode/internal/xdp"
)

// The link of the tests' two namespaces. The client has all of packetSources besides.
var (
	packetClient  = []string{"10.18.0.2/30", "fd00:18::2/64"}
	packetServer  = []string{"10.18.0.1/30", "fd00:18::1/64"}
	packetSources = []string{"198.18.0.0/15", "fd00:18:1::/64"}
)

// packetPair is a client in the calling goroutine's namespace, and a server in one of its own.
type packetPair struct {
	t      *testing.T
	hop    Hop  // without Source
	xdp    bool // receives by XDP
	link   netlink.Link
	server func(f func()) // runs f in the server's namespace
}

// onPair runs test on a thread in the client's namespace.
func onPair(t *testing.T, name string, test func(t *testing.T, p packetPair)) {
	inNamespace(t, name, func(t *testing.T) {
		calls, ended := make(chan func()), make(chan struct{})
		entered := make(chan error)
		go func() { // its thread, and the namespace, end with it
			defer close(ended)
			entered <- apart.Enter()
			for f := range calls {
				f()
			}
		}()
		require.NoError(t, <-entered)
		t.Cleanup(func() { close(calls); <-ended })
		p := packetPair{t: t, server: func(f func()) {
			done := make(chan struct{})
			calls <- func() { defer close(done); f() }
			<-done
		}}
		p.build()
		test(t, p)
	})
}

func (p *packetPair) build() {
	t := p.t
	ns := -1
	p.server(func() {
		var err error
		ns, err = unix.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
	})
	defer unix.Close(ns)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "client"}, PeerName: "server", PeerNamespace: netlink.NsFd(ns)}
	require.NoError(t, netlink.LinkAdd(veth))
	p.server(func() {
		far := raise(t, "server", packetServer)
		p.hop.Peer = [6]byte(far.Attrs().HardwareAddr)
	})
	p.link = raise(t, "client", packetClient)
	p.hop.Interface, p.hop.Local, p.hop.MTU = p.link.Attrs().Index, [6]byte(p.link.Attrs().HardwareAddr), p.link.Attrs().MTU
	lo, err := netlink.LinkByName("lo")
	require.NoError(t, err)
	for _, sources := range packetSources {
		_, dst, err := net.ParseCIDR(sources)
		require.NoError(t, err)
		require.NoError(t, netlink.RouteAdd(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: dst, Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: unix.RT_SCOPE_HOST}))
	}
	p.server(func() {
		far, err := netlink.LinkByName("server")
		require.NoError(t, err)
		for i, sources := range packetSources {
			_, dst, err := net.ParseCIDR(sources)
			require.NoError(t, err)
			via := netip.MustParsePrefix(packetClient[i]).Addr()
			require.NoError(t, netlink.RouteAdd(&netlink.Route{LinkIndex: far.Attrs().Index, Dst: dst, Gw: via.AsSlice()}))
		}
	})
}

func raise(t *testing.T, name string, addrs []string) netlink.Link {
	link, err := netlink.LinkByName(name)
	require.NoError(t, err)
	require.NoError(t, netlink.LinkSetUp(link))
	for _, a := range addrs {
		addAddress(t, name, a)
	}
	return link
}

// open opens a packet transport of the client for targets of one family, and a server on its end of the link. What an xdp
// transport receives has to come through its ring.
func (p *packetPair) open(family int, sockets int) (client, server Transport, to netip.AddrPort) {
	at := netip.MustParsePrefix(packetServer[family]).Addr()
	hop := p.hop
	hop.Source = netip.MustParsePrefix(packetClient[family]).Addr()
	wildcard := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	if at.Is6() {
		wildcard = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
	var listen []netip.AddrPort
	for range sockets {
		listen = append(listen, wildcard)
	}
	var err error
	p.server(func() {
		server, err = OpenMmsg([]netip.AddrPort{netip.AddrPortFrom(at, 0)}, Options{ReceiveBuffer: 1 << 20})
	})
	require.NoError(p.t, err)
	p.t.Cleanup(func() { require.NoError(p.t, server.Close()) })
	to = server.Local()[0]
	if o := (Options{SendBuffer: 1 << 20}); p.xdp {
		client, err = OpenXDP(listen, hop, to, xdpredirect.Redirect, o)
	} else {
		client, err = OpenPacket(listen, hop, o)
	}
	require.NoError(p.t, err)
	p.t.Cleanup(func() { require.NoError(p.t, client.Close()) })
	return client, server, to
}

// checksumOffload says whether the client's link takes sums off the kernel: then nobody on a veth makes or checks them.
func (p *packetPair) checksumOffload(on uint32) {
	const setTxChecksums = 0x17 // ETHTOOL_STXCSUM, linux/ethtool.h
	request := [2]uint32{setTxChecksums, on}
	var ifreq struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(ifreq.name[:], p.link.Attrs().Name)
	ifreq.data = unsafe.Pointer(&request)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(p.t, err)
	defer unix.Close(fd)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifreq)))
	require.Zero(p.t, errno)
}

// checksumErrors is how many datagrams the server's kernel has refused for their checksum.
func (p *packetPair) checksumErrors() (n int) {
	p.server(func() {
		for _, file := range []string{"snmp", "snmp6"} {
			text, err := os.ReadFile("/proc/thread-self/net/" + file)
			require.NoError(p.t, err)
			var names []string
			for line := range strings.Lines(string(text)) {
				fields := strings.Fields(line)
				switch {
				case fields[0] == "Udp6InCsumErrors" || fields[0] == "Ip6InHdrErrors":
					n += atoi(p.t, fields[1])
				case fields[0] == "Udp:" && names == nil:
					names = fields
				case fields[0] == "Udp:":
					at := slices.Index(names, "InCsumErrors")
					require.Positive(p.t, at)
					n += atoi(p.t, fields[at])
				}
			}
		}
	})
	return n
}

func atoi(t *testing.T, digits string) int {
	n, err := strconv.Atoi(digits)
	require.NoError(t, err)
	return n
}

var families = []string{"IPv4", "IPv6"}

// Datagrams of all sizes arrive as they were sent, from the address and port that they name, and are answered, whether the
// link takes the checksum off the kernel or not. In the second case the server's kernel checks what the client's has
// finished, and finds nothing wrong. So do those that are received by XDP, of which none comes through a socket.
func TestPacketExchange(t *testing.T) {
	for family, name := range families {
		for i, way := range []string{"checksums computed", "checksums offloaded", "received by XDP"} {
			onPair(t, name+", "+way, func(t *testing.T, p packetPair) {
				p.checksumOffload(uint32(min(i, 1)))
				p.xdp = i == 2
				client, server, to := p.open(family, 2)
				sources := netip.MustParsePrefix(packetSources[family]).Addr()
				in, out := NewInbox(0), NewOutbox(0)
				largest := p.hop.MTU - []int{ip4Size, ip6Size}[family] - udpSize
				for _, size := range []int{0, 1, 2, 3, 100, 101, largest} {
					from := sources.Next()
					if size == 0 {
						from = netip.Addr{}
					}
					payload := bytes.Repeat([]byte{byte(size)}, size)
					out.Add(append(out.Buffer(), payload...), to, from)
					client.Send(out, 1)
					d := receive(t, server, in, 1)[0]
					require.Equal(t, string(payload), string(d.payload))
					want := from
					if size == 0 {
						want = netip.MustParsePrefix(packetClient[family]).Addr()
					}
					require.Equal(t, netip.AddrPortFrom(want, client.Local()[1].Port()), d.source)
					send(server, d.source, netip.Addr{}, string(payload))
					answer := receive(t, client, in, 1)[0]
					require.Equal(t, string(payload), string(answer.payload))
					require.Equal(t, 1, answer.socket)
					require.Equal(t, want, answer.local)
					require.Equal(t, to, answer.source)
				}
				require.Zero(t, p.checksumErrors())
				s := client.Stats()
				require.Equal(t, SendErrors{}, s.SendErrors)
				require.EqualValues(t, 7, s.Sent)
				require.EqualValues(t, 7, s.Received)
				require.Equal(t, p.xdp, s.ReceiveCalls == 0)
			})
		}
	}
}

// A sum that is wrong would be found: the test above can fail.
func TestPacketChecksumIsChecked(t *testing.T) {
	onPair(t, "IPv4", func(t *testing.T, p packetPair) {
		p.checksumOffload(0)
		client, server, to := p.open(0, 1)
		f := &client.(*packet).framer
		f.ip4[8]++ // the sum goes a byte too far
		send(client, to, netip.Addr{}, "wrong")
		f.ip4[8]--
		send(client, to, netip.Addr{}, "right")
		require.Equal(t, "right", string(receive(t, server, NewInbox(0), 1)[0].payload))
		require.Equal(t, 1, p.checksumErrors())
	})
}

// A million flows, from eight sockets: each datagram has an address and port that no other has.
func TestPacketMillionFlows(t *testing.T) {
	const flows, sockets = 1_000_000, 8
	onPair(t, "IPv4", func(t *testing.T, p packetPair) {
		client, server, to := p.open(0, sockets)
		first := binary.BigEndian.Uint32(netip.MustParsePrefix(packetSources[0]).Addr().AsSlice()) + 1
		ports := map[uint16]uint32{}
		for i, local := range client.Local() {
			ports[local.Port()] = uint32(i)
		}
		require.Len(t, ports, sockets)
		seen := make([]uint64, flows/64+1)
		distinct := 0
		in, out := NewInbox(0), NewOutbox(0)
		for flow := uint32(0); flow < flows; {
			socket := flow / (flows / sockets)
			for ; !out.Full() && flow < flows && flow/(flows/sockets) == socket; flow++ {
				address := binary.BigEndian.AppendUint32(nil, first+flow%(flows/sockets))
				from, _ := netip.AddrFromSlice(address)
				out.Add(append(out.Buffer(), "ping"...), to, from)
			}
			for waiting := out.Len(); waiting > 0; {
				if out.Len() > 0 {
					client.Send(out, int(socket))
				}
				n, err := server.Receive(in, patienceOfTests)
				require.NoError(t, err)
				require.Positive(t, n, "%d datagrams are lost", waiting)
				waiting -= n
				for i := range n {
					source := in.Source(i)
					number := ports[source.Port()]*(flows/sockets) + binary.BigEndian.Uint32(source.Addr().AsSlice()) - first
					if bit := uint64(1) << (number % 64); seen[number/64]&bit == 0 {
						seen[number/64] |= bit
						distinct++
					}
				}
			}
		}
		require.Equal(t, flows, distinct)
		require.EqualValues(t, flows, client.Stats().Sent)
	})
}

// What the link drops counts as sent, what it does not take at all is refused, and neither stays in the ring: what comes
// after it arrives.
func TestPacketLinkDown(t *testing.T) {
	onPair(t, "IPv4", func(t *testing.T, p packetPair) {
		client, server, to := p.open(0, 1)
		far := func(set func(netlink.Link) error) {
			p.server(func() {
				link, err := netlink.LinkByName("server")
				require.NoError(t, err)
				require.NoError(t, set(link))
			})
		}
		far(netlink.LinkSetDown) // no carrier
		for range 2 * ringSlots / 50 {
			send(client, to, netip.Addr{}, numbered(50)...)
		}
		require.Equal(t, SendErrors{}, client.Stats().SendErrors)
		lost := client.Stats().Sent
		require.EqualValues(t, 2*ringSlots/50*50, lost)

		require.NoError(t, netlink.LinkSetDown(p.link))
		for range 2 * ringSlots / 50 {
			send(client, to, netip.Addr{}, numbered(50)...)
		}
		s := client.Stats()
		require.Equal(t, lost, s.Sent)
		require.Positive(t, s.SendErrors.Unreachable)
		require.EqualValues(t, 2*ringSlots/50*50, s.SendErrors.Unreachable+s.SendErrors.NoBuffer)

		far(netlink.LinkSetUp)
		require.NoError(t, netlink.LinkSetUp(p.link))
		p.awaitCarrier()
		send(client, to, netip.Addr{}, "drains the ring")
		send(client, to, netip.Addr{}, "after")
		in := NewInbox(0)
		for {
			if d := receive(t, server, in, 1)[0]; string(d.payload) == "after" {
				break
			}
		}
	})
}

// awaitCarrier returns when both ends of the link say that it works.
func (p *packetPair) awaitCarrier() {
	for end := time.Now().Add(patienceOfTests); ; {
		link, err := netlink.LinkByName(p.link.Attrs().Name)
		require.NoError(p.t, err)
		if link.Attrs().OperState == netlink.OperUp {
			return
		}
		require.True(p.t, time.Now().Before(end), "the link does not come up")
		runtime.Gosched()
	}
}

// What does not fit the link, or no socket of the family, is refused, and does not take the others with it.
func TestPacketUnfit(t *testing.T) {
	onPair(t, "IPv4", func(t *testing.T, p packetPair) {
		client, server, to := p.open(0, 1)
		out := NewOutbox(0)
		add := func(payload string, to netip.AddrPort, from netip.Addr) {
			out.Add(append(out.Buffer(), payload...), to, from)
		}
		add("first", to, netip.Addr{})
		add(strings.Repeat("x", 1473), to, netip.Addr{}) // 1,501 with its headers
		add("of another family", netip.MustParseAddrPort("[fd00:18::1]:1"), netip.Addr{})
		add("from another family", to, netip.MustParseAddr("fd00:18::2"))
		add("to no port", netip.AddrPortFrom(to.Addr(), 0), netip.Addr{})
		add("last", to, netip.Addr{})
		client.Send(out, 0)
		require.Zero(t, out.Len())
		got := receive(t, server, NewInbox(0), 2)
		require.Equal(t, "first", string(got[0].payload))
		require.Equal(t, "last", string(got[1].payload))
		s := client.Stats()
		require.Equal(t, SendErrors{Other: 4}, s.SendErrors)
		require.EqualValues(t, 2, s.Sent)
		require.EqualValues(t, len("first")+len("last"), s.BytesOut)
		require.EqualValues(t, 1, s.SendCalls)
	})
}

// moveBatch sends a full batch and receives all of it, without a test's own allocations.
func moveBatch(t *testing.T, sender, receiver Transport, to netip.AddrPort, in *Inbox, out *Outbox) {
	for !out.Full() {
		out.Add(append(out.Buffer(), "datagram"...), to, netip.Addr{})
	}
	want := out.Len()
	sender.Send(out, 0)
	for n := 0; n < want; {
		k, err := receiver.Receive(in, patienceOfTests)
		if err != nil || k == 0 {
			t.Fatal(err)
		}
		n += k
	}
}

func TestPacketDoesNotAllocate(t *testing.T) {
	onPair(t, "IPv4", func(t *testing.T, p packetPair) {
		client, server, to := p.open(0, 1)
		in, out := NewInbox(0), NewOutbox(0)
		require.Zero(t, testing.AllocsPerRun(20, func() {
			moveBatch(t, client, server, to, in, out)
		}))
	})
}

// Without the capability the error says what is missing, and nothing stays open.
func TestPacketNeedsCapability(t *testing.T) {
	inNamespace(t, "without", func(t *testing.T) {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var sets [2]unix.CapUserData
		require.NoError(t, unix.Capget(&header, &sets[0]))
		sets[0].Effective &^= 1 << unix.CAP_NET_RAW // of this thread, which ends with the test
		require.NoError(t, unix.Capset(&header, &sets[0]))
		_, err := OpenPacket([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Hop{Interface: 1}, Options{})
		require.ErrorIs(t, err, unix.EPERM)
		require.ErrorContains(t, err, "CAP_NET_RAW")
	})
}

func TestPacketCloses(t *testing.T) {
	onPair(t, "IPv4", func(t *testing.T, p packetPair) {
		client, _, to := p.open(0, 1)
		require.NoError(t, client.Close())
		require.NoError(t, client.Close())
		send(client, to, netip.Addr{}, "nowhere") // and not into whatever has the descriptor's number by now
		require.Zero(t, client.Stats().Sent)
		_, err := client.Receive(NewInbox(0), 0)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}
