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
	left   int // how many more are wanted

	// What is compared first, since it nearly always differs: the first bytes of the asker's id, and the last of its
	// address.
	idMark   uint64
	addrMark uint32
}

// appendClosest appends the blobs of the K nodes nearest to target behind dst, nearest first, fewer if there are
// fewer, without the asker and without failing nodes.
func (t *table) appendClosest(dst []byte, target *wire.ID, asker asker) []byte {
	c := closest{target: target, asker: asker, left: K, idMark: binary.LittleEndian.Uint64(asker.id[:])}
	if n := len(asker.addr); n >= 4 {
		c.addrMark = binary.LittleEndian.Uint32(asker.addr[n-4:])
	}
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

// appendBucket appends what is wanted of a bucket, nearest first.
func (t *table) appendBucket(dst []byte, c *closest, number uint32) []byte {
	b := t.bucket(number)
	if b == nil {
		return dst
	}
	without := b.fails()
	for {
		best := t.nearest(b, c, without)
		out, n, asker := t.appendBest(dst, c, b, &best)
		if asker < 0 {
			c.left -= n
			return out
		}
		without |= 1 << asker
	}
}

// appendBest appends the n best of a bucket, unless one of them is the asker: it then says which.
func (t *table) appendBest(dst []byte, c *closest, b bucket, best *ranks) (out []byte, n, asker int) {
	size := t.record - seenSize
	for _, r := range best[:c.left] {
		if r == none {
			break
		}
		i := int(r & positionMask)
		blob := b[bucketHeader+i*t.record:][:size]
		if c.isAsker(blob) {
			return dst, 0, i
		}
		dst = append(dst, blob...)
		n++
	}
	return dst, n, -1
}

func (c *closest) isAsker(blob []byte) bool {
	return binary.LittleEndian.Uint64(blob) == c.idMark && string(blob[:20]) == string(c.asker.id[:]) ||
		binary.LittleEndian.Uint32(blob[len(blob)-4:]) == c.addrMark && string(blob[20:]) == string(c.asker.addr)
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
