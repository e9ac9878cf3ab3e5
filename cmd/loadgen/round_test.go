package main

import (
	"fmt"
	"maps"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"supernode/dht/wire"
)

// A round has each of the flows that other trials have, once, whatever the number of sockets.
func TestRoundHasEachFlowOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := netip.PrefixFrom(netip.MustParseAddr("10.0.0.0"), rapid.IntRange(20, 32).Draw(t, "bits")).Masked()
		b := newBlock(p)
		opened := rapid.IntRange(1, min(5000, maxSockets*int(b.count))).Draw(t, "opened")
		l, err := planFlows(opened, p.Addr(), p, true, part{})
		if err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(1, opened).Draw(t, "flows")
		known := map[uint32]bool{}
		for w, i := l.newWalk(n, func() uint64 { return 7 }), 0; i < 8*n; i++ {
			known[w.flow()] = true
		}
		w := l.newRound(n)
		for round := range 2 {
			seen, sockets := map[uint32]bool{}, 0
			for last := -1; len(seen) < n; {
				f := w.flow()
				if seen[f] || !known[f] {
					t.Fatalf("flow %d in round %d: known %v, seen %v", f, round, known[f], seen[f])
				}
				seen[f] = true
				if s := l.socket(f); s != last {
					last, sockets = s, sockets+1
				}
			}
			if sockets > len(w.lanes) {
				t.Fatalf("%d times another socket, of %d", sockets, len(w.lanes))
			}
		}
		if w.taken != uint64(2*n) {
			t.Fatalf("%d flows taken", w.taken)
		}
	})
}

// A fill announces every info_hash, each from the flow that got its token, over as many trials as it takes.
func TestWalkAnnouncesEverything(t *testing.T) {
	t.Parallel()
	const infohashes, flows = 700, 300
	r := startResponder(t, good)
	c := startControlled(t, "--flows", fmt.Sprint(flows), "--infohashes", fmt.Sprint(infohashes), "--mix", "announce_peer=1",
		"--timeout", "1s", "--warmup", "0s", r.addr.String())
	c.next("ready")
	var got *result
	for range 2 { // which do not suffice
		got = c.trial(`{"rate": 4000, "duration_s": 0.15, "walk": true}`)
		require.Equal(t, got.Sent, got.Answered)
	}
	require.Less(t, got.Walked.Infohashes, uint64(infohashes))
	require.Greater(t, got.Walked.Infohashes, uint64(flows))
	for got.Walked.Infohashes < infohashes {
		got = c.trial(`{"rate": 4000, "duration_s": 0.1, "walk": true}`)
	}
	require.EqualValues(t, got.Walked.Infohashes, r.count(wire.GetPeers))
	require.EqualValues(t, got.Walked.Flows, r.count(wire.GetPeers))
	announced, asked, from := map[string]int{}, map[string]int{}, map[netip.AddrPort]int{}
	for _, q := range r.all() {
		if q.m.Method == wire.AnnouncePeer {
			announced[string(q.m.InfoHash)]++
			require.Equal(t, tokenFor(q), q.m.Token)
			continue
		}
		asked[string(q.m.InfoHash)]++
		from[q.from]++
	}
	require.True(t, maps.Equal(asked, announced), "%d info_hashes asked for, %d announced", len(asked), len(announced))
	require.Len(t, announced, infohashes)
	require.Len(t, from, flows)

	other := c.trial(`{"rate": 1000, "duration_s": 0.05, "walk": true, "flows": 20}`)
	require.LessOrEqual(t, other.Walked.Flows, uint64(60), "other flows, another round")
	plain := c.trial(`{"rate": 1000, "duration_s": 0.05}`)
	require.Nil(t, plain.Walked)
	c.end()
}

// What is asked for to be missed is announced by nobody, and hits are from another universe.
func TestMiss(t *testing.T) {
	t.Parallel()
	r := startResponder(t, good)
	c := startControlled(t, "--flows", "20", "--infohashes", "50", "--timeout", "1s", "--warmup", "0s", r.addr.String())
	c.next("ready")
	c.trial(`{"rate": 3000, "duration_s": 0.2, "mix": "get_peers=1,announce_peer=1"}`)
	announced := map[string]bool{}
	for _, q := range r.all() {
		announced[string(q.m.InfoHash)] = true
	}
	require.Len(t, announced, 50)
	before := len(r.all())
	got := c.trial(`{"rate": 3000, "duration_s": 0.2, "mix": "get_peers=1", "miss": true}`)
	require.True(t, got.Miss)
	missed := map[string]bool{}
	for _, q := range r.all()[before:] {
		require.Equal(t, wire.GetPeers, q.m.Method)
		require.False(t, announced[string(q.m.InfoHash)])
		missed[string(q.m.InfoHash)] = true
	}
	require.Len(t, missed, 50)
	require.Contains(t, c.askBadly(`{"miss": true}`), "miss: with announce_peer in the mix")
	c.end()
}
