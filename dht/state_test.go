package dht

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

var stateCreated = time.Unix(1_800_000_000, 0)

// homesOf are a node's homes at two addresses.
func homesOf(n *Node) []Home {
	return []Home{
		{n, netip.MustParseAddrPort("0.0.0.0:6881")},
		{n, netip.MustParseAddrPort("[::]:6881")},
	}
}

// save is the whole state of homes.
func save(tb testing.TB, now Instant, homes ...Home) []byte {
	s := NewSnapshot(now, stateCreated, homes)
	var state []byte
	for more := true; more; {
		before := len(state)
		state, more = s.Append(state)
		require.LessOrEqual(tb, len(state)-before, SnapshotPart)
	}
	return state
}

func open(tb testing.TB, state []byte) *State {
	s, err := OpenState(bytes.NewReader(state))
	require.NoError(tb, err)
	return s
}

type savedNode struct {
	addr    netip.AddrPort
	age     int64
	failing bool
}

// knownTo are the nodes of a table by id.
func knownTo(t *table, now Instant) map[wire.ID]savedNode {
	nodes := map[wire.ID]savedNode{}
	for bucket := range t.heads {
		for s := range t.inBucket(uint32(bucket)) {
			b := t.blob(s)
			nodes[wire.ID(b)] = savedNode{wire.Addr(b[20:]), int64(int32(now.seconds() - t.seen(s))), t.isFailing(s)}
		}
	}
	return nodes
}

// TestState: what a node knows comes back, older by the time it was away, whatever the clocks begin with.
func TestState(t *testing.T) {
	for _, start := range starts {
		saver := newNode(t, Config{Start: start})
		now := start.Add(20 * time.Minute)
		for i := range 300 {
			f := family(i % 2)
			hold(t, saver, idOf(byte(i), byte(i>>8), 1), addrOf(f, i), start.Add(time.Duration(i)*time.Second))
			infohash := idOf(byte(i%20), 2) // of one family, and few enough for a reply
			at := start.Add(time.Duration(i*4) * time.Second)
			require.True(t, saver.peers.announce(at, &infohash, addrOf(f, i), i%3 == 0))
		}
		saver.tables[v4].failed(compact(addr4(4)))
		state := save(t, now, homesOf(saver)...)

		const away = 3 * time.Minute
		for _, restart := range starts {
			n := newNode(t, Config{Start: restart, Seed: [32]byte{9}})
			s := open(t, state)
			require.Equal(t, stateCreated, s.Created)
			require.Equal(t, 300, s.Nodes)
			require.Equal(t, 300, s.Peers)
			for _, h := range homesOf(saver) {
				id, ok := s.ID(h.Listen)
				require.True(t, ok)
				require.Equal(t, *saver.idFor(h.family()), id)
			}
			r, err := s.Restore(restart, away, homesOf(n))
			require.NoError(t, err)
			require.Equal(t, 300, r.Nodes)
			require.Equal(t, n.Counts().Peers, r.Peers)
			require.Empty(t, r.Old)
			for f := range family(families) {
				want := knownTo(saver.tables[f], now)
				for id, w := range want {
					w.age += int64(away/time.Second) + 1
					want[id] = w
				}
				require.Equal(t, want, knownTo(n.tables[f], restart))
			}
			comparePeers(t, saver, n, now, restart, away)
		}
	}
}

// comparePeers checks that whom b hands out later is whom a would have handed out, but for the resolution of stamps.
func comparePeers(t *testing.T, a, b *Node, saved, restored Instant, away time.Duration) {
	t.Helper()
	const slack = 2 * time.Duration(stampUnit)
	for later := time.Duration(0); later < peerLifetime; later += 3 * time.Minute {
		for i := range 20 {
			infohash := idOf(byte(i), 2)
			for f := range family(families) {
				values := func(n *Node, now Instant) map[netip.AddrPort]bool {
					m := map[netip.AddrPort]bool{}
					q := wire.Message{Method: wire.GetPeers, InfoHash: infohash[:], ReadOnly: true}
					r := ask(t, n, now, addrOf(f, 9000), q)
					for peer := range r.Peers() {
						m[peer] = true
					}
					return m
				}
				have := values(b, restored.Add(later))
				for v := range have {
					require.True(t, values(a, saved.Add(later+away-slack))[v], "revived %v later", later)
				}
				for v := range values(a, saved.Add(later+away+slack)) {
					require.True(t, have[v], "lost %v later", later)
				}
			}
		}
	}
}

