package dht

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

// compliantIn is an id in the bucket that complies with BEP 42 at addr, if there is one: an address has eight prefixes
// of 21 bits to choose from.
func compliantIn(t *table, bucket uint32, addr []byte) (wire.ID, bool) {
	for last := range byte(8) {
		random := wire.ID{19: last}
		copy(random[3:], addr) // addresses that BEP 42 does not tell apart have different ids
		id := SecureID(random, wire.Addr(addr).Addr())
		if t.bucketOf(id[:]) == bucket {
			return id, true
		}
	}
	return wire.ID{}, false
}

// strayIn is an id in a bucket that does not comply with BEP 42 at addr.
func strayIn(t *table, bucket uint32, addr []byte, last byte) wire.ID {
	var id wire.ID
	binary.BigEndian.PutUint64(id[:], uint64(bucket)<<t.shift)
	for id[19] = last; secureOK(id[:], addr); id[18]++ {
		id[2] ^= 0x08
	}
	return id
}

// search finds the first address, from the i-th on, at which an id in the bucket complies.
func search(t *testing.T, table *table, bucket uint32, i int, at func(i int) []byte) (id wire.ID, addr []byte, next int) {
	for ; i < 1<<20; i++ {
		if id, ok := compliantIn(table, bucket, at(i)); ok {
			return id, at(i), i + 1
		}
	}
	t.Fatal("no address complies")
	return
}

func holds(table *table, addr []byte) bool {
	_, found, _ := table.find(addr)
	return found
}

// TestCompliantNodesFirst fills a bucket with nodes that do not comply with BEP 42, lets compliant ones push them out, and
// then tries everything against those.
func TestCompliantNodesFirst(t *testing.T) {
	eachFamily(t, func(t *testing.T, f family) {
		table := newTable(f, 1000, testKey)
		at := func(i int) []byte { return compact(addrOf(f, i)) }
		const bucket = 5
		var strays [][]byte
		for i := range bucketNodes {
			addr := at(500_000 + i)
			id := strayIn(table, bucket, addr, byte(i))
			require.True(t, table.answered(&id, addr, uint32(100+i)), "%d %x", i, addr)
			strays = append(strays, addr)
		}
		late := strayIn(table, bucket, at(600_000), 200)
		require.False(t, table.answered(&late, at(600_000), 200), "one that does not comply, into a full bucket of its like")

		var compliant [][]byte
		next := 0
		for i := range bucketNodes {
			id, addr, n := search(t, table, bucket, next, at)
			next = n
			require.True(t, table.answered(&id, addr, uint32(300+i)))
			compliant = append(compliant, addr)
			require.False(t, holds(table, strays[i]), "the one not heard of for longest leaves")
		}
		require.Equal(t, bucketNodes, table.count)

		id, addr, _ := search(t, table, bucket, next, at)
		require.False(t, table.answered(&id, addr, 400), "among equals the old one stays")
		require.True(t, table.failed(compliant[7]))
		require.False(t, table.answered(&late, at(600_000), 400), "not even for a failing one that complies")
		require.True(t, table.answered(&id, addr, 400), "a failing one yields to its like")
		require.False(t, holds(table, compliant[7]))
		contents(t, table)
	})
}

