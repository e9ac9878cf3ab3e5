package udp

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// sockaddr is room for a sockaddr_in (16 bytes) or a sockaddr_in6 (28), laid out as in
// include/uapi/linux/in.h and in6.h: the family in the machine's byte order, the port and the address
// in the network's, the scope in the machine's. The flow label is sent as 0 and ignored.
type sockaddr [unix.SizeofSockaddrInet6]byte

const (
	offsetPort  = 2
	offsetAddr4 = 4
	offsetAddr6 = 8
	offsetScope = 24
)

// put encodes to, with the index of the interface of a link-local address, and returns the length.
func (s *sockaddr) put(to netip.AddrPort, scope uint32) uint32 {
	binary.BigEndian.PutUint16(s[offsetPort:], to.Port())
	if addr := to.Addr(); addr.Is4() {
		binary.NativeEndian.PutUint16(s[:], unix.AF_INET)
		*(*[4]byte)(s[offsetAddr4:]) = addr.As4()
		clear(s[8:unix.SizeofSockaddrInet4])
		return unix.SizeofSockaddrInet4
	}
	binary.NativeEndian.PutUint16(s[:], unix.AF_INET6)
	clear(s[4:offsetAddr6])
	*(*[16]byte)(s[offsetAddr6:]) = to.Addr().As16()
	binary.NativeEndian.PutUint32(s[offsetScope:], scope)
	return unix.SizeofSockaddrInet6
}

// parse decodes the n bytes that the kernel wrote. The address has no zone yet: scope stands for it.
func (s *sockaddr) parse(n uint32) (from netip.AddrPort, scope uint32, ok bool) {
	if n < unix.SizeofSockaddrInet4 {
		return netip.AddrPort{}, 0, false
	}
	port := binary.BigEndian.Uint16(s[offsetPort:])
	switch binary.NativeEndian.Uint16(s[:]) {
	case unix.AF_INET:
		addr := netip.AddrFrom4([4]byte(s[offsetAddr4:]))
		return netip.AddrPortFrom(addr, port), 0, true
	case unix.AF_INET6:
		if n < unix.SizeofSockaddrInet6 {
			return netip.AddrPort{}, 0, false
		}
		addr := netip.AddrFrom16([16]byte(s[offsetAddr6:])).Unmap()
		if addr.Is6() {
			scope = binary.NativeEndian.Uint32(s[offsetScope:])
		}
		return netip.AddrPortFrom(addr, port), scope, true
	}
	return netip.AddrPort{}, 0, false
}
