package dht

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"supernode/dht/wire"
)

// skewedID draws ids that crowd together: some random, some alike in the first byte, some only different in the last.
func skewedID(t *rapid.T, label string) wire.ID {
	var id wire.ID
	switch rapid.IntRange(0, 3).Draw(t, label+" kind") {
	case 0:
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, label))
	case 1:
		id[0] = rapid.SampledFrom([]byte{0, 1, 0x80, 0xff}).Draw(t, label+" top")
		id[7] = rapid.Byte().Draw(t, label+" middle")
	default:
		id[19] = rapid.Byte().Draw(t, label+" end")
	}
	return id
}

// crowdedAddr draws compact addresses from few networks, subnets and hosts.
func crowdedAddr(t *rapid.T, f family, label string) string {
	subnet := rapid.IntRange(0, 40).Draw(t, label+" subnet")
	host := rapid.ByteRange(0, 3).Draw(t, label+" host")
	port := rapid.ByteRange(1, 2).Draw(t, label+" port")
	if f == v4 {
		return string([]byte{9, 9 + byte(subnet&1), byte(subnet), host, 0, port})
	}
	last := rapid.ByteRange(0, 5).Draw(t, label+" interface")
	return string([]byte{0x20, 3, 0, byte(subnet & 1), 0, byte(subnet), 0, host, 15: last, 17: port})
}

func TestTableAgainstModel(t *testing.T) {
	for f := range family(families) {
		t.Run(fmt.Sprintf("family %d", f), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { tableAgainstModel(t, f) })
		})
	}
}

func tableAgainstModel(t *rapid.T, f family) {
	limit := rapid.SampledFrom([]int{1, 2, 8, 9, 40, 100, 600, 2000}).Draw(t, "limit")
	table := newTable(f, limit, testKey)
	table.onlySecure = rapid.IntRange(0, 4).Draw(t, "only secure") == 0
	if rapid.Bool().Draw(t, "tight bounds on subnets") {
		table.subnets.nearLimit, table.subnets.farLimit = 3, 30
	}
	m := tableModel{table: table, nodes: map[string]modelNode{}}
	now := rapid.Uint32().Draw(t, "clock")
	answered := func(t *rapid.T, id wire.ID, addr string) {
		now++
		states, holds := m.answered(id, addr, now)
		got := table.answered(&id, []byte(addr), now)
		after := contents(t, table)
		for i, state := range states {
			if holds[i] == got && maps.Equal(state, after) {
				m.nodes = after
				return
			}
		}
		t.Fatalf("answered(%x, %x) = %v left %d nodes, which no rule explains", id, addr, got, len(after))
	}
	newcomer := func(t *rapid.T) {
		id, addr := skewedID(t, "id"), crowdedAddr(t, f, "addr")
		if rapid.Bool().Draw(t, "compliant") {
			id = SecureID(id, wire.Addr([]byte(addr)).Addr())
		}
		answered(t, id, addr)
	}
	known := func(t *rapid.T) string {
		if len(m.nodes) == 0 || rapid.IntRange(0, 9).Draw(t, "unknown address") == 0 {
			return crowdedAddr(t, f, "addr")
		}
		return rapid.SampledFrom(slices.Sorted(maps.Keys(m.nodes))).Draw(t, "known address")
	}
	t.Repeat(map[string]func(*rapid.T){
		"a node answers": func(t *rapid.T) { newcomer(t) },
		"many nodes answer": func(t *rapid.T) {
			for range 20 {
				newcomer(t)
			}
		},
		"a node answers again": func(t *rapid.T) {
			addr := known(t)
			answered(t, m.nodes[addr].id, addr)
		},
		"a node changes its id": func(t *rapid.T) { answered(t, skewedID(t, "id"), known(t)) },
		"a node fails": func(t *rapid.T) {
			addr := known(t)
			n, ok := m.nodes[addr]
			n.fails++
			again := ok && n.fails < maxFails
			require.Equal(t, again, table.failed([]byte(addr)))
			if again {
				m.nodes[addr] = n
			} else {
				delete(m.nodes, addr)
			}
		},
		"a node is forgotten": func(t *rapid.T) {
			addr := known(t)
			table.forget([]byte(addr))
			delete(m.nodes, addr)
		},
		"": func(t *rapid.T) {
			require.Equal(t, m.nodes, contents(t, table))
			require.LessOrEqual(t, table.count, limit)
			target, id := skewedID(t, "target"), skewedID(t, "asker")
			by := asker{&id, []byte(known(t))}
			require.Equal(t, closestTo(m.nodes, target, by), table.appendClosest(nil, &target, by))
			if table.count > 0 {
				from := rapid.IntRange(0, len(table.heads)-1).Draw(t, "from")
				filled := from
				for table.heads[filled] == 0 {
					filled = (filled + 1) % len(table.heads)
				}
				require.EqualValues(t, filled, table.directory.next(uint32(from)))
			}
		},
	})
}

