package dht

import (
	"encoding/binary"
	"math/bits"

	"supernode/dht/wire"
)

// asker is who asks for nodes and is left out of the answer: whatever has its address, and whatever has its id,
// which is the asker's other address family, or where a NAT had it before.
type asker struct {
	id   *wire.ID
	addr []byte // compact
}

// closest finds the K nodes nearest to a target and appends their blobs, nearest first. A node that has left a query
// unanswered is not among them until it answers again: BEP 5 has good nodes handed out, and whether this one still is
// takes seconds to find out.
type closest struct {
	target *wire.ID
	asker  asker
	high   uint64 // the top 64 bits of target
	left   int    // how many more are wanted
}

// appendClosest appends the blobs of the K nodes nearest to target behind dst, nearest first, fewer if there are
// fewer, without the asker and without failing nodes.
func (t *table) appendClosest(dst []byte, target *wire.ID, asker asker) []byte {
	c := closest{target: target, asker: asker, high: binary.BigEndian.Uint64(target[:]), left: K}
	own := t.bucketOf(target[:])
	if dst = t.appendBucket(dst, &c, own); c.left == 0 { // as a rule
		return dst
	}
	word, top := own/64, own/64/64
	for i := range uint32(len(t.filled2)) {
		words := permute(t.filled2[top^i], word%64)
		for ; words != 0; words &= words - 1 {
			w := (top^i)*64 + word%64 ^ uint32(bits.TrailingZeros64(words))
			buckets := permute(t.filled[w], own%64)
			for ; buckets != 0; buckets &= buckets - 1 {
				bucket := w*64 + own%64 ^ uint32(bits.TrailingZeros64(buckets))
				if bucket == own {
					continue
				}
				if dst = t.appendBucket(dst, &c, bucket); c.left == 0 {
					return dst
				}
			}
		}
	}
	return dst
}

// appendBucket appends what is wanted of a bucket, group by group in order of their distance.
func (t *table) appendBucket(dst []byte, c *closest, number uint32) []byte {
	b := t.bucket(number)
	if b == nil {
		return dst
	}
	ends, own := b.ends(), t.groupOf(c.target[:])
	for x := range uint(groups) {
		if from, to := group(ends, own^x); from < to {
			if dst = t.appendGroup(dst, c, b, from, to); c.left == 0 {
				break
			}
		}
	}
	return dst
}

// appendGroup appends what is wanted of the nodes from from up to to, which are a group: the nearest one, again and again,
// of as a rule one to three.
func (t *table) appendGroup(dst []byte, c *closest, b bucket, from, to int) []byte {
	size := t.record - seenSize
	blob := func(i int) []byte { return b[bucketHeader+i*t.record:][:size] }
	for rest := (uint64(1)<<to - 1<<from) &^ b.fails(); rest != 0 && c.left > 0; {
		nearest := bits.TrailingZeros64(rest)
		distance := binary.BigEndian.Uint64(blob(nearest)) ^ c.high
		for others := rest & (rest - 1); others != 0; others &= others - 1 {
			i := bits.TrailingZeros64(others)
			d := binary.BigEndian.Uint64(blob(i)) ^ c.high
			if d < distance || d == distance && c.nearer(blob(i), blob(nearest)) {
				nearest, distance = i, d
			}
		}
		rest &^= 1 << nearest
		if n := blob(nearest); !c.isAsker(n) {
			dst = append(dst, n...)
			c.left--
		}
	}
	return dst
}

func (c *closest) isAsker(blob []byte) bool {
	return string(blob[20:]) == string(c.asker.addr) || string(blob[:20]) == string(c.asker.id[:])
}

// nearer compares what the top 64 bits could not tell apart, which takes ids placed on purpose.
func (c *closest) nearer(a, b []byte) bool {
	for i, target := range c.target {
		if x, y := a[i]^target, b[i]^target; x != y {
			return x < y
		}
	}
	return false
}

// permute moves bit i of w to bit i^x, for x below 64: reading the result from its lowest bit on visits the bits
// of w in order of their XOR distance from x.
func permute(w uint64, x uint32) uint64 {
	if x&1 != 0 {
		w = w>>1&0x5555555555555555 | w&0x5555555555555555<<1
	}
	if x&2 != 0 {
		w = w>>2&0x3333333333333333 | w&0x3333333333333333<<2
	}
	if x&4 != 0 {
		w = w>>4&0x0f0f0f0f0f0f0f0f | w&0x0f0f0f0f0f0f0f0f<<4
	}
	if x&8 != 0 {
		w = w>>8&0x00ff00ff00ff00ff | w&0x00ff00ff00ff00ff<<8
	}
	if x&16 != 0 {
		w = w>>16&0x0000ffff0000ffff | w&0x0000ffff0000ffff<<16
	}
	if x&32 != 0 {
		w = bits.RotateLeft64(w, 32)
	}
	return w
}
