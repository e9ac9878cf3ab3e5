package main

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
	"supernode/internal/udp"
)

// asker sends queries from one socket and takes the replies. The queries are of a read-only node, so that they leave the
// worker nothing to do of its own accord.
type asker struct {
	tb        testing.TB
	w         *worker
	transport udp.Transport
	in        *udp.Inbox
	out       *udp.Outbox
}

func newAsker(tb testing.TB) *asker {
	transport, err := udp.OpenMmsg([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, udp.Options{ReceiveBuffer: receiveBuffer})
	require.NoError(tb, err)
	tb.Cleanup(func() { transport.Close() })
	return &asker{tb: tb, w: newTestWorker(tb, udp.OpenMmsg), transport: transport, in: udp.NewInbox(64), out: udp.NewOutbox(64)}
}

// ask queues n queries at the worker's socket: on loopback they are there when the call returns.
func (a *asker) ask(n int) {
	for i := range n {
		target := scattered(i)
		m := wire.Message{Kind: wire.Query, Method: wire.FindNode, T: []byte("aa"), ID: target[:], Target: target[:], ReadOnly: true}
		a.out.Add(m.Append(a.out.Buffer()), a.w.transport.Local()[0], netip.Addr{})
	}
	a.transport.Send(a.out, 0)
}

func (a *asker) take(n int) {
	for got := 0; got < n; {
		k, err := a.transport.Receive(a.in, patience)
		if err != nil || k == 0 {
			require.FailNow(a.tb, "replies were lost", "%d of %d came, %v", got, n, err)
		}
		got += k
	}
}

// TestTurnCalls is the budget of a turn: however many queries wait, up to a batch, one system call brings them and one
// takes the replies away.
func TestTurnCalls(t *testing.T) {
	a := newAsker(t)
	for _, n := range []int{1, 2, 63, 64} {
		before := a.w.transport.Stats()
		a.ask(n)
		_, err := a.w.turn(0)
		require.NoError(t, err)
		after := a.w.transport.Stats()
		require.EqualValues(t, 1, after.ReceiveCalls-before.ReceiveCalls, "%d waiting", n)
		require.EqualValues(t, 1, after.SendCalls-before.SendCalls, "%d waiting", n)
		require.EqualValues(t, n, after.Received-before.Received)
		require.EqualValues(t, n, after.Sent-before.Sent)
		a.take(n)
	}
	require.Zero(t, a.w.tally.asked)
}

// BenchmarkTurn is the worker's turn when so many queries wait, on loopback sockets, whose receiving side is paid for by
// whoever sends. Asking and taking the replies is not counted.
func BenchmarkTurn(b *testing.B) {
	for _, waiting := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			a := newAsker(b)
			before, worked := a.w.transport.Stats(), time.Duration(0)
			b.ReportAllocs()
			for b.Loop() {
				a.ask(waiting)
				began := time.Now()
				if _, err := a.w.turn(0); err != nil {
					b.Fatal(err)
				}
				worked += time.Since(began)
				a.take(waiting)
			}
			s := a.w.transport.Stats()
			datagrams := float64(s.Received - before.Received)
			b.ReportMetric(float64(worked)/datagrams, "turn-ns/datagram")
			b.ReportMetric(float64(s.ReceiveCalls-before.ReceiveCalls+s.SendCalls-before.SendCalls)/datagrams, "calls/datagram")
		})
	}
}