// TestTableLarge has more nodes than one word of the upper bitmap covers, in ids of several shapes.
func TestTableLarge(t *testing.T) {
	for name, shape := range map[string]func(rng *rand.ChaCha8, id *wire.ID, i int){
		"uniform": func(*rand.ChaCha8, *wire.ID, int) {},
		"half in one corner": func(_ *rand.ChaCha8, id *wire.ID, i int) {
			if i%2 == 0 {
				id[0], id[1] = 0xab, 0xcd
			}
		},
		"the top 64 bits are few": func(rng *rand.ChaCha8, id *wire.ID, i int) {
			copy(id[:8], []byte{byte(i % 251), byte(i % 13), 0, 0, 0, 0, 0, 0})
		},
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.NewChaCha8([32]byte{7})
			table := newTable(v4, 120_000, testKey)
			require.Greater(t, len(table.filled2), 1)
			for i := range 110_000 {
				var id wire.ID
				rng.Read(id[:])
				shape(rng, &id, i)
				table.answered(&id, compact(addr4(i)), 1)
			}
			check := func() {
				nodes := contents(t, table)
				for range 5 {
					var target wire.ID
					rng.Read(target[:])
					shape(rng, &target, int(rng.Uint64()%100))
					nobody := asker{new(wire.ID), nil}
					require.Equal(t, closestTo(nodes, target, nobody), table.appendClosest(nil, &target, nobody))
				}
			}
			check()
			churn(table, rng, 110_000, 50_000)
			check()
			for i := range 110_000 {
				if i%5 != 0 {
					table.forget(compact(addr4(i)))
				}
			}
			check()
		})
	}
}

// churn does at random what happens to a table: hosts below the given number answer, sometimes under another id, or fail.
func churn(table *table, rng *rand.ChaCha8, hosts, events int) {
	for range events {
		addr := compact(addrOf(table.family, int(rng.Uint64()%uint64(hosts))))
		at, found, _ := table.find(addr)
		var id wire.ID
		rng.Read(id[:])
		switch event := rng.Uint64() % 16; {
		case event < 5:
			table.failed(addr)
		case event < 6:
			table.forget(addr)
		case found && event < 12:
			id = wire.ID(table.blob(at))
			fallthrough
		default:
			if rng.Uint64()%4 == 0 {
				id = SecureID(id, wire.Addr(addr).Addr())
			}
			table.answered(&id, addr, uint32(event))
		}
	}
}

// TestTableOfAnySize lets tables of one to five thousand nodes live, and compares their answers with what sorting gives.
// Hosts are more than there is room for.
func TestTableOfAnySize(t *testing.T) {
	eachFamily(t, func(t *testing.T, f family) {
		for _, limit := range []int{1, 2, 7, 8, 9, 63, 64, 65, 100, 200, 1000, 2048, 2049, 5000} {
			rng := rand.NewChaCha8([32]byte{byte(limit), byte(limit >> 8)})
			table := newTable(f, limit, newHashKey(rng))
			hosts := limit + limit/2 + 1
			for range 10 {
				churn(table, rng, hosts, hosts)
				nodes := contents(t, table)
				require.LessOrEqual(t, len(nodes), limit)
				for range 10 {
					target := idOf()
					rng.Read(target[:])
					id, addr := idOf(), compact(addrOf(f, int(rng.Uint64()%uint64(hosts))))
					if n, ok := nodes[string(addr)]; ok && rng.Uint64()%2 == 0 {
						target = n.id // whose owner asks
					}
					by := asker{&id, addr}
					require.Equal(t, closestTo(nodes, target, by), table.appendClosest(nil, &target, by), "%d nodes", len(nodes))
				}
			}
			require.Greater(t, table.count, limit/4, "too little happened")
		}
	})
}

