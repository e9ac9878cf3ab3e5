package sim

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"supernode/dht"
	"supernode/dht/wire"
)

func someID(rng *rand.Rand) (id wire.ID) {
	for i := 0; i < len(id); i += 4 {
		binary.BigEndian.PutUint32(id[i:], rng.Uint32())
	}
	return id
}

// grown is a tree to which so many nodes have answered, and those nodes.
func grown(rng *rand.Rand, nodes int) (tree, []wire.ID) {
	t := newTree(someID(rng))
	ids := make([]wire.ID, nodes)
	for i := range ids {
		ids[i] = someID(rng)
		t.answered(&ids[i], addrOf(i), 1)
	}
	return t, ids
}

func addrOf(i int) compact { return compactOf(Addr4(i)) }

func contacts(t *tree) (all []contact) {
	for _, b := range t.buckets {
		all = append(all, b...)
	}
	return all
}

func TestTreeShape(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 8, 9, 100, 5000} {
		tr, ids := grown(rng, n)
		last := len(tr.buckets) - 1
		for b, bucket := range tr.buckets {
			require.LessOrEqual(t, len(bucket), dht.K)
			for _, c := range bucket {
				require.Equal(t, b, min(commonBits(&c.id, &tr.own), last))
			}
		}
		require.Equal(t, tr.count, len(contacts(&tr)))
		for i := range ids {
			if commonBits(&ids[i], &tr.own) > last {
				require.NotNil(t, tr.find(&ids[i], addrOf(i)), "a neighbour of %d was refused", n)
			}
		}
	}
}

func TestTreeNearest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		tr, ids := grown(rng, rng.IntN(400))
		for i := range ids {
			if rng.IntN(10) == 0 {
				tr.failed(&ids[i], addrOf(i))
			}
		}
		target := someID(rng)
		if rng.IntN(2) == 0 {
			target = tr.within(rng.IntN(len(tr.buckets)), rng)
		}
		asker := addrOf(rng.IntN(len(ids) + 1))
		want := slices.DeleteFunc(contacts(&tr), func(c contact) bool { return c.fails > 0 || c.addr == asker })
		slices.SortFunc(want, func(a, b contact) int {
			if high(&a.id)^high(&target) < high(&b.id)^high(&target) {
				return -1
			}
			return 1
		})
		want = want[:min(dht.K, len(want))]
		var found nearby
		tr.nearest(&found, &target, asker)
		require.Equal(t, len(want), found.n)
		for i := range want {
			require.Equal(t, want[i], *found.contact[i], "place %d of %d", i, found.n)
		}
	}
}

func TestTreeWithin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	tr, _ := grown(rng, 1000)
	require.Greater(t, len(tr.buckets), 5)
	for b := range tr.buckets {
		for range 20 {
			id := tr.within(b, rng)
			require.Equal(t, b, tr.bucketOf(&id))
		}
	}
}

func TestTreeFailures(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	tr, _ := grown(rng, 1000)
	require.Len(t, tr.buckets[0], dht.K)
	stranger := tr.within(0, rng)
	require.False(t, tr.wants(&stranger))
	before, c := tr.count, tr.buckets[0][3]

	tr.failed(&c.id, c.addr)
	require.NotNil(t, tr.find(&c.id, c.addr), "one failure is no reason to drop a node")
	require.True(t, tr.wants(&stranger), "but one to look for another")
	tr.answered(&c.id, c.addr, 2)
	require.False(t, tr.wants(&stranger), "it answered again")

	tr.failed(&c.id, c.addr)
	tr.answered(&stranger, addrOf(5000), 3)
	require.Nil(t, tr.find(&c.id, c.addr))
	require.NotNil(t, tr.find(&stranger, addrOf(5000)))
	require.Equal(t, before, tr.count)

	tr.failed(&stranger, addrOf(5000))
	tr.failed(&stranger, addrOf(5000))
	require.Nil(t, tr.find(&stranger, addrOf(5000)))
	require.Equal(t, before-1, tr.count)
	tr.failed(&stranger, addrOf(5000)) // nothing happens

	tr.answered(&tr.own, addrOf(5001), 3)
	require.Nil(t, tr.find(&tr.own, addrOf(5001)), "a client is not its own contact")
}
