package dht

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// attacker is the first byte of the attacker's addresses, inSubnet host i of its s-th /24.
const attacker = 166

func inSubnet(s, i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{attacker, byte(s >> 8), byte(s), byte(i)}), 6881)
}

// settled is a node with so many honest ones in its table, of which there is room for a thousand.
func settled(tb testing.TB, honest int) *Node {
	n := newNode(tb, Config{MaxNodes: 1000})
	rng := rand.NewChaCha8([32]byte{7})
	for i := 0; n.Counts().Nodes4 < honest; i++ {
		var id wire.ID
		rng.Read(id[:])
		n.tables[v4].answered(&id, compact(forged(i)), 0)
	}
	return n
}

// near is an id that shares all but the last two bytes with target.
func near(target wire.ID, i int) wire.ID {
	binary.BigEndian.PutUint16(target[18:], binary.BigEndian.Uint16(target[18:])^uint16(i+1))
	return target
}

// share is how many of the nodes named closest to target are the attacker's.
func share(tb testing.TB, n *Node, target wire.ID) (attackers int) {
	r := ask(tb, n, 0, addr4(1<<20), wire.Message{Method: wire.FindNode, Target: target[:], ReadOnly: true})
	require.Len(tb, r.Nodes, K*wire.CompactNode4)
	for _, addr := range wire.NodeList(r.Nodes, wire.CompactNode4) {
		if addr.Addr().As4()[0] == attacker {
			attackers++
		}
	}
	return attackers
}

// TestSybils has an attacker verify as many nodes as the table takes, with ids of its choice right at a target. What
// it can have of the replies is bounded by the /24s it owns, two places each, and not by its addresses; at four of them
// it owns the target. (Where honest nodes are so few that the nearest eight lie in several buckets, a /24 has two
// places in each of these.) No honest node loses its place, and nobody notices who asks for what is further away.
func TestSybils(t *testing.T) {
	const honest = 900
	for _, c := range []struct{ subnets, share int }{{0, 0}, {1, 2}, {2, 4}, {3, 6}, {4, 8}, {50, 8}} {
		n := settled(t, honest)
		target := filledID(0x5a)
		entered := 0
		for s := range c.subnets {
			for i := range 254 {
				id := near(target, s*254+i)
				if n.tables[v4].answered(&id, compact(inSubnet(s, 1+i)), 0) {
					entered++
				}
			}
		}
		require.Equal(t, c.share, share(t, n, target), "of %d, to the owner of %d /24s", K, c.subnets)
		require.LessOrEqual(t, entered, min(c.subnets*bucketSubnet, bucketNodes))
		require.Equal(t, honest+entered, n.Counts().Nodes4, "honest nodes were pushed out")
		for b := range 256 {
			if b>>4 != 0x5 {
				require.Zero(t, share(t, n, filledID(byte(b))), "for another target, %02x", b)
			}
		}
	}
}

// TestSybilsFirst: those who are there before the honest fill their bucket, no other, and no more of it than their
// /24s allow.
func TestSybilsFirst(t *testing.T) {
	n := newNode(t, Config{MaxNodes: 1000})
	target := filledID(0x5a)
	for i := range 254 {
		id := near(target, i)
		n.tables[v4].answered(&id, compact(inSubnet(0, 1+i)), 0)
	}
	require.Equal(t, bucketSubnet, n.Counts().Nodes4)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 200 {
		id := near(target, 1000+i)
		require.Equal(t, i < bucketNodes-bucketSubnet, n.tables[v4].answered(&id, compact(forged(i)), 0), "honest neighbour %d", i)
		id = filledID(byte(rng.Uint32()))
		binary.BigEndian.PutUint64(id[8:], rng.Uint64())
		if id[0] == 0x5a {
			continue
		}
		require.True(t, n.tables[v4].answered(&id, compact(forged(1000+i)), 0), "honest node elsewhere")
	}
}

// TestManyPorts: a host that answers at a thousand ports, under a thousand ids, is one node.
func TestManyPorts(t *testing.T) {
	for f, limit := range hostLimit {
		n := newNode(t, Config{})
		for port := range uint16(1000) {
			id := idOf(byte(port), byte(port>>8), 1)
			at := netip.AddrPortFrom(addrOf(family(f), 1).Addr(), 1+port)
			n.tables[f].answered(&id, compact(at), 0)
		}
		require.Equal(t, limit, n.tables[f].count)
	}
}

// TestSixtyFour: the owner of an IPv6 /64 may choose among 2^64 addresses, and is one host with all of them.
func TestSixtyFour(t *testing.T) {
	n := newNode(t, Config{})
	for i := range 1000 {
		id := idOf(byte(i), byte(i>>8), 1)
		at := netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 0x03, 8: byte(i >> 8), 9: byte(i), 15: 1}), 6881)
		n.tables[v6].answered(&id, compact(at), 0)
	}
	require.Equal(t, hostNodes6, n.tables[v6].count)
}