// TestCompliantNodesFirstInASubnet: the bounds on a subnet and on a host give way likewise.
func TestCompliantNodesFirstInASubnet(t *testing.T) {
	table := newTable(v4, 1000, testKey)
	inSubnet := func(i int) []byte {
		return compact(netip.AddrPortFrom(netip.AddrFrom4([4]byte{60, byte(i >> 14), byte(i >> 8 & 63), byte(i)}), 6881))
	}
	const bucket = 5
	id, addr, i := search(t, table, bucket, 0, inSubnet)
	base := (i - 1) &^ 255
	var strays [][]byte
	for last := 1; len(strays) < bucketSubnet; last++ {
		if a := inSubnet(base + last); string(a) != string(addr) {
			stray := strayIn(table, bucket, a, byte(last))
			require.True(t, table.answered(&stray, a, uint32(last)))
			strays = append(strays, a)
		}
	}
	require.True(t, table.answered(&id, addr, 9))
	require.False(t, holds(table, strays[0]))
	require.True(t, holds(table, strays[1]))

	otherPort := append([]byte(nil), addr...)
	otherPort[5]++
	stray := strayIn(table, 9, otherPort, 0)
	require.False(t, table.answered(&stray, otherPort, 10), "the host's node complies, and stays")
	require.True(t, table.failed(addr))
	require.False(t, table.answered(&stray, otherPort, 10))
	require.True(t, table.answered(&id, otherPort, 10), "the same node on a new port, after the old one fell silent")
	require.False(t, holds(table, addr))
	contents(t, table)
}

// TestSquattedID: whoever takes an id that BEP 42 made for another address keeps it only until the owner comes, and the
// owner then keeps it for good.
func TestSquattedID(t *testing.T) {
	eachFamily(t, func(t *testing.T, f family) {
		table := newTable(f, 1, testKey) // one place: the squatter's is the owner's
		owner, squatter, other := compact(addrOf(f, 1)), compact(addrOf(f, 2)), compact(addrOf(f, 3))
		id := SecureID(filledID(7), wire.Addr(owner).Addr())
		require.True(t, table.answered(&id, squatter, 1))
		require.False(t, table.answered(&id, other, 2), "one squatter is not worth more than the other")
		require.True(t, table.answered(&id, owner, 3))
		require.False(t, holds(table, squatter))
		require.False(t, table.answered(&id, squatter, 4))
		require.True(t, table.failed(owner))
		require.False(t, table.answered(&id, squatter, 5), "not even while it fails")
		require.True(t, holds(table, owner))
		contents(t, table)
	})
}

// TestSquattedIDInAFullSubnet: the squatter that leaves makes room in its bucket and subnet; nobody else has to go.
func TestSquattedIDInAFullSubnet(t *testing.T) {
	table := newTable(v4, 1000, testKey)
	table.subnets.nearLimit = bucketSubnet
	owner, squatter, third := []byte{60, 1, 1, 1, 0, 1}, []byte{60, 1, 1, 2, 0, 1}, []byte{60, 1, 1, 3, 0, 1}
	id := SecureID(filledID(7), wire.Addr(owner).Addr())
	stray := strayIn(table, table.bucketOf(id[:]), third, 1)
	require.True(t, table.answered(&stray, third, 1), "which is who would have to go: it is the oldest")
	require.True(t, table.answered(&id, squatter, 2))
	require.True(t, table.answered(&id, owner, 3))
	require.True(t, holds(table, third))
	require.False(t, holds(table, squatter))
	contents(t, table)
}

// TestOnlySecure: a table that enforces BEP 42 never holds a node that does not comply.
func TestOnlySecure(t *testing.T) {
	table := newTable(v4, 1000, testKey)
	table.onlySecure = true
	for i := range 300 {
		addr := compact(addr4(i))
		stray := strayIn(table, uint32(i%64), addr, byte(i))
		require.False(t, table.answered(&stray, addr, 1))
		id := SecureID(stray, wire.Addr(addr).Addr())
		require.True(t, table.answered(&id, addr, 1))
	}
	require.Equal(t, 300, table.count)
}

