package dht

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// starts are clocks a node must not care about: the embedder's zero means nothing.
var starts = []Instant{
	0,
	1,
	-1,
	Instant(-36 * time.Hour),
	Instant(5*time.Minute) - 1,
	Instant(1<<32*time.Second) - Instant(time.Minute), // seconds in 32 bits are about to wrap around
	Instant(290 * 365 * 24 * time.Hour),
}

// testKey is a key as good as any other, and always the same.
var testKey = newHashKey(rand.NewChaCha8([32]byte{'k'}))

// newNode is a small node; fields of c that are zero get values fit for a test.
func newNode(tb testing.TB, c Config) *Node {
	tb.Helper()
	if c.Seed == ([32]byte{}) {
		c.Seed = [32]byte{1}
	}
	if c.Version == ([4]byte{}) {
		c.Version = [4]byte{'S', 'N', '0', '1'}
	}
	if c.MaxNodes == 0 {
		c.MaxNodes = 1000
	}
	if c.MaxPeers == 0 {
		c.MaxPeers = 1000
	}
	n, err := New(c)
	require.NoError(tb, err)
	return n
}

// idOf is an id that begins with prefix and is zero behind.
func idOf(prefix ...byte) (id wire.ID) {
	copy(id[:], prefix)
	return id
}

// filledID is an id of twenty times the same byte.
func filledID(b byte) (id wire.ID) {
	for i := range id {
		id[i] = b
	}
	return id
}

// addr4 and addr6 make addresses of different hosts and subnets from a number, public ones.
func addr4(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{20 + byte(i>>16), byte(i >> 8), byte(i), 1}), 6881)
}

func addr6(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 0x03, byte(i >> 16), byte(i >> 8), byte(i), 15: 1}), 6881)
}

func addrOf(f family, i int) netip.AddrPort {
	if f == v4 {
		return addr4(i)
	}
	return addr6(i)
}

func compact(a netip.AddrPort) []byte { return wire.AppendAddr(nil, a) }

// hold puts a node into the table, as if it had answered.
func hold(tb testing.TB, n *Node, id wire.ID, at netip.AddrPort, now Instant) {
	tb.Helper()
	require.True(tb, n.tables[familyOf(at.Addr())].answered(&id, compact(at), now.seconds()), "hold %v", at)
}

// encodeQuery is m made a complete query from filledID('q'), in bencode.
func encodeQuery(m wire.Message) []byte {
	m.Kind = wire.Query
	if m.T == nil {
		m.T = []byte("aa")
	}
	if m.ID == nil {
		id := filledID('q')
		m.ID = id[:]
	}
	return m.Append(nil)
}

// ask sends a query and returns the parsed reply, whose bytes are the caller's.
func ask(tb testing.TB, n *Node, now Instant, src netip.AddrPort, m wire.Message) wire.Message {
	tb.Helper()
	out, o := n.Handle(now, src, encodeQuery(m), nil)
	require.NotEmpty(tb, out, "no reply: %v", o.Verdict)
	var r wire.Message
	require.NoError(tb, wire.Parse(out, &r))
	return r
}

// sentQuery is one datagram of the node's own.
type sentQuery struct {
	at Instant
	to netip.AddrPort
	m  wire.Message
}

// drain polls until there is nothing due, and checks what NextWake promises then.
func drain(tb testing.TB, n *Node, now Instant) (queries []sentQuery) {
	tb.Helper()
	for {
		out, to, ok := n.Poll(now, nil)
		if !ok {
			require.Empty(tb, out)
			require.Greater(tb, n.NextWake(), now, "NextWake is not in the future after an idle Poll")
			return queries
		}
		var m wire.Message
		require.NoError(tb, wire.Parse(out, &m))
		require.Equal(tb, wire.Query, m.Kind)
		require.Len(tb, m.T, 4)
		queries = append(queries, sentQuery{now, to, m})
		require.Less(tb, len(queries), 1<<16, "Poll does not come to an end")
	}
}

// run lets time pass from now until end, polling only when NextWake says so.
func run(tb testing.TB, n *Node, now, end Instant) (queries []sentQuery) {
	tb.Helper()
	for ; now < end; now = n.NextWake() {
		queries = append(queries, drain(tb, n, now)...)
	}
	return append(queries, drain(tb, n, end)...)
}

// answer makes the node receive the response of a node with this id to q.
func answer(n *Node, now Instant, q sentQuery, id wire.ID, r wire.Message) Outcome {
	r.Kind, r.T, r.ID = wire.Response, q.m.T, id[:]
	_, o := n.Handle(now, q.to, r.Append(nil), nil)
	return o
}
