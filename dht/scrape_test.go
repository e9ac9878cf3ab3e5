package dht

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

func scrapeOf(t *testing.T, n *Node, now Instant, src netip.AddrPort, infohash wire.ID, want wire.Want) wire.Message {
	return ask(t, n, now, src, wire.Message{Method: wire.GetPeers, InfoHash: infohash[:], Scrape: true, Want: want})
}

func bloomOf(addrs ...netip.AddrPort) (b Bloom) {
	for _, a := range addrs {
		b.Insert(a.Addr())
	}
	return b
}

// TestScrape compares the filters with the peers: of both families, seeds apart, without the expired.
func TestScrape(t *testing.T) {
	for _, start := range starts {
		n, infohash, now := newNode(t, Config{Start: start}), filledID('h'), start
		r := scrapeOf(t, n, now, addr4(9000), infohash, 0)
		require.Nil(t, r.BFsd, "no filters of a swarm that is not known")
		require.Nil(t, r.BFpe)

		require.True(t, n.peers.announce(now, &infohash, addr4(1), false))
		now = now.Add(10 * time.Minute)
		require.True(t, n.peers.announce(now, &infohash, addr4(2), true))
		require.True(t, n.peers.announce(now, &infohash, addr6(3), true))
		require.True(t, n.peers.announce(now, &infohash, addr6(4), false))
		for _, src := range []netip.AddrPort{addr4(9000), addr6(9000)} {
			r = scrapeOf(t, n, now, src, infohash, 0)
			require.Equal(t, bloomOf(addr4(2), addr6(3)), Bloom(r.BFsd))
			require.Equal(t, bloomOf(addr4(1), addr6(4)), Bloom(r.BFpe))
		}
		r = ask(t, n, now, addr4(9000), wire.Message{Method: wire.GetPeers, InfoHash: infohash[:]})
		require.Nil(t, r.BFsd, "nobody asked")

		now = now.Add(20 * time.Minute) // the first has expired
		r = scrapeOf(t, n, now, addr4(9000), infohash, 0)
		require.Equal(t, bloomOf(addr6(4)), Bloom(r.BFpe))
		now = now.Add(10 * time.Minute) // all have, and none is swept
		require.Equal(t, 4, n.peers.count)
		require.Nil(t, scrapeOf(t, n, now, addr4(9000), infohash, 0).BFpe)
	}
}

// TestScrapeNodes asks for filters and the nodes of both families, which is more than fits.
func TestScrapeNodes(t *testing.T) {
	n, swarms := full(t)
	both := wire.Want4 | wire.Want6
	for _, c := range []struct {
		src    netip.AddrPort
		want   wire.Want
		n4, n6 int
	}{
		{addr4(9000), 0, K, 0}, {addr4(9000), both, K, 0}, {addr4(9000), wire.Want6, 0, K},
		{addr6(9000), 0, 0, K}, {addr6(9000), both, 0, K}, {addr6(9000), wire.Want4, K, 0},
	} {
		r := scrapeOf(t, n, 0, c.src, swarms[swarmPeers], c.want)
		require.Len(t, r.BFsd, 256)
		require.Len(t, r.Nodes, c.n4*wire.CompactNode4, "%+v", c)
		require.Len(t, r.Nodes6, c.n6*wire.CompactNode6, "%+v", c)
		require.NotEmpty(t, r.Values, "%+v", c)
		r = scrapeOf(t, n, 0, c.src, filledID('u'), both)
		require.Nil(t, r.BFsd)
		require.Len(t, r.Nodes, K*wire.CompactNode4, "without filters there is room for both")
		require.Len(t, r.Nodes6, K*wire.CompactNode6)
	}
}

// TestScrapeBudget asks for the filters of many large swarms at once: what is spent on them is bounded, those that
// are kept cost nothing, and a second later there is something to spend again.
func TestScrapeBudget(t *testing.T) {
	for _, now := range starts {
		p := newPeerStore(1_000_000, testKey)
		const swarms, size = 200, 700
		for s := range swarms {
			infohash := idOf(byte(s))
			for i := range size {
				require.True(t, p.announce(now, &infohash, addr4(s*size+i), false))
			}
		}
		ask := func(now Instant) (made int) {
			for s := range swarms {
				infohash := idOf(byte(s))
				if _, _, ok := p.filters(now, &infohash); ok {
					made++
				}
			}
			return made
		}
		require.Equal(t, scrapeRate/size, ask(now), "a second's worth")
		kept := ask(now)
		require.Greater(t, kept, 0, "those made last are kept")
		require.LessOrEqual(t, kept, scrapeSlots)
		require.InDelta(t, kept+scrapeRate/size/2, ask(now.Add(time.Second/2)), scrapeSlots)
		last := now.Add(time.Hour)
		p.scrapes.spent = last // a clock that went back an hour
		require.LessOrEqual(t, ask(now.Add(time.Minute)), scrapeSlots)
		require.Equal(t, scrapeRate/size, ask(now.Add(time.Minute).Add(time.Duration(scrapeLife))))
	}
}
