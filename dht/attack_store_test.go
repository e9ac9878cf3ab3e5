package dht

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// tokenFor asks for a token as src; nil if none is given.
func tokenFor(tb testing.TB, n *Node, now Instant, src netip.AddrPort, infohash wire.ID) []byte {
	return slices.Clone(ask(tb, n, now, src, wire.Message{Method: wire.GetPeers, InfoHash: infohash[:]}).Token)
}

// announce is the code of the error it is answered with, or zero.
func announce(tb testing.TB, n *Node, now Instant, src netip.AddrPort, infohash wire.ID, token []byte) int64 {
	m := wire.Message{Method: wire.AnnouncePeer, InfoHash: infohash[:], Token: token, ImpliedPort: true}
	return ask(tb, n, now, src, m).Code
}

// TestTokenReplay: a token is good for one address, of any port, one info_hash, and ten minutes at most, whenever the
// clock began.
func TestTokenReplay(t *testing.T) {
	for _, start := range starts {
		for f := range family(families) {
			n := newNode(t, Config{Start: start})
			owner, infohash := addrOf(f, 1), filledID('h')
			token := tokenFor(t, n, start, owner, infohash)
			for name, c := range map[string]struct {
				after    time.Duration
				src      netip.AddrPort
				infohash wire.ID
				code     int64
			}{
				"as it was meant":                {0, owner, infohash, 0},
				"from another port":              {0, netip.AddrPortFrom(owner.Addr(), 7), infohash, 0},
				"at five minutes":                {5 * time.Minute, owner, infohash, 0},
				"from another address":           {0, addrOf(f, 2), infohash, 203},
				"from the next address":          {0, netip.AddrPortFrom(owner.Addr().Next(), 6881), infohash, 203},
				"from the other family":          {0, addrOf(1-f, 1), infohash, 203},
				"for another info_hash":          {0, owner, filledID('i'), 203},
				"after it expired":               {10 * time.Minute, owner, infohash, 203},
				"when its secret has come round": {10 * time.Minute * 1 << 16, owner, infohash, 203},
			} {
				// Each on a node of its own, since what is in the store already might be refreshed on other grounds.
				fresh := newNode(t, Config{Start: start})
				require.Equal(t, token, tokenFor(t, fresh, start, owner, infohash), "the same seed")
				require.Equal(t, c.code, announce(t, fresh, start.Add(c.after), c.src, c.infohash, token), name)
				stored := 0
				if c.code == 0 {
					stored = 1
				}
				require.Equal(t, stored, fresh.Counts().Peers, name)
			}
		}
	}
}

// TestTokenOfAnotherNode is worth nothing.
func TestTokenOfAnotherNode(t *testing.T) {
	n, other := newNode(t, Config{}), newNode(t, Config{Seed: [32]byte{2}})
	require.EqualValues(t, 203, announce(t, n, 0, addr4(1), filledID('h'), tokenFor(t, other, 0, addr4(1), filledID('h'))))
	require.Zero(t, n.Counts().Peers)
}

// TestAnnounceFlood fills the store with announces that are all in order, from one address or from many. Whatever they
// do, the bound holds, who was there is found and may stay, a full store gives out no tokens, and half an
// hour after the last announce all is as it was.
func TestAnnounceFlood(t *testing.T) {
	const maxPeers = 2000
	for name, source := range map[string]func(i int) netip.AddrPort{
		"one source":       func(int) netip.AddrPort { return addr4(1) },
		"one source, IPv6": func(int) netip.AddrPort { return addr6(1) },
		"one source, a /64": func(i int) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 0x03, 14: byte(i >> 8), 15: byte(i)}), 6881)
		},
		"many sources":       func(i int) netip.AddrPort { return addr4(10 + i) },
		"many sources, IPv6": func(i int) netip.AddrPort { return addr6(10 + i) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, Config{MaxPeers: maxPeers})
			early, infohash := addr4(25000), filledID('h')
			require.Zero(t, announce(t, n, 0, early, infohash, tokenFor(t, n, 0, early, infohash)))
			kept := tokenFor(t, n, 0, early, infohash)

			now, withheld := Instant(0), 0
			for i := range 3 * maxPeers {
				now = now.Add(time.Millisecond)
				var target wire.ID
				binary.BigEndian.PutUint64(target[:], uint64(i)*0x9e3779b97f4a7c15)
				token := tokenFor(t, n, now, source(i), target)
				if token == nil {
					withheld++
					continue
				}
				code := announce(t, n, now, source(i), target, token)
				require.Contains(t, []int64{0, wire.CodeServer}, code)
				require.LessOrEqual(t, n.Counts().Peers, maxPeers)
			}
			require.GreaterOrEqual(t, withheld, 2*maxPeers-100, "tokens that were good for nothing")

			peers := slices.Collect(ptr(ask(t, n, now, addr4(26000), wire.Message{Method: wire.GetPeers, InfoHash: infohash[:]})).Peers())
			require.Equal(t, []netip.AddrPort{early}, peers, "who was there before the flood")
			require.Zero(t, announce(t, n, now, early, infohash, kept), "and may stay")
			require.LessOrEqual(t, n.Counts().Peers, maxPeers)

			run(t, n, now, now.Add(peerLifetime+2*time.Duration(sweepPeriod)))
			now = now.Add(peerLifetime + 2*time.Duration(sweepPeriod))
			require.Zero(t, n.Counts().Peers)
			require.Zero(t, n.Counts().Infohashes)
			late := filledID('l')
			require.Zero(t, announce(t, n, now, addr4(27000), late, tokenFor(t, n, now, addr4(27000), late)), "room again")
		})
	}
}

// TestAnnouncesWithoutToken: a store is not filled by who cannot receive. A million announces with guessed tokens
// from as many forged addresses leave nothing.
func TestAnnouncesWithoutToken(t *testing.T) {
	n := newNode(t, Config{})
	infohash, buf := filledID('h'), make([]byte, 0, 2048)
	in := encodeQuery(wire.Message{Method: wire.AnnouncePeer, InfoHash: infohash[:], Token: []byte("guessing"), ImpliedPort: true, ReadOnly: true})
	at := bytes.Index(in, []byte("guessing"))
	for i := range uint64(1_000_000) {
		binary.BigEndian.PutUint64(in[at:], i*0x9e3779b97f4a7c15)
		if _, o := n.Handle(0, forged(int(i)), in, buf); o.Verdict != Refused || o.Code != wire.CodeProtocol {
			t.Fatalf("guess %d: %+v", i, o)
		}
	}
	require.Zero(t, n.Counts().Peers+n.Counts().Infohashes)
}
