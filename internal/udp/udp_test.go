package udp

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSendAndReceive(t *testing.T) {
	eachBackend(t, func(t *testing.T, b backend, addr string) {
		const n = 10
		server := b.mustOpen(t, Options{Batch: 4}, addr) // smaller than what is sent and than the boxes
		client := b.mustOpen(t, Options{Batch: 3}, addr)
		in, payloads := NewInbox(8), numbered(n)
		send(client, server.Local()[0], netip.Addr{}, payloads...)

		out, bytes := NewOutbox(n), 0
		for i, d := range receive(t, server, in, n) {
			require.Equal(t, payloads[i], string(d.payload))
			require.Equal(t, client.Local()[0], d.source)
			require.False(t, d.local.IsValid(), "LocalAddr is off")
			out.Add(append(append(out.Buffer(), "re: "...), d.payload...), d.source, d.local)
			bytes += len(d.payload)
		}
		require.True(t, out.Full())
		require.Nil(t, out.Buffer())
		server.Send(out, 0)
		require.Zero(t, out.Len())
		for i, d := range receive(t, client, in, n) {
			require.Equal(t, "re: "+payloads[i], string(d.payload))
			require.Equal(t, server.Local()[0], d.source)
		}

		s := server.Stats()
		require.EqualValues(t, n, s.Received)
		require.EqualValues(t, n, s.Sent)
		require.EqualValues(t, bytes, s.BytesIn)
		require.EqualValues(t, bytes+n*len("re: "), s.BytesOut)
		require.LessOrEqual(t, s.ReceiveCalls, uint64(n))
		require.LessOrEqual(t, s.SendCalls, uint64(n))
		s.Received, s.Sent, s.BytesIn, s.BytesOut, s.ReceiveCalls, s.SendCalls = 0, 0, 0, 0, 0, 0
		require.Zero(t, s, "nothing else happened")
	})
}

func TestDatagramSizes(t *testing.T) {
	eachBackend(t, func(t *testing.T, b backend, addr string) {
		server := b.mustOpen(t, Options{}, addr)
		client := b.mustOpen(t, Options{}, addr)
		long := strings.Repeat("x", MaxDatagram+1)
		send(client, server.Local()[0], netip.Addr{}, "", long, long[1:], strings.Repeat(long, 3), "last")

		got := receive(t, server, NewInbox(0), 3)
		require.Empty(t, got[0].payload)
		require.Equal(t, long[1:], string(got[1].payload))
		require.Equal(t, "last", string(got[2].payload))
		require.EqualValues(t, 2, server.Stats().Truncated)
		require.EqualValues(t, 3, server.Stats().Received)
		require.EqualValues(t, MaxDatagram+len("last"), server.Stats().BytesIn)
	})
}

// An answer must leave from the address that was asked.
func TestLocalAddr(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			server := b.mustOpen(t, Options{LocalAddr: true}, "127.0.0.1:0", "[::1]:0")
			for i, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
				client := b.mustOpen(t, Options{}, addr)
				in := NewInbox(4)
				send(client, server.Local()[i], netip.Addr{}, "query")
				d := receive(t, server, in, 1)[0]
				require.Equal(t, i, d.socket)
				require.Equal(t, server.Local()[i].Addr(), d.local)
				out := NewOutbox(1)
				out.Add(append(out.Buffer(), "answer"...), d.source, d.local)
				server.Send(out, i)
				require.Equal(t, server.Local()[i], receive(t, client, in, 1)[0].source)
			}
		})
	}
}

