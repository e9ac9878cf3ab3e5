package udp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

var mmsgBackend = backend{"mmsg", OpenMmsg}

func TestWildcardAnswersFromQueriedAddress(t *testing.T) {
	server := mmsgBackend.mustOpen(t, Options{}, "0.0.0.0:0")
	client := mmsgBackend.mustOpen(t, Options{}, "127.0.0.1:0")
	in, out := NewInbox(0), NewOutbox(0)
	for _, queried := range []string{"127.0.0.2", "127.0.0.1", "127.1.2.3"} {
		to := netip.AddrPortFrom(netip.MustParseAddr(queried), server.Local()[0].Port())
		send(client, to, netip.Addr{}, "query")
		d := receive(t, server, in, 1)[0]
		require.Equal(t, to.Addr(), d.local)
		out.Add(append(out.Buffer(), "answer"...), d.source, d.local)
	}
	server.Send(out, 0)
	var sources []string
	for _, d := range receive(t, client, in, 3) {
		sources = append(sources, d.source.Addr().String())
	}
	require.Equal(t, []string{"127.0.0.2", "127.0.0.1", "127.1.2.3"}, sources)
}

// A socket bound to one address can send from others all the same, which a load generator does.
func TestSendFrom(t *testing.T) {
	server := mmsgBackend.mustOpen(t, Options{}, "127.0.0.1:0")
	client := mmsgBackend.mustOpen(t, Options{}, "127.0.0.9:0")
	out := NewOutbox(0)
	addrs := []string{"", "127.0.0.1", "127.0.0.9", "127.77.0.1", "::ffff:127.0.0.4", "0.0.0.0", "203.0.113.1", "::1"}
	for _, from := range addrs {
		var addr netip.Addr
		if from != "" {
			addr = netip.MustParseAddr(from)
		}
		out.Add(append(out.Buffer(), from...), server.Local()[0], addr)
	}
	client.Send(out, 0)
	want := []string{"127.0.0.9", "127.0.0.1", "127.0.0.9", "127.77.0.1", "127.0.0.4", "127.0.0.9"}
	for i, d := range receive(t, server, NewInbox(0), len(want)) {
		require.Equal(t, addrs[i], string(d.payload))
		require.Equal(t, want[i], d.source.Addr().String())
	}
	require.Equal(t, SendErrors{Unreachable: 1, Other: 1}, client.Stats().SendErrors,
		"not ours, and of another family")
}

func TestPortZeroIsDelivered(t *testing.T) {
	apart.NeedRoot(t)
	server := mmsgBackend.mustOpen(t, Options{}, "127.0.0.1:0")
	raw, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	require.NoError(t, err)
	defer unix.Close(raw)
	port := server.Local()[0].Port()
	header := []byte{0, 0, byte(port >> 8), byte(port), 0, 10, 0, 0, 'h', 'i'} // source, destination, length, no checksum
	require.NoError(t, unix.Sendto(raw, header, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))

	d := receive(t, server, NewInbox(0), 1)[0]
	require.Equal(t, "hi", string(d.payload))
	require.Equal(t, "127.0.0.1:0", d.source.String())
	send(server, d.source, netip.Addr{}, "no such port")
	require.Equal(t, SendErrors{Other: 1}, server.Stats().SendErrors)
}

