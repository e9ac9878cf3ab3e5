package dht

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// stranger is a host of a network that exists only to be searched.
type stranger struct {
	id    wire.ID
	addr  netip.AddrPort
	dead  bool
	knows []*stranger
	asked int
}

// strangers are hosts of which each knows 40 at random and those next to it.
func strangers(rng *rand.Rand, count, dead int, addr func(int) netip.AddrPort) []*stranger {
	all := make([]*stranger, count)
	for i := range all {
		all[i] = &stranger{addr: addr(i), dead: rng.IntN(100) < dead}
		for j := range all[i].id {
			all[i].id[j] = byte(rng.Uint32())
		}
	}
	for _, s := range all {
		s.knows = byDistance(all, s.id)[:20:20]
		for range 40 {
			s.knows = append(s.knows, all[rng.IntN(count)])
		}
	}
	return all
}

func byDistance(all []*stranger, target wire.ID) []*stranger {
	w := walk{target: &target}
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b *stranger) int { return w.compare(&a.id, &b.id) })
	return all
}

// answerTo is what s answers, in 26 or 38 bytes a node.
func (s *stranger) answerTo(q wire.Message) (r wire.Message) {
	target := q.Target
	if target == nil {
		target = q.InfoHash
	}
	for _, other := range slices.Compact(byDistance(s.knows, wire.ID(target)))[:K] {
		if other.addr.Addr().Is4() {
			r.Nodes = wire.AppendNode(r.Nodes, other.id, other.addr)
		} else {
			r.Nodes6 = wire.AppendNode(r.Nodes6, other.id, other.addr)
		}
	}
	return r
}

// searchAmong lets n search among strangers who answer 50 ms later, unless they are dead.
func searchAmong(t *testing.T, n *Node, all []*stranger, s Search, respond func(*stranger, wire.Message) wire.Message) (result Result) {
	t.Helper()
	at := map[netip.AddrPort]*stranger{}
	for _, s := range all {
		at[s.addr], s.asked = s, 0
	}
	done := false
	s.Done = func(r Result) { require.False(t, done); result, done = r, true }
	require.NoError(t, n.Search(0, s))
	var waiting []sentQuery
	waits := map[netip.AddrPort]Instant{}
	for now := Instant(0); !done; {
		require.Less(t, now, Instant(3*time.Minute), "the search does not end")
		for len(waiting) > 0 && waiting[0].at.Add(50*time.Millisecond) <= now {
			q := waiting[0]
			waiting = waiting[1:]
			delete(waits, q.to)
			answer(n, now, q, at[q.to].id, respond(at[q.to], q.m))
		}
		for _, q := range drain(t, n, now) {
			if q.m.Method != s.Method && q.m.Method != wire.AnnouncePeer && q.m.Method != wire.Put {
				continue // the node's own upkeep
			}
			other := at[q.to]
			require.NotNil(t, other, "%v does not exist", q.to)
			if q.m.Method == s.Method {
				other.asked++
				require.Equal(t, 1, other.asked, "queries to %v", q.to)
				waits[q.to] = now
				parallel := 0
				for _, since := range waits {
					if since.Add(lookupSlow) > now {
						parallel++
					}
				}
				require.LessOrEqual(t, parallel, families*lookupParallel)
			}
			if !other.dead {
				waiting = append(waiting, q)
			}
		}
		next := n.NextWake()
		if len(waiting) > 0 {
			next = min(next, waiting[0].at.Add(50*time.Millisecond))
		}
		now = max(next, now+1)
	}
	return result
}

// TestLookupFindsTheNearest compares what searches find with who is nearest among all that live.
func TestLookupFindsTheNearest(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		f := family(seed % 2)
		dead := int(seed%4) * 10
		all := strangers(rng, 300, dead, func(i int) netip.AddrPort { return addrOf(f, i) })
		n := newNode(t, Config{MaxNodes: 1})
		n.Bootstrap(0, all[0].addr, all[1].addr, all[2].addr)
		all[0].dead = false
		var target wire.ID
		for i := range target {
			target[i] = byte(rng.Uint32())
		}
		n.seeds[f].round = forever // nothing but the search
		r := searchAmong(t, n, all, Search{Method: wire.FindNode, Target: target}, func(s *stranger, q wire.Message) wire.Message { return s.answerTo(q) })
		living := slices.DeleteFunc(byDistance(all, target), func(s *stranger) bool { return s.dead })
		require.Len(t, r.Closest, K)
		missed := 0
		for i, s := range living[:K] {
			if r.Closest[i].Addr != s.addr {
				missed++
			}
		}
		if dead == 0 {
			require.Zero(t, missed, "seed %d", seed)
		}
		require.LessOrEqual(t, missed, K/2, "seed %d", seed)
		require.Greater(t, r.Hops, 1)
		require.LessOrEqual(t, r.Hops, 5)
	}
}

// TestLookupEnds has strangers who for ever name others, nearer and nearer: that must come to an end.
func TestLookupEnds(t *testing.T) {
	target := wire.ID{1}
	for name, dead := range map[string]bool{"who answer": false, "who do not": true} {
		n := newNode(t, Config{MaxNodes: 1})
		n.Bootstrap(0, addr4(0))
		n.seeds[v4].round = forever
		var r Result
		done, made := false, 0
		now, ended := Instant(0), Instant(0)
		require.NoError(t, n.Search(0, Search{Method: wire.FindNode, Target: target, Done: func(got Result) { r, done, ended = got, true, now }}))
		for ; !done && now < Instant(time.Hour); now = n.NextWake() {
			for _, q := range drain(t, n, now) {
				if dead && q.to != addr4(0) || q.m.Method != wire.FindNode || wire.ID(q.m.Target) != target {
					continue
				}
				var nodes []byte
				for range 2 * learn {
					made++
					id := target
					id[10], id[11], id[12] = byte(^made>>16), byte(^made>>8), byte(^made)
					nodes = wire.AppendNode(nodes, id, addr4(made))
				}
				id := target
				id[19], id[18] = byte(made), byte(made>>8)
				answer(n, now, q, id, wire.Message{Nodes: nodes})
			}
		}
		require.True(t, done, name)
		require.LessOrEqual(t, r.Asked, lookupQueries, name)
		require.LessOrEqual(t, ended, Instant(lookupLife+lookupSlow), name)
		require.Zero(t, n.lookups.count)
	}
}

