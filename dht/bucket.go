package dht

import (
	"encoding/binary"
	"math/bits"
)

// A bucket's nodes lie in one array of an arena, in one run of memory: 512 bytes of it for the 15 IPv4 nodes of an average
// bucket of a full table.
//
//	bytes 0-3    owner, the bucket's number (see arena)
//	byte  4      number of nodes
//	byte  5      1: two of them have ids that begin with the same 64 bits
//	bytes 8-15   bit i: node i has left a query unanswered since it answered last
//	then         a record for each node: its compact form ("blob"), as it goes into a reply, and the second of its last
//	             answer, four bytes
const (
	bucketHeader = 16
	seenSize     = 4
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

// len is the number of nodes.
func (b bucket) len() int {
	if b == nil {
		return 0
	}
	return int(b[4])
}

// fails has a bit for each node.
func (b bucket) fails() uint64 { return binary.LittleEndian.Uint64(b[8:]) }

func (b bucket) setFails(fails uint64) { binary.LittleEndian.PutUint64(b[8:], fails) }

// twins says that the first 64 bits do not tell the ids apart, which takes ids placed on purpose.
func (b bucket) twins() bool { return b[5] != 0 }

// add appends a record, whose first bytes are an id, and notes if that has a twin. The array must be large enough.
func (b bucket) add(record []byte) {
	n := b.len()
	copy(b[bucketHeader+n*len(record):], record)
	b[4]++
	b.noteTwins(n, len(record))
	b.setFailing(n, false)
}

// remove deletes record i. The last one takes its place.
func (b bucket) remove(i, size int) {
	last := b.len() - 1
	copy(b[bucketHeader+i*size:][:size], b[bucketHeader+last*size:][:size])
	b.setFailing(i, b.failing(last))
	b.setFailing(last, false)
	b[4]--
	if b.twins() {
		b[5] = 0
		for k := range last {
			b.noteTwins(k, size)
		}
	}
}

// noteTwins notes if a record before number n has an id that begins as its does.
func (b bucket) noteTwins(n, size int) {
	own := string(b[bucketHeader+n*size:][:8])
	for i := range n {
		if string(b[bucketHeader+i*size:][:8]) == own {
			b[5] = 1
		}
	}
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