// TestStateFlags: seeds stay seeds.
func TestStateFlags(t *testing.T) {
	saver := newNode(t, Config{})
	infohash := filledID('h')
	saver.peers.announce(0, &infohash, addr4(1), true)
	saver.peers.announce(0, &infohash, addr4(2), false)
	n := newNode(t, Config{})
	_, err := open(t, save(t, 0, homesOf(saver)...)).Restore(0, 0, homesOf(n))
	require.NoError(t, err)
	require.Equal(t, peerModel{infohash: {
		addr4(1).Addr(): {port: 6881, seed: true}, addr4(2).Addr(): {port: 6881},
	}}, stored(t, n.peers))
}

// TestStateAges: nodes that answered too long ago are not handed out but remembered, a bounded number of them, and
// peers beyond their time are gone.
func TestStateAges(t *testing.T) {
	saver := newNode(t, Config{})
	for i := range 500 {
		hold(t, saver, idOf(byte(i), byte(i>>8), 1), addr4(i), 0)
		infohash := idOf(byte(i), byte(i>>8))
		saver.peers.announce(0, &infohash, addr4(i), false)
	}
	state := save(t, 0, homesOf(saver)...)
	for _, c := range []struct {
		away              time.Duration
		nodes, peers, old int
	}{
		{-time.Minute, 500, 500, 0},
		{-time.Hour, 0, 0, maxOld}, // the wall clock went back
		{0, 500, 500, 0},
		{29 * time.Minute, 500, 500, 0},
		{30 * time.Minute, 0, 0, maxOld},
		{1 << 62, 0, 0, maxOld},
	} {
		n := newNode(t, Config{})
		r, err := open(t, state).Restore(0, c.away, homesOf(n))
		require.NoError(t, err)
		require.Equal(t, c.nodes, r.Nodes, c.away)
		require.Equal(t, c.nodes, n.Counts().Nodes4, c.away)
		require.Equal(t, c.peers, r.Peers, c.away)
		require.Equal(t, c.peers, n.Counts().Peers, c.away)
		require.Len(t, r.Old, c.old, c.away)
		slices.SortFunc(r.Old, netip.AddrPort.Compare)
		require.Len(t, slices.Compact(r.Old), c.old, "all different")
	}
}

// TestStateBounds: a smaller node takes an even choice of the nodes, as many peers as it may, and none that it would
// not talk to.
func TestStateBounds(t *testing.T) {
	saver := newNode(t, Config{MaxNodes: 5000, MaxPeers: 5000, AllowPrivate: true})
	rng := rand.NewChaCha8([32]byte{5})
	for i := range 4000 {
		var id wire.ID
		rng.Read(id[:])
		saver.tables[v4].answered(&id, compact(addr4(i)), 0)
		infohash := idOf(byte(i), byte(i>>8))
		saver.peers.announce(0, &infohash, addr4(i), false)
	}
	private := netip.MustParseAddrPort("192.168.1.1:6881")
	hold(t, saver, filledID('p'), private, 0)
	hold(t, saver, saver.ID(), addr4(5000), 0)
	infohash := idOf()
	saver.peers.announce(0, &infohash, private, false)

	n := newNode(t, Config{ID: saver.ID(), MaxNodes: 400, MaxPeers: 100})
	r, err := open(t, save(t, 0, homesOf(saver)...)).Restore(0, 0, homesOf(n))
	require.NoError(t, err)
	require.Equal(t, 100, r.Peers)
	require.Equal(t, 100, n.Counts().Peers)
	require.LessOrEqual(t, n.Counts().Nodes4, 400)
	require.Greater(t, n.Counts().Nodes4, 350)
	quarters := [4]int{}
	for id, node := range knownTo(n.tables[v4], 0) {
		require.NotEqual(t, private, node.addr)
		require.NotEqual(t, saver.ID(), id)
		quarters[id[0]>>6]++
	}
	require.Greater(t, slices.Min(quarters[:]), 50, "even over the id space: %v", quarters)
	for _, peers := range stored(t, n.peers) {
		require.NotContains(t, peers, private.Addr())
	}
}

