package conntrack

import (
	"encoding/binary"
	"net/netip"
)

const (
	udpHeader  = 8
	ipv4Header = 20
	ipv6Header = 40
	protoUDP   = 17
	hopLimit   = 64
)

// datagram builds an IP packet with one UDP datagram in it (RFC 791, 8200, 768). Both addresses are of one family. The
// checksums are right, since the kernel does not track what it believes to be broken.
func datagram(from, to netip.AddrPort, payload []byte) []byte {
	src, dst := from.Addr().AsSlice(), to.Addr().AsSlice()
	udp := make([]byte, udpHeader, udpHeader+len(payload))
	binary.BigEndian.PutUint16(udp[0:], from.Port())
	binary.BigEndian.PutUint16(udp[2:], to.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(udpHeader+len(payload)))
	udp = append(udp, payload...)
	pseudo := append(append([]byte{0, protoUDP, 0, 0}, src...), dst...)
	binary.BigEndian.PutUint16(pseudo[2:], uint16(len(udp)))
	sum := checksum(pseudo, udp)
	if sum == 0 { // on the wire 0 means that there is none
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(udp[6:], sum)

	if from.Addr().Is4() {
		ip := make([]byte, ipv4Header, ipv4Header+len(udp))
		ip[0] = 4<<4 | ipv4Header/4
		binary.BigEndian.PutUint16(ip[2:], uint16(ipv4Header+len(udp)))
		ip[6] = 0x40 // do not fragment
		ip[8] = hopLimit
		ip[9] = protoUDP
		copy(ip[12:], src)
		copy(ip[16:], dst)
		binary.BigEndian.PutUint16(ip[10:], checksum(ip))
		return append(ip, udp...)
	}
	ip := make([]byte, ipv6Header, ipv6Header+len(udp))
	ip[0] = 6 << 4
	binary.BigEndian.PutUint16(ip[4:], uint16(len(udp)))
	ip[6] = protoUDP
	ip[7] = hopLimit
	copy(ip[8:], src)
	copy(ip[24:], dst)
	return append(ip, udp...)
}

// checksum is that of RFC 1071. Each part but the last has an even length.
func checksum(parts ...[]byte) uint16 {
	var sum uint32
	for _, p := range parts {
		for i := 0; i+1 < len(p); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(p[i:]))
		}
		if len(p)%2 == 1 {
			sum += uint32(p[len(p)-1]) << 8
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
