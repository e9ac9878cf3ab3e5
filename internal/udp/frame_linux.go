package udp

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// What stands before the payload of a frame, in order, in bytes.
const (
	offloadSize  = 10 // struct virtio_net_hdr, include/uapi/linux/virtio_net.h: what the kernel still has to do
	ethernetSize = 14
	ip4Size      = 20
	ip6Size      = 40
	udpSize      = 8

	headers4 = offloadSize + ethernetSize + ip4Size + udpSize
	headers6 = offloadSize + ethernetSize + ip6Size + udpSize
)

const (
	protocolUDP = 17
	hopLimit    = 64 // the kernel's own default, for IPv4 and IPv6

	offloadChecksum = 1 // VIRTIO_NET_HDR_F_NEEDS_CSUM
	offloadHeader   = 2 // offset of how much of the frame the kernel is to copy right behind its own header
	checksumOffset  = 6 // of the checksum within the UDP header
)

// framer writes frames: offload header, Ethernet (RFC 894, RFC 2464), IPv4 (RFC 791) or IPv6 (RFC 8200), UDP (RFC 768) and
// payload. What is the same in all frames is written once, into templates.
//
// The sum over the payload is left to whoever is last to touch the frame, as the kernel's own UDP leaves it
// (CHECKSUM_PARTIAL): a network card does it on the way, a driver without the gift does it for its card, and a veth, where
// nothing can be damaged, does not do it at all, so that neither end pays for it. The UDP header then holds the sum of the
// pseudo-header alone. IPv4's own checksum is no such thing, and is written here.
type framer struct {
	ip4 [headers4]byte
	ip6 [headers6]byte
}

func newFramer(h *Hop) (f framer) {
	f.link(f.ip4[:], h, 0x0800, ethernetSize+ip4Size)
	ip := f.ip4[offloadSize+ethernetSize:]
	ip[0] = 0x45 // version 4, 5 words of header
	// Not to be fragmented, so that no identification is needed (RFC 6864), as on the sockets of this package.
	binary.BigEndian.PutUint16(ip[6:], 0x4000)
	ip[8], ip[9] = hopLimit, protocolUDP

	f.link(f.ip6[:], h, 0x86dd, ethernetSize+ip6Size)
	ip = f.ip6[offloadSize+ethernetSize:]
	ip[0], ip[6], ip[7] = 0x60, protocolUDP, hopLimit
	return f
}

// link writes what comes before the IP header. udp is where the UDP header begins, from the beginning of the frame.
func (f *framer) link(b []byte, h *Hop, etherType, udp uint16) {
	b[0] = offloadChecksum // and no segmentation
	binary.NativeEndian.PutUint16(b[6:], udp)
	binary.NativeEndian.PutUint16(b[8:], checksumOffset)
	copy(b[offloadSize:], h.Peer[:])
	copy(b[offloadSize+6:], h.Local[:])
	binary.BigEndian.PutUint16(b[offloadSize+12:], etherType)
}

// frame writes the frame of a datagram to the beginning of b, and returns its length. Both addresses must be of one
// family, and the payload of at most MaxDatagram bytes.
func (f *framer) frame(b []byte, from netip.Addr, port uint16, to netip.AddrPort, payload []byte) int {
	headers, length := headers6, uint16(udpSize+len(payload))
	var pseudo uint64 // of source and destination, as in the pseudo-header
	if from.Is4() {
		headers = headers4
		copy(b, f.ip4[:])
		ip := b[offloadSize+ethernetSize : headers4]
		binary.BigEndian.PutUint16(ip[2:], ip4Size+length)
		source, destination := from.As4(), to.Addr().As4()
		copy(ip[12:], source[:])
		copy(ip[16:], destination[:])
		pseudo = add(0, ip[12:20])
		binary.BigEndian.PutUint16(ip[10:], ^fold(add(pseudo, ip[:8])+hopLimit<<8+protocolUDP))
	} else {
		copy(b, f.ip6[:])
		ip := b[offloadSize+ethernetSize : headers6]
		binary.BigEndian.PutUint16(ip[4:], length)
		source, destination := from.As16(), to.Addr().As16()
		copy(ip[8:], source[:])
		copy(ip[24:], destination[:])
		pseudo = add(0, ip[8:40])
	}
	udp := b[headers-udpSize : headers]
	binary.BigEndian.PutUint16(udp, port)
	binary.BigEndian.PutUint16(udp[2:], to.Port())
	binary.BigEndian.PutUint16(udp[4:], length)
	binary.BigEndian.PutUint16(udp[checksumOffset:], fold(pseudo+protocolUDP+uint64(length)))
	n := headers + copy(b[headers:], payload)
	binary.NativeEndian.PutUint16(b[offloadHeader:], uint16(n-offloadSize)) // all of it
	return n
}

// add adds b, of a length divisible by 4, to a sum of 16-bit words in the arithmetic of RFC 1071: words of 32 bits do as
// well, as a carry out of the lower half counts in the upper, and fold brings them together.
func add(sum uint64, b []byte) uint64 {
	for ; len(b) >= 4; b = b[4:] {
		sum += uint64(binary.BigEndian.Uint32(b))
	}
	return sum
}

// fold brings a sum to 16 bits, with every carry added at the lower end (RFC 1071).
func fold(sum uint64) uint16 {
	half, carry := bits.Add32(uint32(sum>>32), uint32(sum), 0)
	half += carry // which cannot carry once more
	quarter := half>>16 + half&0xffff
	return uint16(quarter>>16 + quarter&0xffff)
}
