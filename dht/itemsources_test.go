package dht

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// TestItemShare lets sources and networks put all they can, into stores of the default size and tiny ones: others
// are still served, and what expires can be put again.
func TestItemShare(t *testing.T) {
	network6 := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 3, 6: byte(i >> 8), 7: byte(i), 15: 1}), 1)
	}
	network4 := func(i int) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{60, 1, 1, byte(i)}), 1) }
	for _, c := range []struct {
		name  string
		limit int
		from  func(i int) netip.AddrPort
		most  int
	}{
		{"an address", DefaultMaxItems, func(int) netip.AddrPort { return network4(1) }, DefaultMaxItems / sourceShare},
		{"a /64", DefaultMaxItems, func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 3, 14: byte(i >> 8), 15: byte(i)}), 1)
		}, DefaultMaxItems / sourceShare},
		{"32 of a /48", DefaultMaxItems, func(i int) netip.AddrPort { return network6(i % 32) }, DefaultMaxItems / (sourceShare/networkSources + 1)},
		{"a /48", DefaultMaxItems, network6, DefaultMaxItems / (sourceShare/networkSources + 1)},
		{"a /24", DefaultMaxItems, network4, DefaultMaxItems / (sourceShare/networkSources + 1)},
		{"an address, of 1,024", 1024, func(int) netip.AddrPort { return network4(1) }, 8},
		{"a /48, of 1,024", 1024, network6, 128},
		{"a /48, of 10", 10, network6, 10}, // there is no small part of it
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, Config{MaxItems: c.limit})
			put := func(now Instant, src netip.AddrPort, i int) int64 { return putNumber(t, n, now, src, i) }
			stored := 0
			for i := range c.limit {
				if put(0, c.from(i), i) != 0 {
					break
				}
				stored++
			}
			require.Equal(t, n.Counts().Items, stored)
			require.InDelta(t, c.most, stored, float64(networkSources))
			require.LessOrEqual(t, stored, max(c.most+2, c.limit*2/sourceShare))
			if stored == c.limit {
				return
			}
			require.EqualValues(t, 202, put(0, c.from(stored), 1e6))
			require.Zero(t, put(0, c.from(stored), 5), "what is stored may be put again")
			require.Zero(t, put(0, addr4(2), 1e6), "another source")
			require.Zero(t, put(0, addr4(2), 7), "whose puts of items that are stored count for whoever came first")
			requireWhole(t, n.items)

			later := Instant(itemLifetime) + 2*sweepPeriod
			run(t, n, 0, later)
			require.Zero(t, n.Counts().Items)
			require.Zero(t, put(later, c.from(0), 1e6))
		})
	}
}

// TestItemCrowd is what a hundred greedy sources of as many networks leave to others: most of the store.
func TestItemCrowd(t *testing.T) {
	const limit, crowd = DefaultMaxItems, 100
	s := newItemStore(limit, testKey, 0)
	for i := range limit {
		target := idOf(byte(i), byte(i>>8), byte(i>>16), 7)
		s.put(0, 0, &target, &item{value: []byte("1:v")}, sourceOf(addr4(i%crowd).Addr()))
	}
	require.InDelta(t, limit*crowd/(crowd+sourceShare), s.count, crowd)
	requireWhole(t, s)
}

// putNumber puts the number i, as one does: after a get for the token. A source that gets none and puts all the same
// is refused.
func putNumber(t *testing.T, n *Node, now Instant, src netip.AddrPort, i int) int64 {
	v := wire.AppendInt(nil, int64(i))
	target := ImmutableTarget(v)
	get := ask(t, n, now, src, wire.Message{Method: wire.Get, Target: target[:]})
	if get.Token == nil {
		var token [tokenSize]byte
		n.tokens.put(&token, now, src.Addr(), target[:])
		require.EqualValues(t, 202, ask(t, n, now, src, wire.Message{Method: wire.Put, Value: v, Token: token[:]}).Code)
		return 202
	}
	return ask(t, n, now, src, wire.Message{Method: wire.Put, Value: v, Token: get.Token}).Code
}
