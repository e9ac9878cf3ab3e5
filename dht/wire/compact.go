package wire

import (
	"encoding/binary"
	"iter"
	"net/netip"
)

// ID is a node id, an info_hash or a target: a point in the 160-bit space of BEP 5, big-endian.
type ID [20]byte

// Sizes of compact encodings, in bytes: an address is the IP and the port, both big-endian; a node is its
// id and its address (BEP 5, BEP 32).
const (
	CompactAddr4 = 4 + 2
	CompactAddr6 = 16 + 2
	CompactNode4 = 20 + CompactAddr4
	CompactNode6 = 20 + CompactAddr6
)

// AppendAddr writes a's compact form behind dst: 6 bytes for IPv4 (also mapped into IPv6), 18 for IPv6. The
// zero AddrPort writes nothing.
func AppendAddr(dst []byte, a netip.AddrPort) []byte {
	switch ip := a.Addr(); {
	case ip.Is4() || ip.Is4In6():
		b := ip.As4()
		dst = append(dst, b[:]...)
	case ip.Is6():
		b := ip.As16()
		dst = append(dst, b[:]...)
	default:
		return dst
	}
	return binary.BigEndian.AppendUint16(dst, a.Port())
}

// Addr reads a compact address of 6 or 18 bytes. Any other length gives the zero AddrPort. What arrives in 18
// bytes stays an IPv6 address, even if an IPv4 address is mapped into it: which it was is for the caller to
// judge.
func Addr(b []byte) netip.AddrPort {
	switch len(b) {
	case CompactAddr4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), binary.BigEndian.Uint16(b[4:]))
	case CompactAddr6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)), binary.BigEndian.Uint16(b[16:]))
	}
	return netip.AddrPort{}
}

// AppendNode writes a node's compact form, 26 or 38 bytes, behind dst. The zero AddrPort writes nothing.
func AppendNode(dst []byte, id ID, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return dst
	}
	return AppendAddr(append(dst, id[:]...), a)
}

// NodeList walks a list of compact nodes ("nodes" with size [CompactNode4], "nodes6" with [CompactNode6]). A
// remainder shorter than size is ignored.
func NodeList(b []byte, size int) iter.Seq2[ID, netip.AddrPort] {
	return func(yield func(ID, netip.AddrPort) bool) {
		for ; len(b) >= size; b = b[size:] {
			if !yield(ID(b[:20]), Addr(b[20:size])) {
				return
			}
		}
	}
}

// AppendPeer writes a peer as an element of [Message.Values] behind dst: the compact address as a string. The
// zero AddrPort writes nothing.
func AppendPeer(dst []byte, a netip.AddrPort) []byte {
	switch ip := a.Addr(); {
	case ip.Is4() || ip.Is4In6():
		dst = append(dst, "6:"...)
	case ip.Is6():
		dst = append(dst, "18:"...)
	}
	return AppendAddr(dst, a)
}

// Peers walks the peers in m.Values. Elements that are not compact addresses are passed over.
func (m *Message) Peers() iter.Seq[netip.AddrPort] {
	return func(yield func(netip.AddrPort) bool) {
		d, i := decoder{m.Values}, 0
		for i < len(d.b) {
			s, end := d.str(i)
			if end == 0 {
				if end = d.skip(i, 0); end == 0 {
					return
				}
			}
			if a := Addr(s); a.IsValid() && !yield(a) {
				return
			}
			i = end
		}
	}
}