// TestLiesInNodesLists: what a hostile node says of others is a rumour to be looked into, never a node.
func TestLiesInNodesLists(t *testing.T) {
	n := newNode(t, Config{})
	liar, victim, honest := addr4(1), addr4(2), addr4(3)
	n.Bootstrap(0, liar)
	var lies []byte
	for i := range learn - 2 {
		lies = wire.AppendNode(lies, idOf(byte(i), 9), addr4(100+i)) // who does not exist
	}
	lies = wire.AppendNode(lies, filledID('x'), victim) // who is no node
	lies = wire.AppendNode(lies, filledID('y'), honest) // who has another id
	lies = wire.AppendNode(lies, filledID('z'), addr4(50))
	queries := drain(t, n, 0)
	require.Len(t, queries, 1)
	require.Equal(t, Accepted, answer(n, 0, queries[0], filledID('l'), wire.Message{Nodes: lies}).Verdict)

	asked := map[netip.AddrPort]int{}
	for now := Instant(0); now < Instant(time.Hour); now = n.NextWake() {
		for _, q := range drain(t, n, now) {
			asked[q.to]++
			switch q.to {
			case liar:
				answer(n, now, q, filledID('l'), wire.Message{Nodes: lies})
			case honest:
				answer(n, now, q, filledID('h'), wire.Message{})
			}
		}
	}
	for at, id := range map[netip.AddrPort]wire.ID{liar: filledID('l'), honest: filledID('h')} {
		s, found, _ := n.tables[v4].find(compact(at))
		require.True(t, found)
		require.Equal(t, id, wire.ID(n.tables[v4].blob(s)), "the id it says itself")
	}
	require.Equal(t, 2, n.Counts().Nodes4, "only those who answered")
	require.Zero(t, asked[addr4(50)], "more than are taken of one list")
	require.LessOrEqual(t, asked[victim], int(time.Hour/considerAgain), "named again and again, for an hour")
	require.Positive(t, asked[victim])
}

// TestChangedID: a node that answers under a new id has lost the place of the old one, and gains none by it.
func TestChangedID(t *testing.T) {
	n := newNode(t, Config{})
	at := addr4(1)
	for round := range 5 {
		n.Bootstrap(0, at)
		queries := drain(t, n, 0)
		require.Len(t, queries, 1)
		answer(n, 0, queries[0], idOf(byte(round)), wire.Message{})
		require.Equal(t, (round+1)%2, n.Counts().Nodes4, "round %d", round)
	}
}

// TestChangedPort: the earlier node of a host keeps its place as long as it answers, so that nobody else on the host,
// or behind its NAT, can take it.
func TestChangedPort(t *testing.T) {
	n := newNode(t, Config{})
	first, second := addr4(1), netip.AddrPortFrom(addr4(1).Addr(), 7777)
	id := filledID(1)
	hold(t, n, id, first, 0)
	require.False(t, n.tables[v4].answered(&id, compact(second), 0), "the same id")
	require.False(t, n.tables[v4].answered(new(filledID(2)), compact(second), 0), "another id")
	require.True(t, n.tables[v4].failed(compact(first)))
	require.True(t, n.tables[v4].answered(&id, compact(second), 0), "the earlier has failed")
	_, found, _ := n.tables[v4].find(compact(first))
	require.False(t, found)
	require.Equal(t, 1, n.Counts().Nodes4)
}

// TestGuessedTransactions: answers from the right address and port, under a million guessed transaction ids and from
// all ports under the right one, move nothing; then comes the true one.
func TestGuessedTransactions(t *testing.T) {
	n := newNode(t, Config{})
	n.Bootstrap(0, addr4(1))
	queries := drain(t, n, 0)
	require.Len(t, queries, 1)
	q := queries[0]
	before := n.Counts()
	guess := sentQuery{to: q.to, m: wire.Message{T: make([]byte, 4)}}
	for i := range uint32(1_000_000) {
		binary.BigEndian.PutUint32(guess.m.T, binary.BigEndian.Uint32(q.m.T)+1+i*4099)
		if o := answer(n, 0, guess, filledID('f'), wire.Message{}); o.Verdict != DropUnsolicited {
			t.Fatalf("guess %d: %v", i, o.Verdict)
		}
	}
	for port := range uint16(65535) {
		if from := netip.AddrPortFrom(q.to.Addr(), 1+port); from != q.to {
			if o := answer(n, 0, sentQuery{to: from, m: q.m}, filledID('f'), wire.Message{}); o.Verdict != DropUnsolicited {
				t.Fatalf("from %v: %v", from, o.Verdict)
			}
		}
	}
	require.Equal(t, before, n.Counts())
	require.Equal(t, Accepted, answer(n, 0, q, filledID('h'), wire.Message{}).Verdict)
	require.Equal(t, 1, n.Counts().Nodes4)
}
