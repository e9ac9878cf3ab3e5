package dht

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// A host with two addresses runs a node at each (BEP 45): ids and tables are their own, what is stored is not.
func TestSharedStore(t *testing.T) {
	first := newNode(t, Config{})
	second := newNode(t, Config{Share: first, Seed: [32]byte{2}})
	require.NotEqual(t, first.ID(), second.ID())

	infohash, id := filledID('h'), filledID('q')
	ask := func(n *Node, q wire.Message) (r wire.Message) {
		q.Kind, q.T, q.ID, q.InfoHash, q.ReadOnly = wire.Query, []byte("aa"), id[:], infohash[:], true
		out, o := n.Handle(0, addr4(1), q.Append(nil), nil)
		require.Equal(t, Answered, o.Verdict)
		require.NoError(t, wire.Parse(out, &r))
		return r
	}
	token := ask(first, wire.Message{Method: wire.GetPeers}).Token
	ask(second, wire.Message{Method: wire.AnnouncePeer, Token: token, ImpliedPort: true})
	for _, n := range []*Node{first, second} {
		r := ask(n, wire.Message{Method: wire.GetPeers})
		require.Equal(t, []netip.AddrPort{addr4(1)}, slices.Collect(r.Peers()))
	}

	first.tables[v4].answered(&id, []byte{1, 2, 3, 4, 5, 6}, 0)
	require.Equal(t, 1, first.Counts().Nodes4)
	require.Zero(t, second.Counts().Nodes4)
}
