package udp

import (
	"net/netip"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestAddressLeavesNoGaps(t *testing.T) {
	v4 := &socket{is4: true, local: netip.MustParseAddrPort("198.18.0.1:6881")}
	v6 := &socket{local: netip.MustParseAddrPort("[2001:db8::1]:6881")}
	for _, tc := range []struct {
		to, from string
		v4, v6   int // the length of the control message, -1: skipped
	}{
		{"1.2.3.4:5", "", 0, -1},
		{"1.2.3.4:5", "198.18.0.1", 0, -1}, // bound there: nothing to say
		{"1.2.3.4:5", "198.18.0.2", pktinfo4Size, -1},
		{"1.2.3.4:5", "2001:db8::1", -1, -1},
		{"[::ffff:1.2.3.4]:5", "::ffff:198.18.0.2", pktinfo4Size, -1},
		{"", "", -1, -1},
		{"[2001:db8::5]:5", "", -1, 0},
		{"[2001:db8::5]:5", "2001:db8::1", -1, 0},
		{"[2001:db8::5]:5", "2001:db8::2", -1, pktinfo6Size},
		{"[2001:db8::5]:5", "1.2.3.4", -1, -1},
		{"[fe80::5%3]:5", "fe80::1%3", -1, pktinfo6Size},
		{"[fe80::5%no-such-interface]:5", "", -1, -1},
		{"[fe80::5%3]:5", "fe80::1%no-such-interface", -1, -1},
	} {
		for _, s := range []*socket{v4, v6} {
			want, size := tc.v4, uint32(unix.SizeofSockaddrInet4)
			if s == v6 {
				want, size = tc.v6, unix.SizeofSockaddrInet6
			}
			var to netip.AddrPort
			var from netip.Addr
			if tc.to != "" {
				to = netip.MustParseAddrPort(tc.to)
			}
			if tc.from != "" {
				from = netip.MustParseAddr(tc.from)
			}
			out := NewOutbox(2)
			out.Add(append(out.Buffer(), "bad"...), netip.AddrPort{}, netip.Addr{})
			payload := append(out.Buffer(), "payload"...)
			out.Add(payload, to, from)
			n := out.address(s, &zones{})
			if want < 0 {
				require.Zero(t, n, "%+v", tc)
				continue
			}
			require.Equal(t, 1, n, "%+v", tc)
			h := out.wire.headers[0].hdr
			require.Same(t, unsafe.SliceData(payload), h.Iov.Base)
			require.EqualValues(t, len("payload"), h.Iov.Len)
			require.EqualValues(t, want, h.Controllen, "%+v", tc)
			require.Equal(t, size, h.Namelen)
			addr, scope, ok := out.wire.envelopes[0].name.parse(h.Namelen)
			require.True(t, ok)
			require.Equal(t, netip.AddrPortFrom(to.Addr().Unmap().WithZone(""), to.Port()), addr)
			require.Equal(t, to.Addr().Zone() != "", scope == 3)
		}
	}
}

// fill writes what the kernel would for a datagram in slot i.
func fill(in *Inbox, i int, from, to string, size, flags int) {
	h, e := &in.wire.headers[i], &in.wire.envelopes[i]
	h.len, h.hdr.Flags = uint32(size), int32(flags)
	h.hdr.Namelen = e.name.put(netip.MustParseAddrPort(from), 4)
	h.hdr.SetControllen(e.control.put(netip.MustParseAddr(to), 4))
}

func TestOpenClosesGaps(t *testing.T) {
	in := NewInbox(5)
	fill(in, 0, "1.2.3.4:5", "198.18.0.1", MaxDatagram, unix.MSG_TRUNC)
	fill(in, 1, "1.2.3.4:6", "198.18.0.2", 7, 0)
	fill(in, 2, "1.2.3.4:7", "198.18.0.3", MaxDatagram, unix.MSG_TRUNC|unix.MSG_CTRUNC)
	fill(in, 3, "[fe80::4]:8", "fe80::9", 0, 0)
	fill(in, 4, "1.2.3.4:9", "198.18.0.1", 1, 0)
	in.wire.headers[4].hdr.Namelen = 0
	bytes, truncated := in.open(5, &socket{wildcard: true}, &zones{})
	require.Equal(t, 7, bytes)
	require.Equal(t, 2, truncated)
	require.Equal(t, 2, in.Len())
	require.Same(t, &in.slots[MaxDatagram], unsafe.SliceData(in.Payload(0)))
	require.Len(t, in.Payload(0), 7)
	require.Equal(t, 7, cap(in.Payload(0)), "an append must not run into what else is there")
	require.Equal(t, "1.2.3.4:6", in.Source(0).String())
	require.Equal(t, "198.18.0.2", in.Local(0).String())
	require.Empty(t, in.Payload(1))
	require.Equal(t, "[fe80::4%4]:8", in.Source(1).String())
	require.Equal(t, "fe80::9%4", in.Local(1).String())
	for i := range in.wire.headers {
		h := &in.wire.headers[i].hdr
		require.EqualValues(t, unix.SizeofSockaddrInet6, h.Namelen, "armed again")
		require.EqualValues(t, controlSize, h.Controllen)
	}
}
