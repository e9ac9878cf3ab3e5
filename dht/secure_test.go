package dht

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"

	reference "github.com/anacrolix/dht/v2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"supernode/dht/wire"
)

// The table of BEP 42, whose ids are random but for what it prescribes.
func TestSecureIDOfTheBEP(t *testing.T) {
	for addr, want := range map[string]string{
		"124.31.75.21": "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401",
		"21.75.31.124": "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256",
		"65.23.51.170": "a5d43220bc8f112a3d426c84764f8c2a1150e616",
		"84.124.73.14": "1b0321dd1bb1fe518101ceef99462b947a01ff41",
		"43.213.53.83": "e56f6cbf5b7c4be0237986d5243b87aa6d51305a",
	} {
		b, err := hex.DecodeString(want)
		require.NoError(t, err)
		id := wire.ID(b)
		b[0], b[1], b[2] = ^b[0], ^b[1], b[2]^0xf8
		require.Equal(t, id, SecureID(wire.ID(b), netip.MustParseAddr(addr)), addr)
	}
}

// TestSecureIDOfIPv6 has vectors made by the rule of BEP 42, which gives none for IPv6, with a CRC computed bit by bit.
func TestSecureIDOfIPv6(t *testing.T) {
	crc := func(b []byte) uint32 { // RFC 3720, B.4; reflected
		r := ^uint32(0)
		for _, v := range b {
			r ^= uint32(v)
			for range 8 {
				r = r>>1 ^ 0x82f63b78*(r&1)
			}
		}
		return ^r
	}
	require.EqualValues(t, uint32(0xe3069283), crc([]byte("123456789")), "the check value of CRC-32C")
	require.EqualValues(t, uint32(0xe3069283), crc32c([]byte("123456789")))
	for _, addr := range []string{"2001:420:80:1::5", "2620:fe::fe", "2a00:1450:4001:82a::200e", "2003:e9:ffff:ffff:ffff::"} {
		b := netip.MustParseAddr(addr).As16()
		for r := range byte(8) {
			var masked [8]byte
			for i, mask := range [8]byte{0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff} {
				masked[i] = b[i] & mask
			}
			masked[0] |= r << 5
			want := crc(masked[:])
			id := SecureID(wire.ID{2: 0x07, 19: 0xf8 | r}, netip.MustParseAddr(addr))
			require.Equal(t, want>>11, binary.BigEndian.Uint32(id[:])>>11, "%s, %d", addr, r)
			require.EqualValues(t, 0x07, id[2]&0x07, "bits that are free are left alone")
			id[7]++
			require.True(t, secureOK(id[:], compact(netip.AddrPortFrom(netip.MustParseAddr(addr), 1))))
			id[2] ^= 0x08
			require.False(t, secureOK(id[:], compact(netip.AddrPortFrom(netip.MustParseAddr(addr), 1))), "the 21st bit")
		}
	}
}

func TestSecureIDSatisfiesTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{4, 16}).Draw(t, "size")
		addr, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "addr"))
		random := wire.ID(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "id"))
		if addr.Is4In6() || addr.IsUnspecified() {
			t.Skip("not an address a node has")
		}
		id := SecureID(random, addr)
		require.True(t, reference.NodeIdSecure(id, addr.AsSlice()), "%x at %v", id, addr)
		require.Equal(t, random[3:], id[3:])
		at := compact(netip.AddrPortFrom(addr, 1))
		require.True(t, secureOK(id[:], at))
		require.Equal(t, reference.NodeIdSecure(random, addr.AsSlice()), secureOK(random[:], at))
	})
}

func TestSecureIDLeavesExemptAddressesAlone(t *testing.T) {
	id := filledID(7)
	for _, addr := range []string{
		"10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "127.0.0.1", "::1", "fe80::1", "0.0.0.0", "::",
	} {
		if a := netip.MustParseAddr(addr); !a.IsUnspecified() {
			require.True(t, secureOK(id[:], compact(netip.AddrPortFrom(a, 1))), addr)
		}
		require.Equal(t, id, SecureID(id, netip.MustParseAddr(addr)), addr)
	}
	require.Equal(t, id, SecureID(id, netip.Addr{}))
}

// A node with two ids shows each to the family it is for, in answers and in queries of its own.
func TestTwoIDs(t *testing.T) {
	n := newNode(t, Config{ID: filledID(4), ID6: filledID(6)})
	require.Equal(t, filledID(4), n.ID())
	require.Equal(t, filledID(6), n.ID6())
	for f, want := range map[family]wire.ID{v4: filledID(4), v6: filledID(6)} {
		m := ask(t, n, 0, addrOf(f, 1), wire.Message{Method: wire.Ping})
		require.Equal(t, want[:], m.ID)
		verify, to, ok := n.Poll(0, nil)
		require.True(t, ok)
		require.Equal(t, addrOf(f, 1), to)
		require.NoError(t, wire.Parse(verify, &m))
		require.Equal(t, want[:], m.ID)
	}
	require.Equal(t, n.ID(), newNode(t, Config{ID: filledID(4)}).ID6())
}
