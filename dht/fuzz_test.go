package dht

import (
	"bytes"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// fuzzSources are who a datagram may come from: a node of the table, one that is being verified, strangers of both
// families, a bootstrap address, and addresses nothing must be sent to.
var fuzzSources = []netip.AddrPort{
	addr4(1), addr6(1), addr4(500), addr4(9000), addr6(9000), addr4(77),
	netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("9.9.9.9:0"), netip.MustParseAddrPort("[::ffff:9.9.9.9]:9"),
}

const fuzzStart = Instant(time.Hour)

// fuzzNode is a small node in the middle of its life: nodes, swarms, unanswered queries, strangers to verify. It
// is the same every time, secrets included.
func fuzzNode(tb testing.TB) *Node {
	n := newNode(tb, Config{MaxNodes: 64, MaxPeers: 60, MaxItems: 4, Start: fuzzStart})
	for i := range 20 {
		hold(tb, n, idOf(byte(i*13), 4), addr4(i), fuzzStart)
		hold(tb, n, idOf(byte(i*13), 6), addr6(i), fuzzStart)
	}
	infohash := filledID('h')
	for i := range 25 {
		require.True(tb, n.peers.announce(fuzzStart, &infohash, addr4(i), false))
		require.True(tb, n.peers.announce(fuzzStart, &infohash, addr6(i), true))
	}
	for _, m := range fuzzItems() {
		require.True(tb, n.items.restore(fuzzStart, 0, item{value: m.Value, key: m.Key, sig: m.Sig, salt: m.Salt, seq: m.Seq}))
	}
	n.askFor(fuzzStart, nil, targetAt(v4, compact(addr4(1))), askAlive, wire.ID{})
	n.askFor(fuzzStart, nil, targetAt(v6, compact(addr6(1))), askNodes, filledID('t'))
	n.askFor(fuzzStart, nil, targetAt(v4, compact(addr4(500))), askNodes, filledID('t'))
	return n
}

// fuzzItems are the puts that made the items fuzzNode stores: an immutable one and two mutable ones.
func fuzzItems() []wire.Message {
	return []wire.Message{
		{Method: wire.Put, Value: []byte("5:hello")}, mutablePut(1, "salt", 5, valueOf(1000)), mutablePut(1, "", 5, valueOf(300)),
	}
}

// fuzzSeeds are datagrams of every kind that fuzzNode has an answer or a use for.
func fuzzSeeds(tb testing.TB) (seeds [][]byte) {
	n := fuzzNode(tb)
	target, infohash, id := filledID('t'), filledID('h'), filledID('q')
	var token [tokenSize]byte
	n.tokens.put(&token, fuzzStart, addr4(9000).Addr(), infohash[:])
	both := wire.Want4 | wire.Want6
	for _, m := range []wire.Message{
		{Method: wire.Ping},
		{Method: wire.Ping, ReadOnly: true, T: bytes.Repeat([]byte("t"), 32), Version: []byte("LT\x02\x08")},
		{Method: wire.FindNode, Target: target[:]},
		{Method: wire.FindNode, Target: target[:], Want: both},
		{Method: wire.GetPeers, InfoHash: infohash[:]},
		{Method: wire.GetPeers, InfoHash: target[:], Want: both, Scrape: true, NoSeed: true},
		{Method: wire.AnnouncePeer, InfoHash: infohash[:], Token: token[:], Has: wire.HasPort, Port: 7000, Seed: true},
		{Method: wire.AnnouncePeer, InfoHash: infohash[:], Token: token[:], ImpliedPort: true},
		{Method: wire.AnnouncePeer, InfoHash: infohash[:], Token: []byte("wrong"), Has: wire.HasPort},
		{Name: []byte("vote"), Target: target[:]},
		{Method: wire.GetPeers, InfoHash: infohash[:], Scrape: true, Want: both},
		{Method: wire.GetPeers, InfoHash: infohash[:], Scrape: true, NoSeed: true, T: bytes.Repeat([]byte("t"), 32)},
		{Method: wire.SampleInfohashes},
		{Method: wire.SampleInfohashes, Target: infohash[:]},
		{Method: wire.SampleInfohashes, Target: target[:], Want: both},
	} {
		seeds = append(seeds, encodeQuery(m))
	}
	forged := mutablePut(2, "", 1, []byte("1:v"))
	forged.Sig[0]++
	for _, m := range append(fuzzItems(), forged, mutablePut(1, "", 6, valueOf(900)), mutablePut(1, "", 4, []byte("le")),
		mutablePut(3, "", 1, []byte("1:v")), wire.Message{Method: wire.Put, Value: []byte("d1:b0:1:a0:e")},
		wire.Message{Method: wire.Put, Value: []byte("5:world")}, wire.Message{Method: wire.Put, Value: valueOf(1001)}) {
		m = withToken(n, fuzzStart, v4, m) // for fuzzSources[3]
		seeds = append(seeds, encodeQuery(m))
		target := (&item{value: m.Value, key: m.Key, salt: m.Salt}).target()
		seeds = append(seeds, encodeQuery(wire.Message{Method: wire.Get, Target: target[:], Want: both}))
		seeds = append(seeds, encodeQuery(wire.Message{Method: wire.Get, Target: target[:], Has: wire.HasSeq, Seq: m.Seq}))
		m.Has |= wire.HasCAS
		m.CAS = 5
		seeds = append(seeds, encodeQuery(m))
	}
	for i := range n.pending.used {
		tid := n.pending.order[i].tid
		q := n.pending.slot(tid)
		t := []byte{byte(tid >> 24), byte(tid >> 16), byte(tid >> 8), byte(tid)}
		at, found, _ := n.tables[q.family].find(q.addr[:addrSize[q.family]])
		if found {
			id = wire.ID(n.tables[q.family].blob(at))
		}
		r := wire.Message{Kind: wire.Response, T: t, ID: id[:]}
		if q.asked == askNodes {
			r.Nodes = wire.AppendNode(nil, filledID('n'), addr4(300))
			r.Nodes6 = wire.AppendNode(nil, filledID('n'), addr6(300))
		}
		seeds = append(seeds, r.Append(nil))
		seeds = append(seeds, ptr(wire.Message{Kind: wire.Error, T: t, Code: 203, Text: []byte("no")}).Append(nil))
	}
	return append(seeds, []byte("d1:ad2:id20:AAAAAAAAAAAAAAAAAAAAe1:q4:ping1:t2:aa1:y1:q"), []byte("de"), nil)
}

// FuzzHandle gives a node with a past two datagrams, one behind the other, and lets some time pass.
func FuzzHandle(f *testing.F) {
	committed, err := os.ReadDir("testdata/fuzz/FuzzHandle")
	require.NoError(f, err)
	require.NotEmpty(f, committed, "the seed corpus is empty")
	seeds := fuzzSeeds(f)
	for i, first := range seeds {
		second := seeds[(i*7+3)%len(seeds)]
		f.Add(first, second, uint8(i), uint8(i/2), uint16(i*100))
		f.Add(first, second, uint8(3), uint8(3), uint16(i*100)) // from whom tokens are for
	}
	f.Fuzz(func(t *testing.T, first, second []byte, from1, from2 uint8, seconds uint16) {
		n := fuzzNode(t)
		buf := make([]byte, 0, 2048)
		now := fuzzStart
		for _, in := range []struct {
			src      netip.AddrPort
			datagram []byte
		}{
			{fuzzSources[int(from1)%len(fuzzSources)], first},
			{fuzzSources[int(from2)%len(fuzzSources)], second},
		} {
			if len(in.datagram) > 65507 {
				return
			}
			original := bytes.Clone(in.datagram)
			n.Expect(in.src, in.datagram)
			n.Foresee()
			out, o := n.Handle(now, in.src, in.datagram, buf)
			checkReply(t, in.src, original, out, o)
			require.Equal(t, original, in.datagram, "the datagram was changed")

			// A second time, what the first one made room for is there.
			allowed := 0.0
			if o.Code == wire.CodeInvalidSignature {
				allowed = 2 // the library's errors, of a signature that is none
			}
			if allocs := testing.AllocsPerRun(5, func() { n.Handle(now, in.src, in.datagram, buf) }); allocs > allowed {
				t.Fatalf("%v allocations", allocs)
			}
			drain(t, n, now)
			now = now.Add(time.Duration(seconds) * time.Second)
			drain(t, n, now)
		}
		for f := range family(families) {
			contents(t, n.tables[f])
		}
		stored(t, n.peers)
		requireWhole(t, n.items)
		for from, more := uint32(0), true; more; {
			from, more = n.items.each(now, from, func(it item, _ time.Duration) bool {
				require.True(t, it.verify(), "an item is stored that nobody signed")
				return true
			})
		}
	})
}

// checkReply holds a reply, or its absence, against what every one must keep to.
func checkReply(t *testing.T, src netip.AddrPort, in, out []byte, o Outcome) {
	var q, r wire.Message
	if err := wire.Parse(in, &q); err != nil || q.Kind != wire.Query || len(q.T) < 1 || len(q.T) > maxTransaction || src.Port() == 0 || realmOf(src.Addr()) != public {
		require.Empty(t, out, "a reply to %q", in)
		require.NotContains(t, []Verdict{Answered, Refused}, o.Verdict)
		return
	}
	require.LessOrEqual(t, len(out), min(maxReply, maxAmplification*len(in)))
	require.NoError(t, wire.Parse(out, &r), "reply %q", out)
	require.Equal(t, q.T, r.T)
	require.Equal(t, out, r.Append(nil), "the reply is not canonical")
	require.Equal(t, "SN01", string(r.Version))
	if r.Kind == wire.Error {
		require.Equal(t, Outcome{Refused, q.Method, uint16(r.Code)}, o)
		require.Contains(t, []int64{202, 203, 204, 205, 206, 207, 301, 302}, r.Code)
		require.NotEmpty(t, r.Text)
		return
	}
	require.Equal(t, wire.Response, r.Kind)
	require.Equal(t, Outcome{Answered, q.Method, 0}, o)
	require.Equal(t, compact(src), r.IP)
	require.Len(t, r.ID, 20)
	for f, nodes := range [][]byte{r.Nodes, r.Nodes6} {
		for id, addr := range wire.NodeList(nodes, nodeSize[f]) {
			require.NotEqual(t, src, addr, "the asker's own address")
			require.NotEqual(t, wire.ID(q.ID), id, "the asker's own id")
			require.NotEqual(t, wire.ID(r.ID), id, "the node's own id")
		}
	}
}
