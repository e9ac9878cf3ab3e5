package wire

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAddr(t *testing.T) {
	for compact, want := range map[string]string{
		"\xc0\x00\x02\x07\x1a\xe1": "192.0.2.7:6881",
		"\x00\x00\x00\x00\x00\x00": "0.0.0.0:0",
		"\xff\xff\xff\xff\xff\xff": "255.255.255.255:65535",
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x1a\xe1": "[2001:db8::7]:6881",
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x07\x1a\xe1": "[::ffff:192.0.2.7]:6881",
	} {
		require.Equal(t, netip.MustParseAddrPort(want), Addr([]byte(compact)))
		requireSameAddr(t, []byte(compact))
	}
	for n := range 40 {
		requireSameAddr(t, make([]byte, n))
	}
	require.Equal(t, netip.AddrPort{}, Addr(nil))
}

// TestAppendInvalid: an address that is none must not leave half an entry in a list.
func TestAppendInvalid(t *testing.T) {
	for _, a := range []netip.AddrPort{{}, netip.AddrPortFrom(netip.Addr{}, 6881)} {
		require.Equal(t, "x", string(AppendAddr([]byte("x"), a)))
		require.Equal(t, "x", string(AppendNode([]byte("x"), ID{}, a)))
		require.Equal(t, "x", string(AppendPeer([]byte("x"), a)))
	}
}

func TestAppendPeer(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7:6881":          "6:\xc0\x00\x02\x07\x1a\xe1",
		"[::ffff:192.0.2.7]:6881": "6:\xc0\x00\x02\x07\x1a\xe1",
		"[2001:db8::7]:6881":      "18:\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x1a\xe1",
		"[2001:db8::7%eth0]:6881": "18:\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x1a\xe1",
	} {
		require.Equal(t, want, string(AppendPeer(nil, netip.MustParseAddrPort(addr))))
	}
}

func TestNodeList(t *testing.T) {
	list := nodes(3, addr4)
	var got []byte
	for id, a := range NodeList(append(list, "remainder"...), CompactNode4) {
		got = AppendNode(got, id, a)
	}
	require.Equal(t, list, got)
	for range NodeList(nodes(3, addr6), CompactNode6) {
		break // must not go on
	}
	for range NodeList(list[:CompactNode4-1], CompactNode4) {
		t.Fatal("a node out of too few bytes")
	}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for _, a := range NodeList(list, CompactNode4) {
			_ = a
		}
	}))
}

func TestPeers(t *testing.T) {
	m := Message{Values: []byte("6:axje.u3:abcli1ee0:d1:a6:ignoree18:abcdefghijklmnopqri7e6:idhtnm")}
	var got []byte
	for a := range m.Peers() {
		got = AppendPeer(got, a)
	}
	require.Equal(t, "6:axje.u18:abcdefghijklmnopqr6:idhtnm", string(got))
	for range m.Peers() {
		break
	}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for a := range m.Peers() {
			_ = a
		}
	}))
	// What is not bencode ends the walk.
	m.Values = []byte("6:axje.u6:idh")
	n := 0
	for range m.Peers() {
		n++
	}
	require.Equal(t, 1, n)
}
