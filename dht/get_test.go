package dht

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

var addrPort = netip.MustParseAddrPort

// TestGetFits asks for items of every size with queries of every length: the bounds of a reply hold, a value goes
// before nodes, and nodes are left out from the far end, and not more of them than need be.
func TestGetFits(t *testing.T) {
	n, _ := full(t)
	n.items.checks = newPace(1e9, 1e9, 0)
	both := wire.Want4 | wire.Want6
	for _, size := range []int{2, 30, 200, 450, 600, 742, 743, 800, 856, 900, 960, 1000} {
		for _, salt := range []string{"-", "", "salt"} {
			m := wire.Message{Method: wire.Put, Value: valueOf(size)}
			if salt != "-" {
				m = mutablePut(7, salt, int64(size), valueOf(size))
			}
			target := (&item{value: m.Value, key: m.Key, salt: m.Salt}).target()
			require.Zero(t, ask(t, n, 0, addr4(9000), tokenFor(n, 0, v4, m)).Code)
			for f := range family(families) {
				for padding := 0; padding < 50; padding += 7 {
					t.Run(fmt.Sprint(size, salt, f, padding), func(t *testing.T) {
						src := addrOf(f, 9000)
						in := encodeQuery(wire.Message{Method: wire.Get, Target: target[:], Want: both, Version: make([]byte, padding)})
						out, o := n.Handle(0, src, in, nil)
						checkReply(t, src, in, out, o)
						room := min(maxReply, maxAmplification*len(in))
						var r wire.Message
						require.NoError(t, wire.Parse(out, &r))
						require.NotNil(t, r.Token)
						require.Equal(t, m.Key != nil, r.Has&wire.HasSeq != 0)

						whole := r
						whole.Nodes, whole.Nodes6, whole.Value, whole.Key, whole.Sig = nil, nil, m.Value, m.Key, m.Sig
						if len(whole.Append(nil)) > room {
							require.Nil(t, r.Value)
							require.Nil(t, r.Key)
							require.Nil(t, r.Sig)
						} else {
							require.Equal(t, m.Value, r.Value)
							require.Equal(t, m.Key, r.Key)
							require.Equal(t, m.Sig, r.Sig)
						}
						requireNearest(t, n, src, target, r, room-len(out))
					})
				}
			}
		}
	}
}

// requireNearest fails unless the nodes in r are the nearest, and as many as there was room for.
func requireNearest(t *testing.T, n *Node, src netip.AddrPort, target wire.ID, r wire.Message, left int) {
	all := ask(t, n, 0, src, wire.Message{Method: wire.FindNode, Target: target[:], Want: wire.Want4 | wire.Want6, Version: make([]byte, 60)})
	require.True(t, bytes.HasPrefix(all.Nodes, r.Nodes))
	require.True(t, bytes.HasPrefix(all.Nodes6, r.Nodes6))
	require.Len(t, all.Nodes, K*wire.CompactNode4)
	require.Len(t, all.Nodes6, K*wire.CompactNode6)
	first, whole, size := r.Nodes, all.Nodes, wire.CompactNode4
	if src.Addr().Is6() {
		first, whole, size = r.Nodes6, all.Nodes6, wire.CompactNode6
	}
	if len(first) < len(whole) {
		require.Less(t, left, size+len("6:nodes6304:"), "there was room for one more")
	}
}

// TestGetWithSeq: the value is not sent to who has it, and an immutable one has no number to compare.
func TestGetWithSeq(t *testing.T) {
	n := newNode(t, Config{})
	m := mutablePut(1, "", 5, []byte("1:v"))
	plain := wire.Message{Method: wire.Put, Value: []byte("1:v")}
	require.Zero(t, ask(t, n, 0, addr4(9000), tokenFor(n, 0, v4, m)).Code)
	require.Zero(t, ask(t, n, 0, addr4(9000), tokenFor(n, 0, v4, plain)).Code)
	target, plainTarget := MutableTarget(m.Key, nil), ImmutableTarget(plain.Value)
	for seq, want := range map[int64]bool{-1: true, 0: true, 4: true, 5: false, 6: false, 1<<63 - 1: false} {
		r := ask(t, n, 0, addr4(1), wire.Message{Method: wire.Get, Target: target[:], Has: wire.HasSeq, Seq: seq})
		require.Equal(t, want, r.Value != nil, "seq %d", seq)
		require.Equal(t, want, r.Key != nil)
		require.Equal(t, want, r.Sig != nil)
		require.Equal(t, wire.HasSeq, r.Has)
		require.EqualValues(t, 5, r.Seq)
		require.NotNil(t, r.Token)

		r = ask(t, n, 0, addr4(1), wire.Message{Method: wire.Get, Target: plainTarget[:], Has: wire.HasSeq, Seq: seq})
		require.Equal(t, plain.Value, r.Value)
		require.Zero(t, r.Has)
		require.Nil(t, r.Key)
	}
}

// TestItemsAreShared: nodes on several addresses of a host serve the same items.
func TestItemsAreShared(t *testing.T) {
	first := newNode(t, Config{})
	second := newNode(t, Config{Share: first, Seed: [32]byte{2}})
	m := tokenFor(first, 0, v4, mutablePut(1, "", 5, []byte("1:v")))
	require.Zero(t, ask(t, second, 0, addr4(9000), m).Code)
	target := MutableTarget(m.Key, nil)
	require.Equal(t, "1:v", string(ask(t, first, 0, addr4(1), wire.Message{Method: wire.Get, Target: target[:]}).Value))
	require.Equal(t, 1, first.Counts().Items)
}
