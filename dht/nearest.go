package dht

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// rank orders the nodes of a bucket by their distance from a target: it is what the first 64 bits of an id and the target
// differ in, without the bits that all ids of the bucket have in common, and in their place the node's position.
type rank uint64

const (
	positionMask rank = 1<<6 - 1
	none         rank = 1<<64 - 1 // behind all nodes
)

// ranks are eight of them in ascending order.
type ranks [K]rank

// nearest ranks the K nodes of a bucket that are nearest to the target, without those whose bits are set.
//
// Distances from a random target are random, and a branch that asks which of two is less is mispredicted every other
// time, at the price of a dozen comparisons. So eight at a time go through a network that sorts whatever comes in the
// same steps, and from there through one that merges them with the best so far.
func (t *table) nearest(b bucket, c *closest, without uint64) ranks {
	if b.twins() {
		return t.nearestTwins(b, c, without)
	}
	n, shift := b.len(), 64-t.shift
	high := binary.BigEndian.Uint64(c.target[:])
	best := ranks{none, none, none, none, none, none, none, none}
	for first := 0; first < n; first += K {
		next := ranks{none, none, none, none, none, none, none, none}
		ids := b[bucketHeader+first*t.record:]
		for i := range min(K, n-first) {
			r := rank((binary.BigEndian.Uint64(ids)^high)<<shift) | rank(first+i)
			next[i] = r | -rank(without>>(first+i)&1)
			ids = ids[t.record:]
		}
		next.sort()
		if first == 0 {
			best = next
		} else {
			best.merge(&next)
		}
	}
	return best
}

// order makes a the lesser one.
func order(a, b rank) (rank, rank) { return min(a, b), max(a, b) }

// sort is the network of 19 comparators for eight values (Knuth, The Art of Computer Programming 3, 5.3.4).
func (r *ranks) sort() {
	a, b, c, d, e, f, g, h := r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]
	a, c = order(a, c)
	b, d = order(b, d)
	e, g = order(e, g)
	f, h = order(f, h)
	a, e = order(a, e)
	b, f = order(b, f)
	c, g = order(c, g)
	d, h = order(d, h)
	a, b = order(a, b)
	c, d = order(c, d)
	e, f = order(e, f)
	g, h = order(g, h)
	c, e = order(c, e)
	d, f = order(d, f)
	b, e = order(b, e)
	d, g = order(d, g)
	b, c = order(b, c)
	d, e = order(d, e)
	f, g = order(f, g)
	*r = ranks{a, b, c, d, e, f, g, h}
}

// merge makes r the least eight of both. The lesser ones of r and of the other's reverse are those eight, first rising and
// then falling, or the other way round, which is what Batcher's bitonic network puts in order.
func (r *ranks) merge(other *ranks) {
	a, b, c, d := min(r[0], other[7]), min(r[1], other[6]), min(r[2], other[5]), min(r[3], other[4])
	e, f, g, h := min(r[4], other[3]), min(r[5], other[2]), min(r[6], other[1]), min(r[7], other[0])
	a, e = order(a, e)
	b, f = order(b, f)
	c, g = order(c, g)
	d, h = order(d, h)
	a, c = order(a, c)
	b, d = order(b, d)
	e, g = order(e, g)
	f, h = order(f, h)
	a, b = order(a, b)
	c, d = order(c, d)
	e, f = order(e, f)
	g, h = order(g, h)
	*r = ranks{a, b, c, d, e, f, g, h}
}

// nearestTwins is nearest for a bucket in which the first 64 bits do not tell all ids apart.
func (t *table) nearestTwins(b bucket, c *closest, without uint64) (best ranks) {
	id := func(i int) []byte { return b[bucketHeader+i*t.record:][:20] }
	var room [bucketNodes]int
	sorted := room[:0]
	for rest := (uint64(1)<<b.len() - 1) &^ without; rest != 0; rest &= rest - 1 {
		sorted = append(sorted, bits.TrailingZeros64(rest))
	}
	slices.SortFunc(sorted, func(i, j int) int {
		for k, target := range c.target {
			if x, y := id(i)[k]^target, id(j)[k]^target; x != y {
				return int(x) - int(y)
			}
		}
		return 0
	})
	for k := range best {
		best[k] = none
		if k < len(sorted) {
			best[k] = rank(sorted[k])
		}
	}
	return best
}