// With everything queued beforehand the order of service is known: a busy socket gives way after
// patience batches, and then all in order.
func TestServiceOrder(t *testing.T) {
	const batch = 2
	server := mmsgBackend.mustOpen(t, Options{Batch: batch}, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	client := mmsgBackend.mustOpen(t, Options{}, "127.0.0.1:0")
	send(client, server.Local()[0], netip.Addr{}, numbered(3*patience*batch)...)
	send(client, server.Local()[1], netip.Addr{}, numbered(1)...)
	send(client, server.Local()[2], netip.Addr{}, numbered(2*patience*batch)...)

	in, order := NewInbox(0), []string{}
	for n, count := 0, 0; ; count++ {
		k, err := server.Receive(in, 0)
		require.NoError(t, err)
		if n > 0 && (k == 0 || in.Socket() != int(order[len(order)-1][0]-'0')) {
			order[len(order)-1] += fmt.Sprint(" x", count)
			count, n = 0, 0
		}
		if k == 0 {
			break
		}
		if n == 0 {
			order = append(order, fmt.Sprint(in.Socket()))
		}
		n++
	}
	require.Equal(t, []string{"0 x8", "1 x1", "2 x8", "0 x8", "2 x8", "0 x8"}, order)
}

func TestBufferDrops(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		server := mmsgBackend.mustOpen(t, Options{ReceiveBuffer: 1 << 12}, addr, addr)
		client := mmsgBackend.mustOpen(t, Options{}, addr)
		const n = 200
		for _, to := range server.Local() {
			send(client, to, netip.Addr{}, numbered(n)...)
		}
		require.EqualValues(t, 2*n, client.Stats().Sent)
		in := NewInbox(0)
		for k := 1; k > 0; {
			var err error
			k, err = server.Receive(in, 0)
			require.NoError(t, err)
		}
		s := server.Stats()
		require.Positive(t, s.BufferDrops)
		require.EqualValues(t, 2*n, s.Received+s.BufferDrops)
		require.NoError(t, server.Close())
		require.Equal(t, s, server.Stats(), "remembered after Close")
	}
}

func TestSocketOptions(t *testing.T) {
	tr := mmsgBackend.mustOpen(t, Options{}, "0.0.0.0:0", "[::]:0", "127.0.0.1:0", "[::1]:0")
	get := func(socket, level, option int) int {
		v, err := unix.GetsockoptInt(tr.(*mmsg).sockets[socket].fd, level, option)
		require.NoError(t, err)
		return v
	}
	require.Equal(t, 1, get(0, unix.IPPROTO_IP, unix.IP_PKTINFO))
	require.Equal(t, 1, get(1, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO))
	require.Equal(t, 1, get(1, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY))
	require.Zero(t, get(2, unix.IPPROTO_IP, unix.IP_PKTINFO), "a bound address needs no control message")
	require.Zero(t, get(3, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO))
	require.Zero(t, get(0, unix.IPPROTO_UDP, unix.UDP_GRO))
}

func TestReceiveBufferOverLimit(t *testing.T) {
	apart.NeedRoot(t)
	const asked = 64 << 20 // above any default net.core.rmem_max
	tr := mmsgBackend.mustOpen(t, Options{ReceiveBuffer: asked, SendBuffer: asked}, "127.0.0.1:0")
	for _, option := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF} {
		v, err := unix.GetsockoptInt(tr.(*mmsg).sockets[0].fd, unix.SOL_SOCKET, option)
		require.NoError(t, err)
		require.Equal(t, 2*asked, v, "the kernel doubles it, for its own bookkeeping")
	}
}

// A descriptor that is no socket stands for all that is beyond repair: Receive must say so, with the
// address, and not spin.
func TestReceiveFailsForGood(t *testing.T) {
	tr := mmsgBackend.mustOpen(t, Options{}, "127.0.0.1:0").(*mmsg)
	pipe := make([]int, 2)
	require.NoError(t, unix.Pipe2(pipe, unix.O_CLOEXEC))
	defer unix.Close(pipe[1])
	defer unix.Close(pipe[0])
	good := tr.sockets[0].fd
	tr.sockets[0].fd = pipe[0]
	_, err := tr.Receive(NewInbox(0), -1)
	require.ErrorIs(t, err, unix.ENOTSOCK)
	require.ErrorContains(t, err, tr.Local()[0].String())
	tr.sockets[0].fd = good
}

// An ICMP error on a connected socket is the one passing error that can be had to order.
func TestPassingErrorIsCounted(t *testing.T) {
	gone := mmsgBackend.mustOpen(t, Options{}, "127.0.0.1:0")
	require.NoError(t, gone.Close())
	tr := mmsgBackend.mustOpen(t, Options{}, "127.0.0.1:0")
	to := gone.Local()[0]
	require.NoError(t, unix.Connect(tr.(*mmsg).sockets[0].fd,
		&unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}))
	send(tr, to, netip.Addr{}, "is anyone there?")
	n, err := tr.Receive(NewInbox(0), patienceOfTests)
	require.NoError(t, err)
	require.Zero(t, n)
	require.EqualValues(t, 1, tr.Stats().ReceiveErrors)
}