// TestTableBounds says in plain cases what one host, one subnet and one bucket may hold.
func TestTableBounds(t *testing.T) {
	answered := func(table *table, id wire.ID, addr string) bool {
		return table.answered(&id, []byte(addr), 1)
	}
	t.Run("one node an IPv4 address", func(t *testing.T) {
		table := newTable(v4, 1000, testKey)
		require.True(t, answered(table, idOf(1), "\x09\x09\x09\x09\x00\x01"))
		require.False(t, answered(table, idOf(2), "\x09\x09\x09\x09\x00\x02"), "another port")
		require.True(t, table.failed([]byte("\x09\x09\x09\x09\x00\x01")))
		require.True(t, answered(table, idOf(2), "\x09\x09\x09\x09\x00\x02"), "the first one fails")
		require.Equal(t, 1, table.count)
	})
	t.Run("four nodes an IPv6 /64", func(t *testing.T) {
		table := newTable(v6, 1000, testKey)
		addr := func(i byte) string { return string([]byte{0x20, 3, 7: 9, 15: i, 17: 1}) }
		for i := range byte(hostNodes6) {
			require.True(t, answered(table, idOf(i<<4), addr(i)))
		}
		require.False(t, answered(table, idOf(0xf0), addr(100)))
		require.True(t, table.failed([]byte(addr(2))))
		require.True(t, answered(table, idOf(0xf0), addr(100)), "one of them fails")
		_, found, _ := table.find([]byte(addr(2)))
		require.False(t, found)
		require.Equal(t, hostNodes6, table.count)
	})
	t.Run("two nodes of a /24 a bucket", func(t *testing.T) {
		table := newTable(v4, 1000, testKey)
		require.True(t, answered(table, idOf(0, 1), "\x09\x09\x09\x01\x00\x01"))
		require.True(t, answered(table, idOf(0, 2), "\x09\x09\x09\x02\x00\x01"))
		require.False(t, answered(table, idOf(0, 3), "\x09\x09\x09\x03\x00\x01"))
		require.True(t, answered(table, idOf(9, 3), "\x09\x09\x09\x03\x00\x01"), "another bucket")
	})
	t.Run("48 nodes a bucket", func(t *testing.T) {
		table := newTable(v4, 1000, testKey)
		for i := range bucketNodes {
			require.True(t, answered(table, idOf(0, 0, byte(i)), string(compact(addr4(i)))))
		}
		require.False(t, answered(table, idOf(0, 0, 200), string(compact(addr4(200)))))
		require.True(t, table.failed(compact(addr4(17))))
		require.True(t, answered(table, idOf(0, 0, 200), string(compact(addr4(200)))))
		_, found, _ := table.find(compact(addr4(17)))
		require.False(t, found)
	})
	t.Run("an id belongs to who had it first", func(t *testing.T) {
		table := newTable(v4, 1000, testKey)
		require.True(t, answered(table, idOf(1), string(compact(addr4(1)))))
		require.False(t, answered(table, idOf(1), string(compact(addr4(2)))))
		require.True(t, table.failed(compact(addr4(1))))
		require.True(t, answered(table, idOf(1), string(compact(addr4(2)))), "which is in doubt once it fails")
		require.Len(t, contents(t, table), 1)
	})
}

func TestPermute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, x := rapid.Uint64().Draw(t, "w"), rapid.Uint32Range(0, 63).Draw(t, "x")
		got := permute(w, x)
		for i := range uint32(64) {
			require.Equal(t, w>>i&1, got>>(i^x)&1)
		}
	})
}
