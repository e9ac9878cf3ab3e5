package udp

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

var testHop = Hop{Local: [6]byte{2, 0, 0, 0, 0, 1}, Peer: [6]byte{2, 0, 0, 0, 0, 2}, MTU: 1500}

// onesSum is RFC 1071 word by word.
func onesSum(b []byte) uint16 {
	sum := uint32(0)
	for i, octet := range b {
		if i%2 == 0 {
			sum += uint32(octet) << 8
		} else {
			sum += uint32(octet)
		}
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// checkFrame holds a frame to what others read in it, and finishes its checksum as the kernel does.
func checkFrame(t *testing.T, b []byte, from netip.AddrPort, to netip.AddrPort, payload []byte) {
	t.Helper()
	require.EqualValues(t, offloadChecksum, b[0])
	require.Zero(t, b[1], "no segmentation")
	require.EqualValues(t, len(b)-offloadSize, binary.NativeEndian.Uint16(b[2:]))
	start := int(binary.NativeEndian.Uint16(b[6:]))
	require.EqualValues(t, 6, binary.NativeEndian.Uint16(b[8:]))
	b = b[offloadSize:]
	require.Equal(t, testHop.Peer[:], b[:6])
	require.Equal(t, testHop.Local[:], b[6:12])
	ip, pseudo := b[ethernetSize:start], []byte(nil)
	if from.Addr().Is4() {
		require.Equal(t, []byte{8, 0}, b[12:14])
		h, err := ipv4.ParseHeader(ip)
		require.NoError(t, err)
		require.Equal(t, ipv4.HeaderLen, h.Len)
		require.Equal(t, len(b)-ethernetSize, h.TotalLen)
		require.Equal(t, ipv4.DontFragment, h.Flags)
		require.Equal(t, 17, h.Protocol)
		require.Equal(t, 64, h.TTL)
		require.True(t, h.Src.Equal(from.Addr().AsSlice()) && h.Dst.Equal(to.Addr().AsSlice()), h)
		require.EqualValues(t, 0xffff, onesSum(ip), "checksum of the IPv4 header")
		pseudo = ip[12:20]
	} else {
		require.Equal(t, []byte{0x86, 0xdd}, b[12:14])
		h, err := ipv6.ParseHeader(ip)
		require.NoError(t, err)
		require.Equal(t, 6, h.Version)
		require.Equal(t, len(b)-start, h.PayloadLen)
		require.Equal(t, 17, h.NextHeader)
		require.Equal(t, 64, h.HopLimit)
		require.True(t, h.Src.Equal(from.Addr().AsSlice()) && h.Dst.Equal(to.Addr().AsSlice()), h)
		pseudo = ip[8:40]
	}
	segment := append([]byte(nil), b[start:]...)
	require.Equal(t, from.Port(), binary.BigEndian.Uint16(segment))
	require.Equal(t, to.Port(), binary.BigEndian.Uint16(segment[2:]))
	require.EqualValues(t, len(segment), binary.BigEndian.Uint16(segment[4:]))
	require.Equal(t, string(payload), string(segment[udpSize:]))
	// skb_checksum_help, net/core/dev.c: the sum over the segment, with what stands in the checksum's place, goes there.
	binary.BigEndian.PutUint16(segment[checksumOffset:], ^onesSum(segment))
	whole := append(append(append([]byte(nil), pseudo...), 0, 17), segment[4:6]...)
	require.EqualValues(t, 0xffff, onesSum(append(whole, segment...)), "checksum of UDP")
}

func TestFrame(t *testing.T) {
	f := newFramer(&testHop)
	b := make([]byte, slotSize-frameOffset)
	for _, addrs := range [][2]string{
		{"198.18.0.1:1", "10.18.0.1:6881"}, {"255.255.255.255:65535", "255.255.255.255:65535"}, {"0.0.0.1:1", "0.0.0.0:1"},
		{"[fd00:18:1::7]:40000", "[fd00:18::1]:53"}, {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
	} {
		from, to := netip.MustParseAddrPort(addrs[0]), netip.MustParseAddrPort(addrs[1])
		for _, size := range []int{0, 1, 2, 3, 100, 1472, MaxDatagram} {
			payload := make([]byte, size)
			for i := range payload {
				payload[i] = byte(i * 7)
			}
			n := f.frame(b, from.Addr(), from.Port(), to, payload)
			require.LessOrEqual(t, n, len(b))
			checkFrame(t, b[:n], from, to, payload)
		}
	}
}

// FuzzFrame: whatever the addresses, ports and payload, what others read in the frame is what went in, and the sums are right.
func FuzzFrame(f *testing.F) {
	f.Add([]byte{198, 18, 0, 1}, []byte{10, 0, 0, 1}, uint16(1), uint16(2), []byte("payload"))
	f.Add(make([]byte, 16), append(make([]byte, 15), 1), uint16(1), uint16(65535), []byte{})
	f.Fuzz(func(t *testing.T, source, destination []byte, sourcePort, port uint16, payload []byte) {
		from, ok := netip.AddrFromSlice(source)
		to, ok2 := netip.AddrFromSlice(destination)
		if !ok || !ok2 || from.BitLen() != to.BitLen() || len(payload) > MaxDatagram {
			return
		}
		framer := newFramer(&testHop)
		b := make([]byte, slotSize-frameOffset)
		n := framer.frame(b, from, sourcePort, netip.AddrPortFrom(to, port), payload)
		checkFrame(t, b[:n], netip.AddrPortFrom(from, sourcePort), netip.AddrPortFrom(to, port), payload)
	})
}

func BenchmarkFrame(b *testing.B) {
	f, frame, payload := newFramer(&testHop), make([]byte, slotSize-frameOffset), make([]byte, 100)
	from, to := netip.MustParseAddr("198.18.0.1"), netip.MustParseAddrPort("10.18.0.1:6881")
	for b.Loop() {
		f.frame(frame, from, 6881, to, payload)
	}
}
