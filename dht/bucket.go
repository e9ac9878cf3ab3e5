package dht

import (
	"encoding/binary"
	"math/bits"
)

// A bucket's nodes lie in one array of an arena, in one run of memory: 512 bytes of it for the 15 IPv4 nodes of an average
// bucket of a full table. In front of them stands how they are divided into groups: by the next groupBits of their ids
// behind the bits that the bucket stands for. Groups lie in order; nodes in a group do not.
//
//	bytes 0-3    owner, the bucket's number (see arena)
//	bytes 4-9    48 bits: behind which node each of the eight groups ends, six bits each
//	bytes 10-15  48 bits: which nodes have left a query unanswered
//	then         a record for each node: its compact form ("blob"), as it goes into a reply, and the second of its last
//	             answer, four bytes
//
// In XOR distance from a target whose next bits are x, all of group x comes before all of group x^1, then x^2 and so on.
// So the nearest nodes are found without comparing distances, but for those few that share a group.
const (
	groupBits = 3
	groups    = 1 << groupBits
	endBits   = 6 // hold bucketNodes

	bucketHeader = 16
	seenSize     = 4

	low48 = 1<<bucketNodes - 1
)

// bucket is a view of one bucket's array; nil for an empty bucket.
type bucket []byte

// bucketSizes are the sizes of arrays, in whole lines of the processor's cache: the difference of two is two nodes, until
// a bucket is larger than nearly all are.
func bucketSizes(record int) (sizes []int) {
	const line = 64
	largest := bucketHeader + bucketNodes*record
	for size := line; ; size += line {
		if size > largest/2 {
			size += size / 4 / line * line
		}
		sizes = append(sizes, size)
		if size >= largest {
			return sizes
		}
	}
}

// ends holds the ends of all groups.
func (b bucket) ends() uint64 { return binary.LittleEndian.Uint64(b[4:]) & low48 }

func (b bucket) setEnds(ends uint64) {
	binary.LittleEndian.PutUint64(b[4:], ends|binary.LittleEndian.Uint64(b[4:])&^uint64(low48))
}

// fails has a bit for each node.
func (b bucket) fails() uint64 { return binary.LittleEndian.Uint64(b[8:]) >> 16 }

func (b bucket) setFails(fails uint64) {
	binary.LittleEndian.PutUint64(b[8:], fails<<16|binary.LittleEndian.Uint64(b[8:])&(1<<16-1))
}

// group is where group g of those that end at ends begins and ends.
func group(ends uint64, g uint) (from, to int) {
	return int(ends << endBits >> (g * endBits) & (1<<endBits - 1)), int(ends >> (g * endBits) & (1<<endBits - 1))
}

// oneEach is an end of one in all groups from g on.
func oneEach(g uint) uint64 {
	const all = 1 | 1<<endBits | 1<<(2*endBits) | 1<<(3*endBits) | 1<<(4*endBits) | 1<<(5*endBits) | 1<<(6*endBits) | 1<<(7*endBits)
	return all >> (g * endBits) << (g * endBits)
}

// len is the number of nodes.
func (b bucket) len() int {
	if b == nil {
		return 0
	}
	return int(b.ends() >> ((groups - 1) * endBits))
}

// open makes room for a record at position i, which is in group g. The array must be large enough.
func (b bucket) open(i int, g uint, record int) {
	n := b.len()
	copy(b[bucketHeader+(i+1)*record:], b[bucketHeader+i*record:bucketHeader+n*record])
	b.setEnds(b.ends() + oneEach(g))
	below := b.fails() & (1<<i - 1)
	b.setFails((b.fails()-below)<<1 | below)
}

// close removes the record at position i.
func (b bucket) close(i, record int) {
	g, ends := uint(0), b.ends()
	for _, to := group(ends, g); to <= i; _, to = group(ends, g) {
		g++
	}
	copy(b[bucketHeader+i*record:], b[bucketHeader+(i+1)*record:bucketHeader+b.len()*record])
	b.setEnds(ends - oneEach(g))
	below := b.fails() & (1<<i - 1)
	b.setFails(b.fails()>>(i+1)<<i | below)
}

// failing says whether node i has left a query unanswered since it answered last.
func (b bucket) failing(i int) bool { return b.fails()>>i&1 != 0 }

func (b bucket) setFailing(i int, failing bool) {
	fails := b.fails() &^ (1 << i)
	if failing {
		fails |= 1 << i
	}
	b.setFails(fails)
}

// directory finds the buckets of a table that are not empty: two levels of bitmaps.
type directory struct {
	filled  []uint64 // buckets
	filled2 []uint64 // words of filled that are not zero
}

func newDirectory(buckets int) directory {
	words := buckets / 64
	return directory{make([]uint64, words), make([]uint64, (words+63)/64)}
}

func (d *directory) set(bucket uint32) {
	d.filled[bucket/64] |= 1 << (bucket % 64)
	d.filled2[bucket/64/64] |= 1 << (bucket / 64 % 64)
}

func (d *directory) clear(bucket uint32) {
	d.filled[bucket/64] &^= 1 << (bucket % 64)
	if d.filled[bucket/64] == 0 {
		d.filled2[bucket/64/64] &^= 1 << (bucket / 64 % 64)
	}
}

// next is the first bucket that is not empty from bucket from on, going round. There must be one.
func (d *directory) next(from uint32) uint32 {
	word := from / 64
	if w := d.filled[word] >> (from % 64); w != 0 {
		return from + uint32(bits.TrailingZeros64(w))
	}
	word = (word + 1) % uint32(len(d.filled))
	top := word / 64
	words := d.filled2[top] >> (word % 64) << (word % 64)
	for words == 0 {
		top = (top + 1) % uint32(len(d.filled2))
		words = d.filled2[top]
	}
	word = top*64 + uint32(bits.TrailingZeros64(words))
	return word*64 + uint32(bits.TrailingZeros64(d.filled[word]))
}