func TestOtherFamilySkipped(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			tr := b.mustOpen(t, Options{}, "127.0.0.1:0", "[::1]:0")
			v4, v6 := tr.Local()[0], tr.Local()[1]
			mapped := netip.AddrPortFrom(netip.AddrFrom16(v4.Addr().As16()), v4.Port())
			out := NewOutbox(0)
			for socket, want := range []netip.AddrPort{v4, v6} {
				for _, to := range []netip.AddrPort{{}, v4, mapped, v6} {
					out.Add(append(out.Buffer(), to.Addr().Unmap().String()...), to, netip.Addr{})
				}
				tr.Send(out, socket)
				n := 2 - socket // IPv4 twice: a mapped address is an IPv4 address
				for _, d := range receive(t, tr, NewInbox(0), n) {
					require.Equal(t, socket, d.socket)
					require.Equal(t, want.Addr().String(), string(d.payload))
				}
			}
			require.EqualValues(t, 3, tr.Stats().Sent)
			require.Equal(t, SendErrors{Other: 5}, tr.Stats().SendErrors)
		})
	}
}

// What the kernel refuses in the middle of a batch costs nothing but itself.
func TestRefusedSkipped(t *testing.T) {
	eachBackend(t, func(t *testing.T, b backend, addr string) {
		tr := b.mustOpen(t, Options{}, addr)
		to := tr.Local()[0]
		out := NewOutbox(0)
		for _, p := range []string{"one", "two", "", "three", "", ""} {
			if p == "" {
				out.Add(make([]byte, 1<<16), to, netip.Addr{}) // EMSGSIZE
				continue
			}
			out.Add(append(out.Buffer(), p...), to, netip.Addr{})
		}
		tr.Send(out, 0)
		got := receive(t, tr, NewInbox(0), 3)
		require.Equal(t, "three", string(got[2].payload))
		require.EqualValues(t, 3, tr.Stats().Sent)
		require.EqualValues(t, len("onetwothree"), tr.Stats().BytesOut)
		require.Equal(t, SendErrors{Other: 3}, tr.Stats().SendErrors)
	})
}

func TestReceiveTimesOut(t *testing.T) {
	eachBackend(t, func(t *testing.T, b backend, addr string) {
		tr := b.mustOpen(t, Options{}, addr, addr)
		in := NewInbox(0)
		for _, d := range []time.Duration{0, time.Nanosecond, time.Millisecond, 0} {
			n, err := tr.Receive(in, d)
			require.NoError(t, err)
			require.Zero(t, n)
			require.Zero(t, in.Len())
		}
		require.Zero(t, tr.Stats())
	})
}

