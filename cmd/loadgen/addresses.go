package main

import (
	"encoding/binary"
	"net/netip"
)

// maxHostBits bounds the addresses of a block to 16 million; more flows take more ports.
const maxHostBits = 24

// block is a run of consecutive addresses, so that an address and its number are a subtraction apart: no
// map, no table.
type block struct {
	is4   bool
	high  uint64 // the upper half, IPv6 only
	low   uint64 // the lower half, or the IPv4 address, of number 0
	count uint32
}

// newBlock takes the addresses of a prefix that can be a host's. An IPv4 network's first and last are
// not (RFC 1122, 3.2.1.3), unless it is a point-to-point link (RFC 3021); IPv6's first belongs to all the
// routers there (RFC 4291, 2.6.1; RFC 6164).
func newBlock(p netip.Prefix) block {
	p = p.Masked()
	b := block{is4: p.Addr().Is4()}
	raw := p.Addr().As16()
	hostBits := p.Addr().BitLen() - p.Bits()
	b.count = 1 << min(hostBits, maxHostBits)
	b.low = binary.BigEndian.Uint64(raw[8:])
	if b.is4 {
		b.low &= 0xffff_ffff
	} else {
		b.high = binary.BigEndian.Uint64(raw[:8])
	}
	if hostBits >= 2 {
		b.low++
		b.count--
		if b.is4 && hostBits <= maxHostBits {
			b.count--
		}
	}
	return b
}

// share is a part of the block, or all of it if there are fewer addresses than parts: ports then tell the flows apart.
func (b block) share(p part) block {
	if int(b.count) >= p.threads() {
		b.low += uint64(p.before(int(b.count)))
		b.count = uint32(p.share(int(b.count)))
	}
	return b
}

// at returns address number i.
func (b *block) at(i uint32) netip.Addr {
	if b.is4 {
		var raw [4]byte
		binary.BigEndian.PutUint32(raw[:], uint32(b.low)+i)
		return netip.AddrFrom4(raw)
	}
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], b.high)
	binary.BigEndian.PutUint64(raw[8:], b.low+uint64(i))
	return netip.AddrFrom16(raw)
}

// number is at's inverse; ok says whether a is one of the block.
func (b *block) number(a netip.Addr) (i uint32, ok bool) {
	if b.is4 != a.Is4() {
		return 0, false
	}
	var low uint64
	if b.is4 {
		raw := a.As4()
		low = uint64(binary.BigEndian.Uint32(raw[:]))
	} else {
		raw := a.As16()
		if binary.BigEndian.Uint64(raw[:8]) != b.high {
			return 0, false
		}
		low = binary.BigEndian.Uint64(raw[8:])
	}
	d := low - b.low // an address below the block wraps to far above it
	return uint32(d), d < uint64(b.count)
}
