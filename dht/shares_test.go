package dht

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// greedy lets a source announce ever new info_hashes until it is refused, and returns how many it got in.
func greedy(t *testing.T, p *peerStore, source byte, from func(i int) netip.AddrPort) int {
	for i := range p.limit {
		infohash := idOf(source, byte(i>>16), byte(i>>8), byte(i), 1)
		if !p.takes(&infohash, from(i).Addr()) {
			require.False(t, p.announce(0, &infohash, from(i), false), "no token, but it is stored")
			return i
		}
		require.True(t, p.announce(0, &infohash, from(i), false), "a token, but it is refused")
	}
	return p.limit
}

// TestGreedySource holds single sources and networks against the part of the store they may have: one IPv4 address, one
// IPv6 /64 with all its addresses, what a customer may have of either, one host's programs.
func TestGreedySource(t *testing.T) {
	const limit = 100_000
	for _, c := range []struct {
		name string
		from func(i int) netip.AddrPort
		want int
	}{
		{"IPv4 address", func(i int) netip.AddrPort { return netip.AddrPortFrom(addr4(1).Addr(), uint16(i)|1) }, limit/sourceShare - 2},
		{"IPv6 /64", func(i int) netip.AddrPort {
			a := addr6(1).Addr().As16()
			a[9], a[10], a[11] = byte(i>>16), byte(i>>8), byte(i)
			return netip.AddrPortFrom(netip.AddrFrom16(a), 1)
		}, limit/sourceShare - 2},
		{"IPv4 /24", func(i int) netip.AddrPort {
			a := addr4(1).Addr().As4()
			a[3] = byte(i)
			return netip.AddrPortFrom(netip.AddrFrom4(a), 1)
		}, limit / (sourceShare/networkSources + 1)},
		{"IPv6 /48", func(i int) netip.AddrPort {
			a := addr6(1<<16 | 1).Addr().As16() // 2003:100:1::/48
			a[6], a[7] = byte(i>>8), byte(i)
			return netip.AddrPortFrom(netip.AddrFrom16(a), 1)
		}, limit / (sourceShare/networkSources + 1)},
		{"loopback", func(i int) netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:1") }, limit},
		{"loopback, IPv6", func(i int) netip.AddrPort { return netip.MustParseAddrPort("[::1]:1") }, limit},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPeerStore(limit, testKey)
			got := greedy(t, p, 's', c.from)
			require.InDelta(t, c.want, got, networkSources)
			if got == limit {
				return
			}
			infohash := idOf('s', 0, 0, 0, 1)
			require.True(t, p.takes(&infohash, c.from(0).Addr()), "what is stored may be refreshed")
			require.True(t, p.announce(stampUnit, &infohash, c.from(0), false))
			fresh := filledID('h')
			require.True(t, p.announce(0, &fresh, addr4(77), false), "others are not concerned")

			for now := Instant(0); now < Instant(peerLifetime)+2*sweepPeriod; now += Instant(time.Second) {
				p.sweep(now)
			}
			require.Equal(t, make([]uint32, len(p.shares.rows[0])), p.shares.rows[0], "what expired is still held against them")
			require.True(t, p.announce(0, &infohash, c.from(0), false))
		})
	}
}

// TestGreedyCrowd is what a thousand greedy sources leave to others: a fifth of the store.
func TestGreedyCrowd(t *testing.T) {
	const limit, crowd = 500_000, 1000
	p := newPeerStore(limit, testKey)
	infohash := func(i int) (h wire.ID) { return idOf(byte(i), byte(i>>8), byte(i>>16), 7) }
	for i := range 3 * limit {
		h := infohash(i)
		p.announce(0, &h, addr4(i%crowd), false)
	}
	taken := p.count
	require.LessOrEqual(t, taken, limit*crowd/(crowd+sourceShare)+crowd)
	require.Greater(t, taken, limit/2)
	require.Greater(t, p.free(), limit/8)
	refused := 0
	for i := range 20_000 {
		h := infohash(3*limit + i)
		if !p.announce(0, &h, addr4(2*crowd+i), false) {
			refused++
		}
	}
	// Whoever shares both counts with greedy ones is taken for one of them: (2*1000/32768)^2.
	require.Less(t, refused, 20_000/100)
}

// TestGreedyReplies is what a greedy source hears: no more tokens, and 202 if it has one from before. An entry it has
// can still be refreshed.
func TestGreedyReplies(t *testing.T) {
	n, src := newNode(t, Config{}), addr4(1)
	last := filledID('h')
	early := append([]byte(nil), ask(t, n, 0, src, wire.Message{Method: wire.GetPeers, InfoHash: last[:]}).Token...)
	require.NotEmpty(t, early)
	require.Equal(t, sourceFloor, greedy(t, n.peers, 's', func(int) netip.AddrPort { return src }))
	require.Nil(t, ask(t, n, 0, src, wire.Message{Method: wire.GetPeers, InfoHash: last[:]}).Token)
	r := ask(t, n, 0, src, wire.Message{Method: wire.AnnouncePeer, InfoHash: last[:], Token: early, ImpliedPort: true})
	require.EqualValues(t, wire.CodeServer, r.Code)

	known := idOf('s', 0, 0, 0, 1)
	token := ask(t, n, 0, src, wire.Message{Method: wire.GetPeers, InfoHash: known[:]}).Token
	require.NotEmpty(t, token)
	r = ask(t, n, 0, src, wire.Message{Method: wire.AnnouncePeer, InfoHash: known[:], Token: token, ImpliedPort: true})
	require.Equal(t, wire.Response, r.Kind)
	require.NotEmpty(t, ask(t, n, 0, addr4(2), wire.Message{Method: wire.GetPeers, InfoHash: last[:]}).Token)
}

// TestSources: an IPv6 host cannot have more for having more addresses, and whatever is told apart has a number of its
// own.
func TestSources(t *testing.T) {
	of := func(a string) uint64 { return sourceOf(addrPort(a).Addr()) }
	require.Equal(t, of("[2003::1]:1"), of("[2003::ffff:2]:1"))
	require.NotEqual(t, of("[2003::1]:1"), of("[2003:0:0:1::1]:1"))
	require.NotEqual(t, of("1.2.3.4:1"), of("1.2.3.5:1"))
	require.Equal(t, networkOf(of("[2003::1]:1")), networkOf(of("[2003:0:0:1::1]:1")))
	require.Equal(t, networkOf(of("1.2.3.4:1")), networkOf(of("1.2.3.5:1")))
	numbers := map[uint64]bool{nobody: true, networkOf(nobody): true}
	for i := range 10_000 {
		for f := range family(families) {
			source := sourceOf(addrOf(f, i).Addr())
			require.Equal(t, source, sourceIn(f, compact(addrOf(f, i))))
			for _, number := range []uint64{source, networkOf(source)} {
				require.False(t, numbers[number], "%v: %x", addrOf(f, i), number)
				numbers[number] = true
			}
		}
	}
}
