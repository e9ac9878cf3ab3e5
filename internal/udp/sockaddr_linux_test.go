package udp

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestSockaddr(t *testing.T) {
	for _, tc := range []struct {
		addr  string
		scope uint32
		size  uint32
		tail  string // what follows the family: big-endian on every machine but for the scope, here 0
	}{
		{"1.2.3.4:6881", 0, 16, "1ae1" + "01020304" + "0000000000000000"},
		{"0.0.0.0:0", 0, 16, "0000" + "00000000" + "0000000000000000"},
		{"[2001:db8::1]:65535", 0, 28, "ffff" + "00000000" + "20010db8000000000000000000000001" + "00000000"},
		{"[fe80::1]:1", 3, 28, ""},
	} {
		t.Run(tc.addr, func(t *testing.T) {
			var s sockaddr
			for i := range s {
				s[i] = 0xee // left by the datagram before
			}
			want := netip.MustParseAddrPort(tc.addr)
			require.Equal(t, tc.size, s.put(want, tc.scope))
			if tc.tail != "" {
				require.Equal(t, tc.tail, hex.EncodeToString(s[2:tc.size]))
			}
			got, scope, ok := s.parse(tc.size)
			require.True(t, ok)
			require.Equal(t, want, got)
			require.Equal(t, tc.scope, scope)
			_, _, ok = s.parse(tc.size - 1)
			require.False(t, ok, "cut short")
		})
	}
}

func TestSockaddrUnmaps(t *testing.T) {
	var s sockaddr
	n := s.put(netip.MustParseAddrPort("[::ffff:1.2.3.4]:5"), 7)
	got, scope, ok := s.parse(n)
	require.True(t, ok)
	require.Equal(t, "1.2.3.4:5", got.String())
	require.Zero(t, scope)
}

// What is accepted, encoded again, means the same.
func FuzzSockaddr(f *testing.F) {
	for _, addr := range []string{"1.2.3.4:6881", "[2001:db8::1]:6881", "[fe80::1]:6881"} {
		var s sockaddr
		n := s.put(netip.MustParseAddrPort(addr), 2)
		f.Add(s[:], n)
	}
	f.Add([]byte{}, uint32(0))
	f.Fuzz(func(t *testing.T, raw []byte, n uint32) {
		var s, again sockaddr
		copy(s[:], raw)
		addr, scope, ok := s.parse(n)
		if !ok {
			require.False(t, addr.IsValid())
			return
		}
		require.False(t, addr.Addr().Is4In6())
		sameAddr, sameScope, ok := again.parse(again.put(addr, scope))
		require.True(t, ok)
		require.Equal(t, addr, sameAddr)
		require.Equal(t, scope, sameScope)
	})
}

func TestControl(t *testing.T) {
	for _, tc := range []struct {
		addr  string
		scope uint32
		size  int
		want  string // what is read back, "" for nothing
		index uint32
	}{
		{"198.18.0.1", 0, headerSize + 12, "198.18.0.1", 0},
		{"198.18.0.1", 9, headerSize + 12, "198.18.0.1", 0},
		{"224.0.0.1", 0, headerSize + 12, "", 0},
		{"0.0.0.0", 0, headerSize + 12, "", 0},
		{"2001:db8::1", 0, headerSize + 20, "2001:db8::1", 0},
		{"2001:db8::1", 9, headerSize + 20, "2001:db8::1", 0}, // the interface would only mislead
		{"fe80::1", 9, headerSize + 20, "fe80::1", 9},
		{"ff02::1", 9, headerSize + 20, "", 0},
	} {
		t.Run(tc.addr, func(t *testing.T) {
			var c control
			for i := range c {
				c[i] = 0xee
			}
			n := c.put(netip.MustParseAddr(tc.addr), tc.scope)
			require.Equal(t, tc.size, n)
			local, index := c.parse(n)
			require.Equal(t, tc.index, index)
			require.Equal(t, tc.want != "", local.IsValid())
			if tc.want != "" {
				require.Equal(t, tc.want, local.String())
			}
			local, _ = c.parse(n - 1)
			require.False(t, local.IsValid(), "cut short")
		})
	}
}

// The kernel agrees with the layout as x/sys has it, from its headers.
func TestControlLayout(t *testing.T) {
	require.Equal(t, unix.CmsgLen(unix.SizeofInet4Pktinfo), pktinfo4Size)
	require.Equal(t, unix.CmsgLen(unix.SizeofInet6Pktinfo), pktinfo6Size)
	require.Equal(t, unix.CmsgSpace(unix.SizeofInet6Pktinfo), controlSize)

	var c control
	n := c.put(netip.MustParseAddr("2001:db8::1"), 3)
	messages, err := unix.ParseSocketControlMessage(c[:n])
	require.NoError(t, err)
	require.Len(t, messages, 1)
	require.EqualValues(t, unix.IPPROTO_IPV6, messages[0].Header.Level)
	require.EqualValues(t, unix.IPV6_PKTINFO, messages[0].Header.Type)
	info := unix.PktInfo6(&unix.Inet6Pktinfo{Addr: netip.MustParseAddr("2001:db8::1").As16(), Ifindex: 3})
	require.Equal(t, info, c[:])
	n = c.put(netip.MustParseAddr("1.2.3.4"), 0)
	info = unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: [4]byte{1, 2, 3, 4}})
	require.Equal(t, info[:n], c[:n])
}

func TestControlSkipsOthers(t *testing.T) {
	for _, tc := range []struct {
		name        string
		length      int
		level, kind uint32
	}{
		{"another option", pktinfo4Size, unix.SOL_SOCKET, unix.SO_RXQ_OVFL},
		{"another protocol's", pktinfo6Size, unix.IPPROTO_IPV6, unix.IP_PKTINFO},
		{"shorter than its contents", pktinfo4Size - 1, unix.IPPROTO_IP, unix.IP_PKTINFO},
		{"empty", headerSize, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO},
		{"shorter than its header", headerSize - 1, unix.IPPROTO_IP, unix.IP_PKTINFO},
		{"of no length", 0, unix.IPPROTO_IP, unix.IP_PKTINFO},
		{"longer than there is", controlSize + 1, unix.IPPROTO_IP, unix.IP_PKTINFO},
		{"of the greatest length", -1, unix.IPPROTO_IP, unix.IP_PKTINFO},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var c control
			c.put(netip.MustParseAddr("1.2.3.4"), 0)
			c.putHeader(tc.length, tc.level, tc.kind)
			local, _ := c.parse(controlSize)
			require.False(t, local.IsValid())
		})
	}
}

// Any bytes are read without a crash, and what is accepted, encoded again, means the same.
func FuzzControl(f *testing.F) {
	for _, addr := range []string{"1.2.3.4", "2001:db8::1", "fe80::1"} {
		var c control
		n := c.put(netip.MustParseAddr(addr), 2)
		f.Add(c[:], n)
	}
	f.Add(binary.NativeEndian.AppendUint64(nil, 1<<63), controlSize)
	f.Fuzz(func(t *testing.T, raw []byte, n int) {
		var c, again control
		copy(c[:], raw)
		local, scope := c.parse(n)
		if !local.IsValid() {
			require.Zero(t, scope)
			return
		}
		sameLocal, sameScope := again.parse(again.put(local, scope))
		require.Equal(t, local, sameLocal)
		require.Equal(t, scope, sameScope)
	})
}
