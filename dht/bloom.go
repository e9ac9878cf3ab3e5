package dht

import (
	"crypto/sha1"
	"math"
	"math/bits"
	"net/netip"
)

// Bloom is the Bloom filter of BEP 33, a set of IP addresses in 256 bytes: 2048 bits, of which an address sets two.
// What replies carry in wire.Message.BFsd and BFpe converts to one: Bloom(m.BFpe), if it is not nil. The zero
// value is the empty set.
type Bloom [256]byte

const (
	bloomBits   = 8 * len(Bloom{})
	bloomHashes = 2
)

// Insert adds an address. An IPv4 address mapped into IPv6 counts as IPv4; an invalid one is ignored.
func (b *Bloom) Insert(ip netip.Addr) {
	switch ip = ip.Unmap(); {
	case ip.Is4():
		a := ip.As4()
		b.insert(a[:])
	case ip.Is6():
		a := ip.As16()
		b.insert(a[:])
	}
}

// insert adds an address of 4 or 16 bytes. The first four bytes of its hash are two little-endian numbers, and the
// bits are counted from the lowest of the first byte.
func (b *Bloom) insert(ip []byte) {
	hash := sha1.Sum(ip)
	for i := 0; i < 2*bloomHashes; i += 2 {
		bit := (int(hash[i]) | int(hash[i+1])<<8) % bloomBits
		b[bit/8] |= 1 << (bit % 8)
	}
}

// Union adds the addresses of another filter, as from another node's reply about the same swarm.
func (b *Bloom) Union(other *Bloom) {
	for i := range b {
		b[i] |= other[i]
	}
}

// Estimate is how many addresses the filter probably holds. It loses meaning beyond some 6000.
func (b *Bloom) Estimate() float64 {
	zeros := bloomBits
	for _, c := range b {
		zeros -= bits.OnesCount8(c)
	}
	// BEP 33 takes no more than m-1 bits for zero, which would make the empty set one of half an address; and none
	// of them zero means: more than can be told.
	if zeros == bloomBits {
		return 0
	}
	const m = float64(bloomBits)
	return math.Log(float64(max(zeros, 1))/m) / (bloomHashes * math.Log(1-1/m))
}
