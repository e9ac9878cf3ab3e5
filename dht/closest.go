package dht

import (
	"bytes"
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

// closest collects the K nodes nearest to a target, nearest first. A node that has left a query unanswered is not
// among them until it answers again: BEP 5 has good nodes handed out, and whether this one still is takes seconds
// to find out.
type closest struct {
	target   *wire.ID
	asker    asker
	n        int
	distance [K]uint64 // the top 64 bits of id XOR target
	slot     [K]slot
}

// appendClosest appends the blobs of the K nodes nearest to target behind dst, nearest first, fewer if there are
// fewer, without the asker and without failing nodes.
func (t *table) appendClosest(dst []byte, target *wire.ID, asker asker) []byte {
	c := closest{target: target, asker: asker}
	t.collect(&c)
	for _, s := range c.slot[:c.n] {
		dst = append(dst, t.blob(s)...)
	}
	return dst
}

// collect walks the buckets in order of distance and stops behind the one that completes K.
func (t *table) collect(c *closest) {
	p := t.bucketOf(c.target[:])
	word, top := p/64, p/64/64
	for i := range uint32(len(t.filled2)) {
		words := permute(t.filled2[top^i], word%64)
		for ; words != 0; words &= words - 1 {
			w := (top^i)*64 + word%64 ^ uint32(bits.TrailingZeros64(words))
			buckets := permute(t.filled[w], p%64)
			for ; buckets != 0; buckets &= buckets - 1 {
				t.collectBucket(c, w*64+p%64^uint32(bits.TrailingZeros64(buckets)))
				if c.n == K {
					return
				}
			}
		}
	}
}

func (t *table) collectBucket(c *closest, bucket uint32) {
	high := binary.BigEndian.Uint64(c.target[:])
	asker := binary.BigEndian.Uint64(c.asker.id[:]) ^ high
	for b := t.heads[bucket]; b != 0; {
		meta := t.block(b - 1)
		s := slot((b - 1) * blockNodes)
		for end := s + slot(meta.n); s < end; s++ {
			if meta.fails[s%blockNodes] != 0 {
				continue
			}
			blob := t.blob(s)
			d := binary.BigEndian.Uint64(blob) ^ high
			if c.n == K && d > c.distance[K-1] || string(blob[20:]) == string(c.asker.addr) {
				continue
			}
			if d == asker && string(blob[:20]) == string(c.asker.id[:]) {
				continue
			}
			t.offer(c, d, s)
		}
		b = meta.next
	}
}

// offer puts the node at s, at distance d, in its place among the collected ones, from the far end.
func (t *table) offer(c *closest, d uint64, s slot) {
	i := c.n
	if i == K {
		if d == c.distance[K-1] && !t.nearer(c, s, c.slot[K-1]) {
			return
		}
		i--
	} else {
		c.n++
	}
	for ; i > 0 && (d < c.distance[i-1] || d == c.distance[i-1] && t.nearer(c, s, c.slot[i-1])); i-- {
		c.distance[i], c.slot[i] = c.distance[i-1], c.slot[i-1]
	}
	c.distance[i], c.slot[i] = d, s
}

// nearer compares what the top 64 bits could not tell apart, which takes ids placed on purpose.
func (t *table) nearer(c *closest, a, b slot) bool {
	var da, db wire.ID
	for i := range da {
		da[i] = t.blob(a)[i] ^ c.target[i]
		db[i] = t.blob(b)[i] ^ c.target[i]
	}
	return bytes.Compare(da[:], db[:]) < 0
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