// TestSubnetsInTheTable says what one /24, one /16 and their like in IPv6 may hold, wherever their ids are.
func TestSubnetsInTheTable(t *testing.T) {
	const limit = 20_000
	spread := func(i int) (id wire.ID) { // over all buckets
		binary.BigEndian.PutUint32(id[:], uint32(i)*0x9e3779b1)
		return id
	}
	fill := func(table *table, addr func(i int) []byte, tries int) {
		for i := range tries {
			id := spread(i)
			table.answered(&id, addr(i), 1)
		}
		contents(t, table)
	}
	t.Run("a /24", func(t *testing.T) {
		table := newTable(v4, limit, testKey)
		fill(table, func(i int) []byte { return []byte{60, 1, 1, byte(i), 0, 1} }, 256)
		require.Equal(t, subnetNodes, table.count)
		id := spread(999)
		require.True(t, table.answered(&id, compact(addr4(1)), 1), "others come in")
	})
	t.Run("a /48", func(t *testing.T) {
		table := newTable(v6, limit, testKey)
		fill(table, func(i int) []byte { return []byte{0x24, 1, 5: 1, 7: byte(i), 17: 1} }, 256)
		require.Equal(t, subnetNodes, table.count)
	})
	t.Run("a /16", func(t *testing.T) {
		table := newTable(v4, limit, testKey)
		fill(table, func(i int) []byte { return []byte{60, 1, byte(i), byte(i >> 8), 0, 1} }, 1<<16)
		require.Equal(t, limit/netShare, table.count)
	})
	t.Run("a /32", func(t *testing.T) {
		table := newTable(v6, limit, testKey)
		fill(table, func(i int) []byte { return []byte{0x24, 1, 4: byte(i), 5: byte(i >> 8), 17: 1} }, 1<<16)
		require.Equal(t, limit/netShare, table.count)
	})
	t.Run("a lab", func(t *testing.T) {
		table := newTable(v4, limit, testKey)
		fill(table, func(i int) []byte { return []byte{10, 0, 0, byte(i), 0, 1} }, 256)
		require.Equal(t, 256, table.count)
	})
	t.Run("what leaves is not counted", func(t *testing.T) {
		table := newTable(v4, limit, testKey)
		addr := func(i int) []byte { return []byte{60, 1, 1, byte(i), 0, 1} }
		fill(table, addr, 256)
		for i := range 256 {
			table.forget(addr(i))
		}
		require.Zero(t, table.count)
		fill(table, func(i int) []byte { return addr(i + 100) }, 256)
		require.Equal(t, subnetNodes, table.count)
	})
}

// TestOwnAddressIsNotHandedOut lets others name the node's own external address, under its id and under another, on a line
// whose router mirrors what the node sends there (hairpin): it asks itself, knows itself, and keeps silent about it.
func TestOwnAddressIsNotHandedOut(t *testing.T) {
	eachFamily(t, func(t *testing.T, f family) {
		n := newNode(t, Config{})
		self := netip.AddrPortFrom(home(f, 1), 6881)
		for i := range quorum {
			tell(t, n, 0, voterOf(f, i, 1), home(f, 1))
		}
		require.Equal(t, home(f, 1), external(n, f))
		liar := voterOf(f, 1, 1)
		named := wire.AppendNode(wire.AppendNode(nil, filledID(9), self), *n.idFor(f), self)
		n.Bootstrap(0, addrOf(f, 77))
		asked := false
		now := Instant(0)
		for ; now < 2*checkPeriod; now = n.NextWake() {
			for _, q := range drain(t, n, now) {
				if q.to != self {
					answer(n, now, q, idOf(q.to.Addr().AsSlice()[:4]...), wire.Message{Nodes: named, Nodes6: named})
					continue
				}
				asked = true
				reply, o := n.Handle(now, self, q.m.Append(nil), nil)
				require.Equal(t, Answered, o.Verdict)
				_, o = n.Handle(now, self, reply, nil)
				require.Equal(t, Accepted, o.Verdict)
			}
			for _, target := range []wire.ID{filledID(9), *n.idFor(f)} {
				m := ask(t, n, now, liar, wire.Message{Method: wire.FindNode, Target: target[:], ReadOnly: true})
				nodes := m.Nodes
				if f == v6 {
					nodes = m.Nodes6
				}
				for _, addr := range wire.NodeList(nodes, nodeSize[f]) {
					require.NotEqual(t, self, addr)
				}
			}
		}
		require.True(t, asked, "nobody named the node to itself")
	})
}
