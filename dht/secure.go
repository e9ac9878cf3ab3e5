package dht

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"

	"supernode/dht/wire"
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	// The bits of an address that BEP 42 takes into account, of IPv4 and of the high half of IPv6.
	secureMask4 = [4]byte{0x03, 0x0f, 0x3f, 0xff}
	secureMask6 = [8]byte{0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff}
)

// SecureID makes of id one that a node may have whom others see at addr (BEP 42): the first 21 bits follow from
// addr and the last three bits of id, the others are kept. Where ids are not verified, on loopback, link-local
// and private IPv4 addresses, id is returned as it is.
//
// Other nodes may ignore one whose id does not comply: they answer it, but neither keep nor announce to it.
func SecureID(id wire.ID, addr netip.Addr) wire.ID {
	if !addr.IsValid() || addr.IsUnspecified() || secureExempt(addr) {
		return id
	}
	prefix := securePrefix(addr, id[19])
	id[0], id[1] = byte(prefix>>24), byte(prefix>>16)
	id[2] = byte(prefix>>8)&0xf8 | id[2]&0x07
	return id
}

// secureOK says whether a node at a compact address may have this id.
func secureOK(id, addr []byte) bool {
	ip := wire.Addr(addr).Addr()
	return secureExempt(ip) || (binary.BigEndian.Uint32(id)^securePrefix(ip, id[19]))>>11 == 0
}

// trusts says whether a node with this id at addr may be relied on, which only EnforceSecure denies to any.
func (n *Node) trusts(id []byte, addr netip.AddrPort) bool {
	return !n.tables[v4].onlySecure || complies(id, addr) // both tables are alike in this
}

func complies(id []byte, addr netip.AddrPort) bool {
	var c compactAddr
	return secureOK(id, wire.AppendAddr(c[:0], addr))
}

// secureExempt reports whether BEP 42 leaves ids at addr alone. It speaks of IPv4 only; what it says there of
// loopback and link-local addresses other implementations hold of IPv6 as well.
func secureExempt(addr netip.Addr) bool {
	return addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.Is4() && addr.IsPrivate()
}

// securePrefix is a number whose first 21 bits an id with that last byte must begin with at addr.
func securePrefix(addr netip.Addr, last byte) uint32 {
	var masked [8]byte
	b := masked[:4]
	if addr.Is4() {
		for i, v := range addr.As4() {
			b[i] = v & secureMask4[i]
		}
	} else {
		b = masked[:8]
		full := addr.As16()
		for i := range b {
			b[i] = full[i] & secureMask6[i]
		}
	}
	b[0] |= last << 5
	return crc32c(b)
}

// crc32c is crc32.Checksum with the Castagnoli polynomial, for a few bytes and without moving them to the heap.
func crc32c(b []byte) uint32 {
	crc := ^uint32(0)
	for _, v := range b {
		crc = castagnoli[byte(crc)^v] ^ crc>>8
	}
	return ^crc
}