// TestStateHomes: nodes of several addresses find their own ids and tables again, those of an address that is gone go
// to the first node, and ids never do.
func TestStateHomes(t *testing.T) {
	at := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	first := newNode(t, Config{})
	second := newNode(t, Config{Share: first, Seed: [32]byte{2}})
	third := newNode(t, Config{Share: first, Seed: [32]byte{3}})
	for i, n := range []*Node{first, second, third} {
		hold(t, n, idOf(byte(i+1)), addr4(i), 0)
	}
	infohash := filledID('h')
	second.peers.announce(0, &infohash, addr4(7), false)
	s := open(t, save(t, 0, Home{first, at("9.9.9.1:6881")}, Home{second, at("9.9.9.2:6881")}, Home{third, at("9.9.9.3:6881")}))
	require.Equal(t, 1, s.Peers, "the shared store is saved once")
	id, ok := s.ID(at("9.9.9.2:6881"))
	require.True(t, ok)
	require.Equal(t, second.ID(), id)
	_, ok = s.ID(at("9.9.9.2:6882"))
	require.False(t, ok)

	one := newNode(t, Config{Seed: [32]byte{4}})
	two := newNode(t, Config{Share: one, Seed: [32]byte{5}})
	r, err := s.Restore(0, 0, []Home{{one, at("9.9.9.9:6881")}, {two, at("9.9.9.2:6881")}, {one, at("[2620::1]:6881")}})
	require.NoError(t, err)
	require.Equal(t, 3, r.Nodes)
	require.Equal(t, 1, r.Peers)
	ids := func(n *Node) (ids []wire.ID) {
		for id := range knownTo(n.tables[v4], 0) {
			ids = append(ids, id)
		}
		slices.SortFunc(ids, func(a, b wire.ID) int { return bytes.Compare(a[:], b[:]) })
		return ids
	}
	require.Equal(t, []wire.ID{idOf(1), idOf(3)}, ids(one))
	require.Equal(t, []wire.ID{idOf(2)}, ids(two))

	r, err = s.Restore(0, 0, []Home{{one, at("[2620::1]:6881")}})
	require.NoError(t, err)
	require.Zero(t, r, "nothing for a node of the other family")
}

// TestStateFuzzy changes everything between the parts of a snapshot: the state stays readable, and what was there all
// the time is in it.
func TestStateFuzzy(t *testing.T) {
	n := newNode(t, Config{MaxNodes: 5000, MaxPeers: 5000})
	stable := map[wire.ID]bool{}
	for i := range 2000 {
		id := idOf(byte(i*7), byte(i>>8), byte(i))
		if n.tables[v4].answered(&id, compact(addr4(i)), 0) {
			stable[id] = true
		}
		n.peers.announce(0, &id, addr4(i), false)
	}
	s := NewSnapshot(0, stateCreated, homesOf(n))
	var state []byte
	rng := rand.New(rand.NewPCG(1, 2))
	calls := 0
	for more := true; more; calls++ {
		state, more = s.Append(state)
		for range 20 {
			i := rng.IntN(2000)
			addr := compact(addr4(10_000 + i))
			id := idOf(byte(i*7), byte(i>>8), byte(i), 1)
			if i%2 == 0 {
				n.tables[v4].answered(&id, addr, 100)
				n.peers.announce(100, &id, addr4(i), true)
			} else {
				n.tables[v4].forget(addr)
			}
		}
	}
	require.Greater(t, calls, 10, "too few parts to prove anything")
	fresh := newNode(t, Config{MaxNodes: 10_000, MaxPeers: 10_000})
	_, err := open(t, state).Restore(0, 0, homesOf(fresh))
	require.NoError(t, err)
	have := knownTo(fresh.tables[v4], 0)
	for id := range stable {
		require.Contains(t, have, id)
	}
	peers := stored(t, fresh.peers)
	for id := range stable {
		require.Contains(t, peers, id)
	}
}

// TestStateOfVersion1 reads a file that the first version of the format was written in, and finds all of fuzzNode.
func TestStateOfVersion1(t *testing.T) {
	file, err := os.Open("testdata/state.v1")
	require.NoError(t, err)
	defer file.Close()
	s, err := OpenState(file)
	require.NoError(t, err)
	require.Equal(t, stateCreated, s.Created)
	was, n := fuzzNode(t), newNode(t, Config{Seed: [32]byte{9}})
	id, ok := s.ID(netip.MustParseAddrPort("0.0.0.0:6881"))
	require.True(t, ok)
	require.Equal(t, was.ID(), id)
	_, err = s.Restore(fuzzStart, 0, homesOf(n))
	require.NoError(t, err)
	for f := range family(families) {
		require.Equal(t, knownTo(was.tables[f], fuzzStart), knownTo(n.tables[f], fuzzStart))
	}
	require.Equal(t, stored(t, was.peers), stored(t, n.peers))
}

// TestSnapshotDoesNotAllocate: it is taken on the packet path.
func TestSnapshotDoesNotAllocate(t *testing.T) {
	n, _ := full(t)
	homes, buf, s := homesOf(n), make([]byte, 0, SnapshotPart), (*Snapshot)(nil)
	parts := 0
	allocs := testing.AllocsPerRun(1, func() {
		s = NewSnapshot(0, stateCreated, homes)
		for more := true; more; parts++ {
			buf, more = s.Append(buf[:0])
		}
	})
	require.LessOrEqual(t, allocs, 1., "the Snapshot itself")
	require.Greater(t, parts, 10)
}
