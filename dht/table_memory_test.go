package dht

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

// fillTable puts nodes with random ids and addresses into a table until it has count.
func fillTable(table *table, count int) {
	rng := rand.NewChaCha8([32]byte{2})
	var blob [wire.CompactNode6]byte
	for table.count < count {
		rng.Read(blob[:])
		addr := blob[20:nodeSize[table.family]]
		if table.family == v6 {
			addr[0], addr[1] = 0x20|addr[0]&0xf, addr[1]|1
		}
		table.answered((*wire.ID)(blob[:20]), addr, 1)
	}
}

// tableBytes is all the memory a table has allocated, without the allocator's rounding.
func tableBytes(t *table) int {
	return int(unsafe.Sizeof(*t)) + 4*cap(t.heads) + 8*cap(t.filled) + 8*cap(t.filled2) +
		cap(t.subnets.near) + 4*cap(t.subnets.far) +
		t.pages.bytes() + t.arena.lists + t.hosts.bytes()
}

// TestTableMemory holds full tables to their budget: 64 bytes a node for the default of a million IPv4 nodes, and what
// the documentation says of others.
func TestTableMemory(t *testing.T) {
	for _, c := range []struct {
		family       family
		limit, bytes int
	}{
		{v4, DefaultMaxNodes, 64}, {v4, 100_000, 64}, {v4, 10_000, 72}, {v6, 100_000, 88},
	} {
		table := newTable(c.family, c.limit, testKey)
		fillTable(table, c.limit)
		perNode := float64(tableBytes(table)) / float64(c.limit)
		t.Logf("family %d, %d nodes: %.1f bytes a node", c.family, c.limit, perNode)
		require.LessOrEqual(t, perNode, float64(c.bytes), "bytes a node, of %d in family %d", c.limit, c.family)
	}
}

// BenchmarkMemoryNodes shows by how much the process grows for each verified node of a full table: its resident set,
// with everything the allocator and the collector add.
func BenchmarkMemoryNodes(b *testing.B) {
	for f, name := range [families]string{"IPv4", "IPv6"} {
		for _, count := range []int{100_000, DefaultMaxNodes} {
			b.Run(fmt.Sprintf("%s/%d", name, count), func(b *testing.B) {
				for range b.N {
					before := resident(b)
					table := newTable(family(f), count, testKey)
					fillTable(table, count)
					b.ReportMetric(float64(resident(b)-before)/float64(count), "B/node")
					b.ReportMetric(float64(tableBytes(table))/float64(count), "computed-B/node")
				}
			})
		}
	}
}

// resident is the process's resident set after the collector has returned what is free.
func resident(tb testing.TB) int {
	tb.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	require.NoError(tb, err)
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	require.NoError(tb, err)
	return pages * os.Getpagesize()
}