func TestWake(t *testing.T) {
	eachBackend(t, func(t *testing.T, b backend, addr string) {
		tr := b.mustOpen(t, Options{}, addr)
		in := NewInbox(0)
		tr.Wake() // also one that comes early
		n, err := tr.Receive(in, -1)
		require.NoError(t, err)
		require.Zero(t, n)

		for range 100 { // now before the wait, now in it
			go tr.Wake()
			n, err = tr.Receive(in, -1)
			require.NoError(t, err)
			require.Zero(t, n)
		}
		n, err = tr.Receive(in, time.Millisecond) // used up: this one times out
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestCloseWhileOthersLook(t *testing.T) {
	eachBackend(t, func(t *testing.T, b backend, addr string) {
		tr := b.mustOpen(t, Options{}, addr)
		send(tr, tr.Local()[0], netip.Addr{}, "hello")
		receive(t, tr, NewInbox(0), 1)
		var others sync.WaitGroup
		started, stop := make(chan struct{}, 4), make(chan struct{})
		for range cap(started) {
			others.Go(func() {
				for first := true; ; first = false {
					tr.Wake()
					_, _ = tr.Stats(), tr.Local()
					if first {
						started <- struct{}{}
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		for range cap(started) {
			<-started
		}
		require.NoError(t, tr.Close())
		close(stop)
		others.Wait()

		require.NoError(t, tr.Close())
		tr.Wake()
		_, err := tr.Receive(NewInbox(0), -1)
		require.ErrorIs(t, err, net.ErrClosed)
		send(tr, tr.Local()[0], netip.Addr{}, "too late")
		require.Equal(t, SendErrors{Other: 1}, tr.Stats().SendErrors)
		require.EqualValues(t, 1, tr.Stats().Received)
	})
}

func TestEverySocketGetsItsTurn(t *testing.T) {
	eachBackend(t, func(t *testing.T, b backend, addr string) {
		const each = 50
		server := b.mustOpen(t, Options{Batch: 4}, addr, addr, addr)
		client := b.mustOpen(t, Options{}, addr)
		for _, to := range server.Local() {
			send(client, to, netip.Addr{}, numbered(each)...)
		}
		seen := make([]int, len(server.Local()))
		for _, d := range receive(t, server, NewInbox(64), each*len(seen)) {
			require.Equal(t, numbered(each)[seen[d.socket]], string(d.payload))
			seen[d.socket]++
		}
		require.Equal(t, []int{each, each, each}, seen)
	})
}

func TestReusePort(t *testing.T) {
	eachBackend(t, func(t *testing.T, b backend, addr string) {
		o := Options{ReusePort: true, ReceiveBuffer: 1 << 16, SendBuffer: 1 << 16}
		one := b.mustOpen(t, o, addr)
		two := b.mustOpen(t, o, one.Local()[0].String())
		require.Equal(t, one.Local(), two.Local())
	})
}

func TestOpenErrors(t *testing.T) {
	for _, b := range backends {
		taken := b.mustOpen(t, Options{}, "127.0.0.1:0").Local()[0]
		free := netip.MustParseAddrPort("127.0.0.1:0")
		for _, tc := range []struct {
			name   string
			listen []netip.AddrPort
			o      Options
			is     error
			says   []string
		}{
			{"in use", []netip.AddrPort{free, taken}, Options{}, syscall.EADDRINUSE,
				[]string{"listen on UDP " + taken.String(), "another program has this UDP port"}},
			{"not ours", []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:0")}, Options{}, syscall.EADDRNOTAVAIL,
				[]string{"192.0.2.1:0", "no interface"}},
			{"no address", nil, Options{}, nil, []string{"no address"}},
			{"empty address", []netip.AddrPort{free, {}}, Options{}, nil, []string{"listen address 1 is empty"}},
			{"batch", []netip.AddrPort{free}, Options{Batch: 1025}, nil, []string{"batch 1025", "1 to 1024"}},
			{"buffer", []netip.AddrPort{free}, Options{SendBuffer: -1}, nil, []string{"-1 bytes"}},
		} {
			t.Run(b.name+"/"+tc.name, func(t *testing.T) {
				tr, err := b.open(tc.listen, tc.o)
				require.Error(t, err)
				require.Nil(t, tr)
				if tc.is != nil {
					require.ErrorIs(t, err, tc.is)
				}
				for _, s := range tc.says {
					require.ErrorContains(t, err, s)
				}
			})
		}
	}
}

func TestMappedListenAddress(t *testing.T) {
	for _, b := range backends {
		tr := b.mustOpen(t, Options{}, "[::ffff:127.0.0.1]:0")
		require.Equal(t, "127.0.0.1", tr.Local()[0].Addr().String())
	}
}

func TestBoxLimits(t *testing.T) {
	for _, tc := range []struct{ asked, got int }{{0, 64}, {-1, 64}, {1, 1}, {1024, 1024}, {5000, 1024}} {
		require.Len(t, NewInbox(tc.asked).arrivals, tc.got)
		require.Len(t, NewOutbox(tc.asked).departures, tc.got)
	}
	in, out := NewInbox(1), NewOutbox(2)
	require.Panics(t, func() { in.Payload(0) }, "nothing was received")
	require.Panics(t, func() { in.Source(0) })
	require.Panics(t, func() { in.Local(0) })
	first := out.Buffer()
	require.Equal(t, MaxDatagram, cap(first))
	require.Same(t, &first[:1][0], &out.Buffer()[:1][0], "the slot is the same until Add")
	out.Add(first, netip.AddrPort{}, netip.Addr{})
	require.NotSame(t, &first[:1][0], &out.Buffer()[:1][0])
	out.Add(nil, netip.AddrPort{}, netip.Addr{})
	require.Panics(t, func() { out.Add(nil, netip.AddrPort{}, netip.Addr{}) }, "full")
}