// The budget on real sockets: nothing is allocated for a full batch there and back, nor for waiting,
// refusals, or reading the counters.
func TestNoAllocation(t *testing.T) {
	const batch = 64
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"} {
		t.Run(addr, func(t *testing.T) {
			o := Options{Batch: batch, LocalAddr: true, ReceiveBuffer: 1 << 20}
			server, client := mmsgBackend.mustOpen(t, o, addr), mmsgBackend.mustOpen(t, o, addr)
			to := netip.MustParseAddrPort(strings.NewReplacer("0.0.0.0", "127.0.0.1", "[::]", "[::1]").
				Replace(server.Local()[0].String()))
			in, out := NewInbox(batch), NewOutbox(batch)
			require.Zero(t, testing.AllocsPerRun(100, func() { pingPong(t, client, server, to, in, out) }))
			require.Zero(t, testing.AllocsPerRun(100, func() {
				_, _ = server.Receive(in, time.Microsecond)
				out.Add(out.Buffer(), netip.AddrPort{}, netip.Addr{})
				server.Send(out, 0)
				server.Wake()
				_ = server.Stats()
			}))
			require.EqualValues(t, 101*batch, server.Stats().Received)
			require.EqualValues(t, 101*batch, client.Stats().Received)
		})
	}
}

// pingPong sends a full batch and answers it.
func pingPong(t testing.TB, client, server Transport, to netip.AddrPort, in *Inbox, out *Outbox) {
	for !out.Full() {
		out.Add(append(out.Buffer(), "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"...), to, netip.Addr{})
	}
	want := out.Len()
	client.Send(out, 0)
	for got := 0; got < want; {
		n, err := server.Receive(in, patienceOfTests)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		for i := range n {
			out.Add(append(out.Buffer(), in.Payload(i)...), in.Source(i), in.Local(i))
		}
		server.Send(out, 0)
		got += n
	}
	for got := 0; got < want; {
		n, err := client.Receive(in, patienceOfTests)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		got += n
	}
}

// BenchmarkBatch sends a batch over loopback and answers it, on one thread: each datagram counted is
// one sent and one received. Most of the time is the kernel's.
func BenchmarkBatch(b *testing.B) {
	for _, be := range backends {
		for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "0.0.0.0:0"} {
			for _, batch := range []int{1, 64} {
				b.Run(fmt.Sprintf("io=%s/addr=%s/batch=%d", be.name, addr, batch), func(b *testing.B) {
					o := Options{Batch: batch, ReceiveBuffer: 1 << 20}
					server, client := be.mustOpen(b, o, addr), be.mustOpen(b, o, strings.Replace(addr, "0.0.0.0", "127.0.0.1", 1))
					to := netip.AddrPortFrom(client.Local()[0].Addr(), server.Local()[0].Port())
					in, out := NewInbox(batch), NewOutbox(batch)
					b.ReportAllocs()
					for b.Loop() {
						pingPong(b, client, server, to, in, out)
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N*batch), "ns/datagram")
				})
			}
		}
	}
}

// An Inbox with more room takes what comes in fragments, and drops what is longer still.
func TestLongInbox(t *testing.T) {
	const room = 9000
	server := mmsgBackend.mustOpen(t, Options{}, "127.0.0.1:0")
	client := mmsgBackend.mustOpen(t, Options{}, "127.0.0.1:0")
	long := strings.Repeat("x", room+1)
	send(client, server.Local()[0], netip.Addr{}, "", long, long[1:], "last", long[2:])

	got := receive(t, server, NewLongInbox(0, room), 4)
	require.Empty(t, got[0].payload)
	require.Equal(t, long[1:], string(got[1].payload))
	require.Equal(t, "last", string(got[2].payload))
	require.Equal(t, long[2:], string(got[3].payload))
	require.EqualValues(t, 1, server.Stats().Truncated)
}
