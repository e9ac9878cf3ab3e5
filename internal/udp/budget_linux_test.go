package udp

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// callsOf counts the system calls of the backend while f runs, by name.
func callsOf(f func()) map[string]int {
	counts := map[string]int{}
	onCall = func(name string) { counts[name]++ }
	defer func() { onCall = nil }()
	f()
	return counts
}

// TestSystemCalls is the budget: one call in and one out for as many datagrams as a batch holds, one more to learn that
// there are no more, and to wait.
func TestSystemCalls(t *testing.T) {
	const batch = 64
	for _, c := range []struct {
		waiting int // datagrams
		rounds  int // of Receive and Send, the last of which finds nothing
		want    map[string]int
	}{
		{0, 1, map[string]int{"recvmmsg": 1}},
		{1, 1, map[string]int{"recvmmsg": 1, "sendmmsg": 1}},
		{1, 2, map[string]int{"recvmmsg": 2, "sendmmsg": 1}},
		{batch, 1, map[string]int{"recvmmsg": 1, "sendmmsg": 1}},
		{batch + 1, 2, map[string]int{"recvmmsg": 2, "sendmmsg": 2}},
		{5 * batch, 5, map[string]int{"recvmmsg": 5, "sendmmsg": 5}},
		{5*batch - 1, 6, map[string]int{"recvmmsg": 6, "sendmmsg": 5}},
	} {
		t.Run(fmt.Sprintf("%d waiting, %d rounds", c.waiting, c.rounds), func(t *testing.T) {
			server := mmsgBackend.mustOpen(t, Options{Batch: batch, ReceiveBuffer: 1 << 20}, "127.0.0.1:0")
			client := mmsgBackend.mustOpen(t, Options{ReceiveBuffer: 1 << 20}, "127.0.0.1:0")
			if c.waiting > 0 {
				send(client, server.Local()[0], netip.Addr{}, numbered(c.waiting)...)
			}
			in, out := NewInbox(batch), NewOutbox(batch)
			got := callsOf(func() {
				for range c.rounds {
					echo(t, server, in, out, 0)
				}
			})
			require.Equal(t, c.want, got)
			s := server.Stats()
			require.EqualValues(t, c.waiting, s.Received)
			require.EqualValues(t, c.waiting, s.Sent)
			full := uint64((c.waiting + batch - 1) / batch)
			require.Equal(t, full, s.ReceiveCalls, "batches are as full as can be")
			require.Equal(t, full, s.SendCalls)
		})
	}
}

// echo receives once, waiting for at most d, and answers what came.
func echo(t testing.TB, tr Transport, in *Inbox, out *Outbox, d time.Duration) {
	n, err := tr.Receive(in, d)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		out.Add(append(out.Buffer(), in.Payload(i)...), in.Source(i), in.Local(i))
	}
	tr.Send(out, in.Socket())
}

// TestSystemCallsOfWaiting: a datagram that has to be waited for costs one ppoll and one call more that came too early.
// Several sockets cost no more.
func TestSystemCallsOfWaiting(t *testing.T) {
	for _, sockets := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d sockets", sockets), func(t *testing.T) {
			addrs := []string{"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"}[:sockets]
			server, client := mmsgBackend.mustOpen(t, Options{}, addrs...), mmsgBackend.mustOpen(t, Options{}, "127.0.0.1:0")
			in, out := NewInbox(0), NewOutbox(0)
			got := callsOf(func() {
				onPoll := onCall
				onCall = func(name string) {
					if onPoll(name); name == "ppoll" { // it comes while we wait, or so it looks to who waits
						onCall = nil
						send(client, server.Local()[sockets-1], netip.Addr{}, "late")
						onCall = onPoll
					}
				}
				echo(t, server, in, out, patienceOfTests)
			})
			require.Equal(t, map[string]int{"recvmmsg": 2, "ppoll": 1, "sendmmsg": 1}, got)
			require.Equal(t, sockets-1, in.Socket())
		})
	}
}

// TestParked: a wait longer than the nap is ended by a datagram on any socket, by Wake, and by time, and the wait after
// it is none the worse.
func TestParked(t *testing.T) {
	server := mmsgBackend.mustOpen(t, Options{}, "127.0.0.1:0", "127.0.0.1:0")
	client := mmsgBackend.mustOpen(t, Options{}, "127.0.0.1:0")
	parked := make(chan struct{}, 1)
	onCall = func(name string) {
		if name == "park" {
			parked <- struct{}{}
		}
	}
	defer func() { onCall = nil }()
	in, ended := NewInbox(0), make(chan int)
	wait := func() {
		n, err := server.Receive(in, -1)
		if err != nil {
			n = -1
		}
		ended <- n
	}
	for range 3 {
		for socket, to := range server.Local() {
			go wait()
			<-parked
			send(client, to, netip.Addr{}, "wake up")
			require.Equal(t, 1, <-ended)
			require.Equal(t, socket, in.Socket())
		}
		go wait()
		<-parked
		server.Wake()
		require.Zero(t, <-ended)

		n, err := server.Receive(in, 2*nap)
		require.NoError(t, err)
		require.Zero(t, n)
		<-parked
	}
}

// TestParkingDoesNotAllocate: nor does waiting for longer than the nap.
func TestParkingDoesNotAllocate(t *testing.T) {
	server := mmsgBackend.mustOpen(t, Options{}, "127.0.0.1:0", "127.0.0.1:0")
	in := NewInbox(0)
	require.Zero(t, testing.AllocsPerRun(3, func() { _, _ = server.Receive(in, nap+time.Millisecond) }))
}
