package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// TestReply: what the null server says is a response that the generator takes for the answer to its query.
func TestReply(t *testing.T) {
	for nodes := range 9 {
		r := newReply(nodes)
		query := wire.Message{Kind: wire.Query, Method: wire.GetPeers, T: []byte("abcd"), ID: make([]byte, 20), InfoHash: make([]byte, 20)}
		out := r.appendTo(nil, query.Append(nil))
		var m wire.Message
		require.NoError(t, wire.Parse(out, &m))
		require.Equal(t, wire.Response, m.Kind)
		require.Equal(t, "abcd", string(m.T))
		require.NotEmpty(t, m.Token)
		require.Len(t, m.Nodes, nodes*wire.CompactNode4)
	}
	require.Empty(t, newReply(8).appendTo(nil, []byte("1:y1:qe")))
}
