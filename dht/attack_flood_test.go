package dht

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// forged is the i-th of many forged source addresses, scattered over eighty /8s.
func forged(i int) netip.AddrPort {
	x := uint32(i) * 2654435761
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], x)
	a[0] = 20 + a[0]%80
	return netip.AddrPortFrom(netip.AddrFrom4(a), uint16(1024+x%60000))
}

// TestTenMillionSources is a flood of a million queries a second, each from an address of its own that did not send it,
// for ten seconds. What it leaves behind is nothing, what it makes the node send to others is a trickle, and who
// means it honestly is answered all the while.
func TestTenMillionSources(t *testing.T) {
	const sources, perMillisecond = 10_000_000, 1000
	n := newNode(t, Config{RateLimit: 250, MaxNodes: DefaultMaxNodes, MaxPeers: 1000})
	target := filledID('t')
	flood := [][]byte{
		encodeQuery(wire.Message{Method: wire.Ping}),
		encodeQuery(wire.Message{Method: wire.FindNode, Target: target[:], Want: wire.Want4 | wire.Want6}),
		encodeQuery(wire.Message{Method: wire.GetPeers, InfoHash: target[:]}),
		encodeQuery(wire.Message{Method: wire.AnnouncePeer, InfoHash: target[:], Token: []byte("guessing"), ImpliedPort: true}),
	}
	honest := encodeQuery(wire.Message{Method: wire.Ping, ReadOnly: true})
	buf := make([]byte, 0, 2048)
	heap := heapInUse()
	now, pings := Instant(0), map[Instant]int{}
	for i := range sources {
		if i%perMillisecond == 0 {
			now = now.Add(time.Millisecond)
			if i/perMillisecond%5 == 0 { // 200 a second
				if _, o := n.Handle(now, addr4(1), honest, buf); o.Verdict != Answered {
					t.Fatalf("an honest query is %v at %v", o.Verdict, time.Duration(now))
				}
			}
			for _, _, ok := n.Poll(now, buf); ok; _, _, ok = n.Poll(now, buf) {
				pings[now/Instant(time.Second)]++
			}
		}
		n.Handle(now, forged(i), flood[i%len(flood)], buf)
	}
	require.LessOrEqual(t, heapInUse(), heap+64<<10, "bytes of heap")
	counts := n.Counts()
	require.Zero(t, counts.Nodes4+counts.Nodes6+counts.Peers+counts.Infohashes)
	for second, count := range pings {
		require.LessOrEqual(t, count, verifyRate+verifyBurst, "pings in second %d", second)
	}
	require.NotEmpty(t, pings)
}

// heapInUse is how many bytes are reachable.
func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestFloodFromOneSource: it gets its rate, and nobody else notices.
func TestFloodFromOneSource(t *testing.T) {
	const rate, seconds = 250, 10
	n := newNode(t, Config{RateLimit: rate})
	ping, buf := encodeQuery(wire.Message{Method: wire.Ping}), make([]byte, 0, 2048)
	answered := 0
	for i := range seconds * 100_000 {
		now := Instant(i) * 10_000
		if out, _ := n.Handle(now, addr4(1), ping, buf); len(out) > 0 {
			answered++
		}
		if i%1000 == 0 {
			_, o := n.Handle(now, addr4(2+i/1000), ping, buf)
			require.Equal(t, Answered, o.Verdict, "another source")
		}
	}
	require.InDelta(t, rate*(limitBurst+seconds), answered, 1)
}