// TestWalkBounds holds what surrounds a target at bay, keeps the nearest, and does not grow.
func TestWalkBounds(t *testing.T) {
	target := wire.ID{}
	at := func(s string) (c candidate) {
		a := netip.MustParseAddrPort(s)
		c.addr = targetAt(familyOf(a.Addr()), compact(a)).addr
		return c
	}
	w := walk{family: v4, target: &target}
	for _, s := range []string{"1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1", "1.1.1.1:1", "1.1.2.1:1", "10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"} {
		w.add(at(s))
	}
	require.Len(t, w.candidates, 6, "two of one /24; a laboratory may have more; none twice")
	w6 := walk{family: v6, target: &target}
	for _, s := range []string{"[2003::1]:1", "[2003:0:0:1::1]:1", "[2003:0:0:2::1]:1", "[2003:0:1::1]:1"} {
		w6.add(at(s))
	}
	require.Len(t, w6.candidates, 3, "two of one /48")

	// The nearest of a subnet stay, whoever is named first; those that were asked stay anyway.
	w = walk{family: v4, target: &target}
	for i, s := range []string{"1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1", "1.1.1.4:1", "1.1.1.5:1"} {
		c := at(s)
		c.id[0] = []byte{8, 7, 4, 5, 3}[i]
		if w.add(c); i == 2 {
			require.Equal(t, []byte{4, 7}, []byte{w.candidates[0].id[0], w.candidates[1].id[0]})
			w.candidates[1].state = asked
		}
	}
	require.Len(t, w.candidates, walkSubnet)
	require.Equal(t, []byte{3, 7}, []byte{w.candidates[0].id[0], w.candidates[1].id[0]})
	w.candidates[0].state = answered
	w.add(at("1.1.1.6:1"))
	require.Len(t, w.candidates, walkSubnet)
	require.EqualValues(t, 3, w.candidates[0].id[0])

	w = walk{family: v4, target: &target}
	rng := rand.New(rand.NewPCG(1, 2))
	var ids []wire.ID
	for i := range 1000 {
		c := candidate{addr: targetAt(v4, compact(addr4(i))).addr}
		for j := range c.id {
			c.id[j] = byte(rng.Uint32())
		}
		ids = append(ids, c.id)
		w.add(c)
	}
	slices.SortFunc(ids, func(a, b wire.ID) int { return bytes.Compare(a[:], b[:]) })
	require.Len(t, w.candidates, walkCandidates)
	for i, c := range w.candidates {
		require.Equal(t, ids[i], c.id)
	}
}

// TestFalseIDs names a node's id with another address, and its address with another id: it is found all the same.
func TestFalseIDs(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	all := strangers(rng, 50, 0, addr4)
	target := wire.ID{7}
	victim, liar := byDistance(all, target)[0], all[0]
	require.NotEqual(t, victim, liar)
	n := newNode(t, Config{MaxNodes: 1})
	n.Bootstrap(0, liar.addr)
	n.seeds[v4].round = forever
	decoy := &stranger{addr: addr4(500), dead: true}
	r := searchAmong(t, n, append(all, decoy), Search{Method: wire.FindNode, Target: target}, func(s *stranger, q wire.Message) wire.Message {
		r := s.answerTo(q)
		if s == liar {
			r.Nodes = wire.AppendNode(nil, victim.id, decoy.addr)
			r.Nodes = wire.AppendNode(r.Nodes, wire.ID{255}, victim.addr)
			r.Nodes = wire.AppendNode(r.Nodes, all[1].id, all[1].addr)
		}
		return r
	})
	require.Equal(t, Responder{ID: victim.id, Addr: victim.addr}, r.Closest[0])
}

// TestTooManySearches fills all places; the node's own searches have theirs.
func TestTooManySearches(t *testing.T) {
	n := newNode(t, Config{})
	n.Bootstrap(0, addr4(1))
	ended := 0
	s := Search{Method: wire.FindNode, Done: func(Result) { ended++ }}
	drain(t, n, 0)
	require.Equal(t, 1, n.lookups.count, "the bootstrap")
	for range MaxSearches {
		require.NoError(t, n.Search(0, s))
	}
	require.ErrorIs(t, n.Search(0, s), ErrTooManySearches)
	drain(t, n, 0)
	require.Equal(t, MaxSearches+1, n.lookups.count, "and the bootstrap")
	run(t, n, 0, Instant(queryTimeout)+1)
	require.Equal(t, MaxSearches, ended)
	require.NoError(t, n.Search(n.NextWake(), s))

	// One that is over may start the next.
	again := 0
	n = newNode(t, Config{})
	var next func(Result)
	next = func(Result) {
		if again++; again < 100 {
			require.NoError(t, n.Search(0, Search{Method: wire.FindNode, Done: next}))
		}
	}
	next(Result{})
	run(t, n, 0, Instant(2*time.Second))
	require.Equal(t, 100, again)
}
