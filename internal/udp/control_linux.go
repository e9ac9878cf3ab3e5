package udp

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// control is room for the one control message that we ask for: IP_PKTINFO or IPV6_PKTINFO, whichever
// is larger, padded. See ip(7), ipv6(7) and cmsg(3).
type control [controlSize]byte

const (
	headerSize = unix.SizeofCmsghdr
	lengthSize = headerSize - 8 // cmsg_len is a size_t; level and type, an int each, follow it

	pktinfo4Size = headerSize + unix.SizeofInet4Pktinfo
	pktinfo6Size = headerSize + unix.SizeofInet6Pktinfo
	controlSize  = (pktinfo6Size + lengthSize - 1) / lengthSize * lengthSize

	offsetSpecDst  = headerSize + 4 // in_pktinfo: ipi_ifindex, ipi_spec_dst, ipi_addr
	offsetIfindex6 = headerSize + 16
)

// put encodes the source address to send from, with the index of the interface of a link-local one,
// and returns the length. It is the length without the final padding: with it, an IPv6 message would
// exceed the buffer on ____sys_sendmsg's stack (net/socket.c) and cost an allocation in the kernel.
func (c *control) put(from netip.Addr, scope uint32) int {
	clear(c[:])
	if from.Is4() {
		c.putHeader(pktinfo4Size, unix.IPPROTO_IP, unix.IP_PKTINFO)
		*(*[4]byte)(c[offsetSpecDst:]) = from.As4()
		return pktinfo4Size
	}
	c.putHeader(pktinfo6Size, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO)
	*(*[16]byte)(c[headerSize:]) = from.As16()
	binary.NativeEndian.PutUint32(c[offsetIfindex6:], scope)
	return pktinfo6Size
}

func (c *control) putHeader(length int, level, kind uint32) {
	if lengthSize == 8 {
		binary.NativeEndian.PutUint64(c[:], uint64(length))
	} else {
		binary.NativeEndian.PutUint32(c[:], uint32(length))
	}
	binary.NativeEndian.PutUint32(c[lengthSize:], level)
	binary.NativeEndian.PutUint32(c[lengthSize+4:], kind)
}

// parse finds the address to answer from in the n bytes of control messages that the kernel wrote;
// the zero Addr if there is none. The address has no zone yet: scope stands for it.
func (c *control) parse(n int) (local netip.Addr, scope uint32) {
	for b := c[:min(max(n, 0), controlSize)]; len(b) >= headerSize; {
		length := messageLength(b)
		if length < headerSize || length > uint64(len(b)) {
			break
		}
		level := binary.NativeEndian.Uint32(b[lengthSize:])
		kind := binary.NativeEndian.Uint32(b[lengthSize+4:])
		switch {
		case level == unix.IPPROTO_IP && kind == unix.IP_PKTINFO && length >= pktinfo4Size:
			// Not ipi_addr: for a broadcast that is an address which nothing can be sent from.
			return answerable(netip.AddrFrom4([4]byte(b[offsetSpecDst:])), 0)
		case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_PKTINFO && length >= pktinfo6Size:
			return answerable(netip.AddrFrom16([16]byte(b[headerSize:])),
				binary.NativeEndian.Uint32(b[offsetIfindex6:]))
		}
		padded := (length + lengthSize - 1) / lengthSize * lengthSize
		b = b[min(padded, uint64(len(b))):]
	}
	return netip.Addr{}, 0
}

func messageLength(b []byte) uint64 {
	if lengthSize == 8 {
		return binary.NativeEndian.Uint64(b)
	}
	return uint64(binary.NativeEndian.Uint32(b))
}

// answerable drops what cannot be a source address, and the interface where it does not matter: kept,
// it would hold the answer to the interface that the query came by, against the routing table.
func answerable(addr netip.Addr, ifindex uint32) (netip.Addr, uint32) {
	switch addr = addr.Unmap(); {
	case addr.IsMulticast(), addr.IsUnspecified():
		return netip.Addr{}, 0
	case addr.Is6() && addr.IsLinkLocalUnicast():
		return addr, ifindex
	}
	return addr, 0
}