// TestVictimNamed lets a hostile crowd do all it can to have the node ping one host: forge queries from it, answer
// with it on every list of nodes, and drown the memory of who was considered before.
func TestVictimNamed(t *testing.T) {
	victim := netip.MustParseAddr("8.8.8.8")
	var list []byte
	for port := range uint16(learn) {
		list = wire.AppendNode(list, filledID(byte(port)), netip.AddrPortFrom(victim, 1+port))
	}
	ping, buf := encodeQuery(wire.Message{Method: wire.Ping}), make([]byte, 0, 2048)
	for _, c := range []struct {
		name        string
		perTick     int // forged queries from random addresses each millisecond
		limit, full int // pings to the victim in ten minutes, and to all
	}{
		{"it alone", 0, 10, 2000},
		// Of 32,768 hosts that are remembered, 1,000 a second are replaced: the victim's turn is every 33 seconds.
		{"among many", 5, 60, 600*verifyRate + verifyBurst + 50}, // and some to the hostile ones
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, Config{MaxNodes: DefaultMaxNodes, RateLimit: 250})
			toVictim, total, forgeries := 0, 0, 0
			n.Bootstrap(0, addr4(1), addr4(2))
			for ms := range 10 * 60 * 1000 {
				now := Instant(ms) * Instant(time.Millisecond)
				n.Handle(now, netip.AddrPortFrom(victim, uint16(1+ms%60000)), ping, buf)
				for range c.perTick {
					forgeries++
					n.Handle(now, forged(forgeries), ping, buf)
				}
				for out, to, ok := n.Poll(now, buf); ok; out, to, ok = n.Poll(now, buf) {
					total++
					if to.Addr() == victim {
						toVictim++
						continue
					}
					if to == addr4(1) || to == addr4(2) { // the hostile ones
						var q wire.Message
						if wire.Parse(out, &q) != nil {
							t.Fatal("Poll sends what does not parse")
						}
						id := filledID(to.Addr().As4()[2])
						answer(n, now, sentQuery{now, to, q}, id, wire.Message{Nodes: list})
					}
				}
			}
			require.LessOrEqual(t, toVictim, c.limit)
			require.Positive(t, toVictim)
			require.LessOrEqual(t, total, c.full)
			t.Logf("%d pings to the victim, %d in all, for %d forged queries", toVictim, total, 600_000+forgeries)
		})
	}
}

// TestBombs are datagrams made to keep a parser busy, as long as UDP carries. Thousands of each are dealt with; a
// parser that looked at any byte more than a few times would keep this test from ever ending.
func TestBombs(t *testing.T) {
	const size = 65507
	n := newNode(t, Config{})
	fill := func(head, unit, tail string) []byte {
		return []byte(head + strings.Repeat(unit, (size-len(head)-len(tail))/len(unit)) + tail)
	}
	ping := "d1:ad2:id20:qqqqqqqqqqqqqqqqqqqqe1:q4:ping1:t2:aa1:y1:q"
	for name, bomb := range map[string][]byte{
		"lists":                   fill("", "l", ""),
		"lists in a query":        fill("d1:a", "l", ""),
		"closed lists":            append(fill("", "l", "")[:size/2], fill("", "e", "")[:size/2]...),
		"dictionaries":            fill("", "d1:a", ""),
		"dictionaries behind":     fill(ping+"1:z", "d1:a", ""),
		"many empty lists":        fill(ping+"1:zl", "le", ""),
		"many keys without end":   fill(ping, "1:zi1e", ""),
		"the same key":            fill("d1:ad2:id20:qqqqqqqqqqqqqqqqqqqq", "2:id0:", ""),
		"digits":                  fill("", "9", ""),
		"digits of an integer":    fill("di", "9", ""),
		"digits of a length":      fill("d", "1", ":"),
		"a length beyond the end": []byte("d1:a65507:x"),
		"a length beyond memory":  []byte("d1:a18446744073709551615:x"),
		"minus a length":          []byte("d1:a-1:xe"),
		"strings without end":     fill("d1:al", "1:x", ""),
		"want without end":        fill("d1:ad2:id20:qqqqqqqqqqqqqqqqqqqq4:wantl", "2:n4", ""),
		"values without end":      fill("d1:rd6:valuesl", "6:xxxxxx", ""),
		"zeros":                   fill("", "\x00", ""),
		"trailing":                fill(ping+"e", "e", ""),
	} {
		for range 1000 {
			if out, o := n.Handle(0, addr4(1), bomb, nil); len(out) > 0 || o.Verdict != DropMalformed {
				t.Fatalf("%s: %v, %d bytes", name, o.Verdict, len(out))
			}
		}
	}
	// What is merely long and right is answered, however much of it there is to skip.
	for _, unit := range []string{"1:zi1e", "1:zle", "1:z1:x"} {
		out, _ := n.Handle(0, addr4(1), fill(ping, unit, "e"), nil)
		require.NotEmpty(t, out)
	}
	require.Len(t, drain(t, n, 0), 1, "for the right ones")
}
