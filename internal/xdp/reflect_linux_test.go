package xdp

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"supernode/internal/apart"
)

// A query comes back as it was, but for the mark of a response, with all addresses swapped and both checksums in order; what
// else there is stays as it is, and goes to the kernel.
func TestReflector(t *testing.T) {
	apart.NeedRoot(t)
	to := netip.MustParseAddrPort("203.0.113.129:53")
	query := func(change func(frame, ip, udp []byte)) []byte {
		return append(frame4(func(f, ip, udp []byte) {
			copy(f[6:], []byte{2, 1, 1, 1, 1, 9})
			binary.BigEndian.PutUint16(udp[2:], to.Port())
			binary.BigEndian.PutUint16(udp[6:], 0xbeef)
			copy(udp[sizeUDP:], []byte{0x12, 0x34, 1, 0, 0})
			change(f, ip, udp)
		}), "  the rest of it"...)
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Apache-2.0", Instructions: reflector(local, to)})
	require.NoError(t, err)
	defer p.Close()
	run := func(frame []byte) (verdict uint32, out []byte) {
		verdict, out, err := p.Test(frame)
		require.NoError(t, err)
		return verdict, out
	}

	in := query(func(_, _, _ []byte) {})
	verdict, out := run(in)
	const xdpRedirect = 4 // XDP_REDIRECT
	require.EqualValues(t, xdpRedirect, verdict)
	want := append([]byte(nil), in...)
	copy(want, in[6:12])
	copy(want[6:], in[:6])
	copy(want[offsetIP+12:], in[offsetIP+16:offsetIP+20])
	copy(want[offsetIP+16:], in[offsetIP+12:offsetIP+16])
	copy(want[offsetUDP4:], in[offsetUDP4+2:offsetUDP4+4])
	copy(want[offsetUDP4+2:], in[offsetUDP4:offsetUDP4+2])
	copy(want[offsetUDP4+6:], []byte{0, 0})
	want[offsetDNS+2] |= response
	require.Equal(t, want, out)

	for name, frame := range map[string][]byte{
		"response":          query(func(_, _, udp []byte) { udp[sizeUDP+2] |= response }),
		"another port":      query(func(_, _, udp []byte) { udp[3]++ }),
		"another address":   query(func(_, ip, _ []byte) { ip[19]++ }),
		"another's":         query(func(f, _, _ []byte) { f[5]++ }),
		"fragment":          query(func(_, ip, _ []byte) { ip[6] = 0x20 }),
		"TCP":               query(func(_, ip, _ []byte) { ip[9] = 6 }),
		"IPv6":              append(frame6(func(_, _, _ []byte) {}), "  the rest of it"...),
		"too short a query": query(func(_, _, _ []byte) {})[:offsetDNS+sizeDNS-1],
	} {
		verdict, out := run(frame)
		require.EqualValues(t, xdpPass, verdict, name)
		require.Equal(t, frame, out, name)
	}
	_, err = ReflectDNS(1, local, netip.MustParseAddrPort("[::1]:53"))
	require.ErrorContains(t, err, "to a port over IPv4 only")
}
