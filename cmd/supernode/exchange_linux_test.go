package main

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
	"supernode/internal/udp"
)

// exchange is a worker on real sockets and the hosts that talk to it, in lockstep on one thread. All of 127.0.0.0/8 is
// this machine's, so that one socket speaks for as many hosts as there are to be.
type exchange struct {
	t      testing.TB
	w      *worker
	hosts  udp.Transport
	in     *udp.Inbox
	out    *udp.Outbox
	debts  *udp.Outbox // the hosts' answers to the node's own queries
	known  uint32      // hosts that have asked something
	worked time.Duration

	announcing bool // with the token of each reply that has one
}

const exchangeBatch = 64

// newExchange makes a worker that knows so many nodes, and so many peers of infohash.
func newExchange(t testing.TB, nodes, peers int) *exchange {
	t.Helper()
	hosts, err := udp.OpenMmsg([]netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0")},
		udp.Options{ReceiveBuffer: receiveBuffer, SendBuffer: sendBuffer})
	require.NoError(t, err)
	t.Cleanup(func() { hosts.Close() })
	x := &exchange{
		t: t, w: newTestWorker(t, udp.OpenMmsg), hosts: hosts, known: exchangeBatch,
		in: udp.NewInbox(exchangeBatch), out: udp.NewOutbox(exchangeBatch), debts: udp.NewOutbox(exchangeBatch),
	}
	x.announcing = true
	for x.w.counts().Peers < peers {
		x.batch(exchangeBatch, wire.GetPeers)
	}
	x.announcing = false
	for x.w.counts().Nodes4 < nodes {
		x.batch(exchangeBatch, wire.Ping)
	}
	return x
}

// hostAddr is the address of a host, hostID its id: both are spread out.
func hostAddr(host uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 127<<24|1<<16|host*0x9e3779b1>>9)
	return netip.AddrFrom4(b)
}

func hostID(id *wire.ID, addr netip.Addr) {
	b := addr.As4()
	binary.BigEndian.PutUint64(id[:], uint64(binary.BigEndian.Uint32(b[:]))*0x9e3779b97f4a7c15)
}

// batch has as many hosts ask something of the node, strangers of them for the first time, and returns when all have
// their replies. Meanwhile the node asks strangers back, and they answer.
func (x *exchange) batch(strangers int, methods ...wire.Method) {
	for i := range uint32(exchangeBatch) {
		host := i
		if int(i) < strangers {
			x.known++
			host = x.known
		}
		x.query(host, methods[int(i)%len(methods)])
	}
	x.hosts.Send(x.out, 0)
	x.w.clock.start = x.w.clock.start.Add(-100 * time.Millisecond) // the node asks back at its leisure
	expected := exchangeBatch
	if x.announcing {
		expected *= 2
	}
	for replies, turns := 0, 0; replies < expected; turns++ {
		if turns > 1<<20 {
			require.FailNow(x.t, "replies were lost")
		}
		began := time.Now()
		_, err := x.w.turn(0)
		x.worked += time.Since(began)
		if err != nil {
			require.NoError(x.t, err)
		}
		replies += x.receive()
	}
}

func (x *exchange) query(host uint32, method wire.Method) {
	var id wire.ID
	from := hostAddr(host)
	hostID(&id, from)
	m := wire.Message{Kind: wire.Query, Method: method, T: id[:2], ID: id[:], Target: id[:], InfoHash: infohash}
	x.out.Add(m.Append(x.out.Buffer()), x.w.transport.Local()[0], from)
}

// receive takes what has come for the hosts, answers queries, and returns how many were replies.
func (x *exchange) receive() (replies int) {
	n, err := x.hosts.Receive(x.in, 0)
	if err != nil {
		require.NoError(x.t, err)
	}
	for i := range n {
		var m wire.Message
		if err := wire.Parse(x.in.Payload(i), &m); err != nil {
			require.NoError(x.t, err, "%q", x.in.Payload(i))
		}
		var id wire.ID
		hostID(&id, x.in.Local(i))
		answer := wire.Message{Kind: wire.Response, T: m.T, ID: id[:]}
		if m.Kind != wire.Query {
			replies++
			if !x.announcing || m.Token == nil {
				continue
			}
			answer = wire.Message{
				Kind: wire.Query, Method: wire.AnnouncePeer, T: m.T, ID: id[:],
				InfoHash: infohash, Token: m.Token, ImpliedPort: true,
			}
		}
		x.debts.Add(answer.Append(x.debts.Buffer()), x.in.Source(i), x.in.Local(i))
	}
	x.hosts.Send(x.debts, 0)
	return replies
}

// TestWorkerAllocatesNothing: receiving, answering, refusing, asking back, being answered and publishing.
func TestWorkerAllocatesNothing(t *testing.T) {
	x := newExchange(t, 1000, 0)
	round := func() {
		x.batch(4, wire.Ping, wire.FindNode, wire.GetPeers, wire.AnnouncePeer, wire.Get, wire.Unknown)
	}
	for range 10 {
		round()
	}
	before := x.w.tally
	const rounds = 200
	require.Zero(t, testing.AllocsPerRun(rounds, round))

	after := x.w.tally
	require.Greater(t, after.replies, before.replies+rounds*exchangeBatch/2)
	require.Greater(t, after.errors[wire.CodeProtocol-firstError], before.errors[wire.CodeProtocol-firstError])
	require.Greater(t, after.asked, before.asked+rounds, "it was to speak in every round")
	require.Greater(t, after.counts.Nodes4, before.counts.Nodes4)
}

// BenchmarkWorker measures the loop on loopback sockets, a query at a time that is one of a batch of 64. The sending
// and receiving of those that ask is in ns/op; worker-ns/op is the worker's turns alone, in which loopback
// makes it pay for the delivery of its replies too.
func BenchmarkWorker(b *testing.B) {
	for _, method := range []wire.Method{wire.Ping, wire.FindNode, wire.GetPeers} {
		b.Run(method.String(), func(b *testing.B) {
			x := newExchange(b, 10_000, 100)
			x.worked = 0
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += exchangeBatch {
				x.batch(0, method)
			}
			queries := (b.N + exchangeBatch - 1) / exchangeBatch * exchangeBatch
			b.ReportMetric(float64(x.worked)/float64(queries), "worker-ns/op")
		})
	}
}
