package dht

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// mutablePut is a put of priv's item, without a token.
func mutablePut(priv byte, salt string, seq int64, v []byte) wire.Message {
	key := keyPair(priv)
	return wire.Message{Method: wire.Put, Value: v, Key: publicOf(key), Sig: SignItem(key, []byte(salt), seq, v),
		Salt: []byte(salt), Has: wire.HasSeq, Seq: seq}
}

// withToken completes a put with the token that src would be given.
func withToken(n *Node, now Instant, src family, m wire.Message) wire.Message {
	it := item{value: m.Value, key: m.Key, salt: m.Salt}
	target := it.target()
	var token [tokenSize]byte
	n.tokens.put(&token, now, addrOf(src, 9000).Addr(), target[:])
	m.Token = token[:]
	return m
}

// TestItemsDoNotAllocate budgets get and put, hits and refusals, once the store has its memory.
func TestItemsDoNotAllocate(t *testing.T) {
	n, _ := full(t)
	n.items.checks = newPace(1e9, 1e9, 0)
	small, large := mutablePut(1, "", 1, valueOf(30)), mutablePut(2, "salt", 1, valueOf(700))
	plain := wire.Message{Method: wire.Put, Value: valueOf(900)}
	for _, m := range []wire.Message{small, large, plain} {
		require.Zero(t, ask(t, n, 0, addr4(9000), withToken(n, 0, v4, m)).Code)
	}
	targetOf := func(m wire.Message) []byte {
		target := (&item{value: m.Value, key: m.Key, salt: m.Salt}).target()
		return target[:]
	}
	newer := mutablePut(1, "", 1, valueOf(30))
	forged := mutablePut(1, "", 3, valueOf(30))
	forged.Sig[9]++
	both := wire.Want4 | wire.Want6
	for name, m := range map[string]wire.Message{
		"get, small":       {Method: wire.Get, Target: targetOf(small), Want: both},
		"get, large":       {Method: wire.Get, Target: targetOf(large), Version: make([]byte, 40)},
		"get, immutable":   {Method: wire.Get, Target: targetOf(plain), Version: make([]byte, 40)},
		"get, not stored":  {Method: wire.Get, Target: make([]byte, 20)},
		"get, 203":         {Method: wire.Get},
		"put again":        withToken(n, 0, v4, newer),
		"put again, plain": withToken(n, 0, v4, plain),
		"put, bad token":   {Method: wire.Put, Value: valueOf(900), Token: make([]byte, tokenSize)},
		"put, 302":         withToken(n, 0, v4, mutablePut(2, "salt", 0, valueOf(700))),
		"put, 205":         {Method: wire.Put, Value: valueOf(1001)},
	} {
		in, buf := encodeQuery(m), make([]byte, 0, 2048)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			n.Handle(0, addr4(9000), in, buf)
		}), name)
	}

	// The error by which the library says that a signature is wrong costs it one, at a pace that is bounded.
	in, buf := encodeQuery(withToken(n, 0, v4, forged)), make([]byte, 0, 2048)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		clear(n.items.budgets) // let all be checked
		n.Handle(0, addr4(9000), in, buf)
	}), 1.0)

	// A newer item takes the links of the one before.
	var puts [][]byte
	for seq := range int64(100) {
		puts = append(puts, encodeQuery(withToken(n, 0, v4, mutablePut(3, "", seq, valueOf(500)))))
	}
	i := 0
	clear(n.items.budgets)
	require.Zero(t, testing.AllocsPerRun(98, func() {
		if _, o := n.Handle(0, addr4(9000), puts[i], buf); o.Verdict != Answered {
			t.Fatalf("%+v", o)
		}
		i++
	}))

	now := Instant(0)
	require.Zero(t, testing.AllocsPerRun(200, func() {
		now = now.Add(time.Minute)
		n.items.sweep(now)
	}))
	require.Zero(t, n.items.count)
}

func BenchmarkGetItem(b *testing.B) {
	n, _ := full(b)
	for name, m := range map[string]wire.Message{
		"torrent": mutablePut(1, "salt", 1, AppendMutableTorrent(nil, filledID('h'))),
		"large":   mutablePut(2, "salt", 1, valueOf(700)),
	} {
		require.Zero(b, ask(b, n, 0, addr4(9000), withToken(n, 0, v4, m)).Code)
		target := MutableTarget(m.Key, m.Salt)
		in, buf := encodeQuery(wire.Message{Method: wire.Get, Target: target[:], Version: make([]byte, 16)}), make([]byte, 0, 2048)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n.Handle(0, addr4(9000), in, buf)
			}
		})
	}
}

func BenchmarkPutItem(b *testing.B) {
	n, _ := full(b)
	n.items.checks = newPace(1e9, 1e9, 0)
	same := withToken(n, 0, v4, mutablePut(1, "salt", 1, valueOf(700)))
	require.Zero(b, ask(b, n, 0, addr4(9000), same).Code)
	forged := withToken(n, 0, v4, mutablePut(1, "salt", 2, valueOf(700)))
	forged.Sig[9]++
	for name, m := range map[string]wire.Message{
		"immutable": withToken(n, 0, v4, wire.Message{Method: wire.Put, Value: valueOf(700)}),
		"again":     same,
		"forged":    forged,
	} {
		in, buf := encodeQuery(m), make([]byte, 0, 2048)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				clear(n.items.budgets) // let all be checked
				n.Handle(0, addr4(9000), in, buf)
			}
		})
	}
}
