package xdp

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

// verdict is whether the program, run by the kernel on one frame (BPF_PROG_TEST_RUN), redirects it. There is no socket that it could
// be redirected to; the answer for that case, which is to pass, is changed into one that nothing else gets.
func verdict(t *testing.T, from netip.AddrPort, to []netip.AddrPort, frame []byte) bool {
	t.Helper()
	sockets, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	require.NoError(t, err)
	defer sockets.Close()
	instructions := redirector(sockets.FD(), local, from, to, 1500)
	for i := range instructions {
		if instructions[i].Symbol() == redirect { // the call behind it finds no socket, and answers what R3 says
			instructions[i+2].Constant = xdpDrop
		}
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Apache-2.0", Instructions: instructions})
	require.NoError(t, err)
	defer p.Close()
	ret, _, err := p.Test(frame)
	require.NoError(t, err)
	require.Contains(t, []uint32{xdpDrop, xdpPass}, ret)
	return ret == xdpDrop
}

const xdpDrop = 1 // XDP_DROP

var local = [6]byte{2, 0x80, 3, 0xff, 5, 0xf0}

// frame4 is an answer over IPv4, frame6 one over IPv6, each with one thing changed.
func frame4(change func(frame, ip, udp []byte)) []byte {
	f := make([]byte, offsetUDP4+sizeUDP+5)
	ip, udp := f[offsetIP:], f[offsetUDP4:]
	copy(f, local[:])
	binary.BigEndian.PutUint16(f[offsetEtherType:], 0x0800)
	ip[0], ip[9] = 0x45, protocolUDP
	binary.BigEndian.PutUint16(ip[6:], 0x4000) // do not fragment
	copy(ip[12:], []byte{198, 51, 100, 200})
	copy(ip[16:], []byte{203, 0, 113, 129})
	binary.BigEndian.PutUint16(udp, 6881)
	binary.BigEndian.PutUint16(udp[2:], 40001)
	change(f, ip, udp)
	return f
}

func frame6(change func(frame, ip, udp []byte)) []byte {
	f := make([]byte, offsetUDP6+sizeUDP+5)
	ip, udp := f[offsetIP:], f[offsetUDP6:]
	copy(f, local[:])
	binary.BigEndian.PutUint16(f[offsetEtherType:], 0x86dd)
	ip[0], ip[6] = 0x60, protocolUDP
	address := netip.MustParseAddr("2001:db8::ff80").As16()
	copy(ip[8:], address[:])
	address = netip.MustParseAddr("2001:db8:1::f1").As16()
	copy(ip[24:], address[:])
	binary.BigEndian.PutUint16(udp, 6881)
	binary.BigEndian.PutUint16(udp[2:], 40001)
	change(f, ip, udp)
	return f
}

func TestRedirector(t *testing.T) {
	apart.NeedRoot(t)
	anyone := []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0"), netip.MustParseAddrPort("[::]:0")}
	us := [][]netip.AddrPort{
		{netip.MustParseAddrPort("0.0.0.0:40000"), netip.MustParseAddrPort("203.0.113.130:40001"), netip.MustParseAddrPort("203.0.113.129:40001"), netip.MustParseAddrPort("0.0.0.0:65535")},
		{netip.MustParseAddrPort("[::]:40000"), netip.MustParseAddrPort("[2001:db8:1::f2]:40001"), netip.MustParseAddrPort("[2001:db8:1::f1]:40001"), netip.MustParseAddrPort("[::]:65535")},
	}
	peers := []netip.AddrPort{netip.MustParseAddrPort("198.51.100.200:6881"), netip.MustParseAddrPort("[2001:db8::ff80]:6881")}
	both := func(change func(frame, ip, udp []byte)) [][]byte { return [][]byte{frame4(change), frame6(change)} }
	padded := func(n int) (frames [][]byte) {
		for _, f := range both(func(_, _, _ []byte) {}) {
			frames = append(frames, append(f, make([]byte, n-len(f))...))
		}
		return frames
	}
	for _, tt := range []struct {
		name   string
		frames [][]byte
		want   bool
	}{
		{"answer", both(func(_, _, _ []byte) {}), true},
		{"to the last port", both(func(_, _, udp []byte) { binary.BigEndian.PutUint16(udp[2:], 65535) }), true},
		{"to another port", both(func(_, _, udp []byte) { binary.BigEndian.PutUint16(udp[2:], 40002) }), false},
		{"to another IPv4 address", [][]byte{frame4(func(_, ip, _ []byte) { ip[19]-- })}, false},
		{"to another IPv6 address", [][]byte{nil, frame6(func(_, ip, _ []byte) { ip[39]-- })}, false},
		{"from another port", both(func(_, _, udp []byte) { udp[0]++ }), false},
		{"of another protocol", both(func(f, _, _ []byte) { f[offsetEtherType]++ }), false},
		{"from another IPv4 address", [][]byte{frame4(func(_, ip, _ []byte) { ip[15]++ })}, false},
		{"a first fragment", [][]byte{frame4(func(_, ip, _ []byte) { ip[6] = 0x20 })}, false},
		{"a last fragment", [][]byte{frame4(func(_, ip, _ []byte) { ip[7] = 1 })}, false},
		{"with IPv4 options", [][]byte{frame4(func(_, ip, _ []byte) { ip[0] = 0x46 })}, false},
		{"TCP over IPv4", [][]byte{frame4(func(_, ip, _ []byte) { ip[9] = 6 })}, false},
		{"from another IPv6 network", [][]byte{nil, frame6(func(_, ip, _ []byte) { ip[8]++ })}, false},
		{"from another IPv6 host", [][]byte{nil, frame6(func(_, ip, _ []byte) { ip[23]++ })}, false},
		{"with IPv6 fragment header", [][]byte{nil, frame6(func(_, ip, _ []byte) { ip[6] = 44 })}, false},
		{"shorter than its headers", [][]byte{frame4(func(_, _, _ []byte) {})[:offsetUDP4+sizeUDP-1], frame6(func(_, _, _ []byte) {})[:offsetUDP6+sizeUDP-1]}, false},
		{"of the longest size", padded(1500), true},
		{"longer", padded(1501), false},
		{"for another host on the link", both(func(f, _, _ []byte) { f[0] ^= 4 }), false},
		{"for a host with nearly our address", both(func(f, _, _ []byte) { f[5]++ }), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for family, frame := range tt.frames {
				if frame != nil {
					require.Equal(t, tt.want, verdict(t, peers[family], us[family], frame), "%s", peers[family])
					anyones := tt.want || strings.HasPrefix(tt.name, "from another")
					require.Equal(t, anyones, verdict(t, anyone[family], us[family], frame), "from anyone, %s", peers[family])
				}
			}
		})
	}
}

// Without the capability the error says what is missing.
func TestRedirectNeedsCapability(t *testing.T) {
	apart.NeedRoot(t)
	t.Run("without", func(t *testing.T) {
		require.NoError(t, apart.Enter())
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var sets [2]unix.CapUserData
		require.NoError(t, unix.Capset(&header, &sets[0])) // none, of this thread, which ends with the test
		_, err := Redirect(1, 0, local, netip.MustParseAddrPort("127.0.0.1:1"), []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}, 1500)
		require.ErrorIs(t, err, unix.EPERM)
		require.ErrorContains(t, err, "CAP_NET_ADMIN and CAP_BPF")
	})
}
