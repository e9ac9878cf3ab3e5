package dht

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"supernode/dht/wire"
)

const (
	benchNodes      = 1_000_000
	benchInfohashes = 1_000_000
	benchQueries    = 1 << 16
)

// bigNode is a node at the size it is made for: a million verified nodes and a million info_hashes, so that memory is
// missed in the caches as it is in life.
func bigNode(tb testing.TB, workers int) (*Node, []wire.ID) {
	tb.Helper()
	n, err := New(Config{Seed: [32]byte{1}, Version: [4]byte{'S', 'N', 0, 1}, MaxNodes: benchNodes + 1, Start: 0, Workers: workers})
	if err != nil {
		tb.Fatal(err)
	}
	rng := rand.NewChaCha8([32]byte{2})
	for n.tables[v4].count < benchNodes {
		var id wire.ID
		rng.Read(id[:])
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(1 + rng.Uint64()%9), byte(rng.Uint64()), byte(rng.Uint64()), byte(rng.Uint64())}), 6881)
		n.tables[v4].answered(&id, wire.AppendAddr(nil, addr), 1)
	}
	infohashes := make([]wire.ID, benchInfohashes)
	for i := range infohashes {
		rng.Read(infohashes[i][:])
		n.part(&infohashes[i]).announce(0, &infohashes[i], benchSource(i), false)
	}
	return n, infohashes
}

func benchSource(i int) netip.AddrPort {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 0x50000000+uint32(i))
	return netip.AddrPortFrom(netip.AddrFrom4(a), 6881)
}

// benchPace is the time between two queries of BenchmarkHandle, on the clock that it tells the node: 200,000 a second.
const benchPace = 5 * time.Microsecond

// BenchmarkHandle asks as a busy worker does, batch by batch, and as clients that are no nodes, of which more come by than
// are remembered: there is a place left in the table, so that each may be one. The queue of those to be asked for that is
// emptied at the pace at which Poll would do it, which is far from the pace at which it fills.
//
// The time is that of Expect, Foresee and Handle together.
func BenchmarkHandle(b *testing.B) {
	n, infohashes := bigNode(b, 1)
	rng := rand.NewChaCha8([32]byte{3})
	now := Instant(time.Second)
	var id [20]byte
	rng.Read(id[:])
	for _, bench := range []struct {
		name string
		make func(i int) wire.Message
	}{
		{"ping", func(int) wire.Message { return wire.Message{Method: wire.Ping} }},
		{"find_node", func(int) wire.Message {
			var target wire.ID
			rng.Read(target[:])
			return wire.Message{Method: wire.FindNode, Target: target[:]}
		}},
		{"get_peers", func(int) wire.Message {
			return wire.Message{Method: wire.GetPeers, InfoHash: infohashes[rng.Uint64()%benchInfohashes][:]}
		}},
		{"announce_peer", func(i int) wire.Message {
			infohash := infohashes[rng.Uint64()%benchInfohashes][:]
			var token [tokenSize]byte
			n.tokens.put(&token, now, benchSource(i).Addr(), infohash)
			return wire.Message{Method: wire.AnnouncePeer, InfoHash: infohash, Token: token[:], Has: wire.HasPort, Port: 6881}
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			queries := make([][]byte, benchQueries)
			for i := range queries {
				m := bench.make(i)
				m.Kind, m.ID, m.T, m.Version = wire.Query, id[:], []byte("abcd"), []byte("LT\x02\x08")
				queries[i] = m.Append(nil)
			}
			b.ReportAllocs()
			b.ResetTimer()
			now = benchHandle(b, n, now, b.N, func(i int) (netip.AddrPort, []byte) {
				return benchSource(i % benchQueries), queries[i%benchQueries]
			})
		})
	}
}

// benchHandle asks a node count times, batch by batch, from now on, and returns when that ended on the node's clock.
func benchHandle(b *testing.B, n *Node, now Instant, count int, query func(i int) (netip.AddrPort, []byte)) Instant {
	verify := newPace(verifyRate, verifyBurst, now)
	buf := make([]byte, 0, 2048)
	for first := 0; first < count; first += Ahead {
		for i := first; i < first+Ahead; i++ {
			n.Expect(query(i))
		}
		n.Foresee()
		for i := first; i < first+Ahead; i++ {
			src, in := query(i)
			if out, o := n.Handle(now, src, in, buf); len(out) == 0 || o.Verdict != Answered {
				b.Error(o)
				return now
			}
		}
		for now = now.Add(Ahead * benchPace); n.newcomers.verify.n > 0 && verify.pass(now); {
			n.newcomers.verify.pop()
		}
	}
	return now
}
