package main

import (
	"bytes"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

// TestReply: what the null server says is a response that the generator takes for the answer to its query, with all that
// BEP 5 wants in it.
func TestReply(t *testing.T) {
	for nodes := range 9 {
		r := newReplies(nodes)
		for method, want := range map[wire.Method]wire.Message{
			wire.Ping:         {},
			wire.FindNode:     {Nodes: make([]byte, nodes*wire.CompactNode4)},
			wire.GetPeers:     {Nodes: make([]byte, nodes*wire.CompactNode4), Token: make([]byte, 8), Values: make([]byte, 8)},
			wire.AnnouncePeer: {},
		} {
			id := make([]byte, 20)
			query := wire.Message{Kind: wire.Query, Method: method, T: []byte("abcd"), ID: id, Target: id, InfoHash: id, Token: id, Has: wire.HasPort}
			var m wire.Message
			require.NoError(t, wire.Parse(r.appendTo(nil, query.Append(nil)), &m), method)
			require.Equal(t, wire.Response, m.Kind)
			require.Equal(t, "abcd", string(m.T))
			require.Len(t, m.ID, 20)
			require.Len(t, m.Nodes, len(want.Nodes), method)
			require.Len(t, m.Token, len(want.Token), method)
			require.Len(t, m.Values, len(want.Values), method)
		}
	}
}

func TestNoReply(t *testing.T) {
	for _, query := range []string{"", "1:y1:qe", "g1:t4:abc1:y1:qe", "d1:q4:what1:t4:abcd1:y1:qe"} {
		require.Equal(t, "before", string(newReplies(8).appendTo([]byte("before"), []byte(query))), query)
	}
}

// TestDNS: a query comes back as a response with the same id and question; what is no query does not come back, or two
// null servers would talk to each other for ever.
func TestDNS(t *testing.T) {
	answer := answers("dns", 0)
	query := append([]byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, "\x07example\x03org\x00\x00\x01\x00\x01"...)
	response := answer([]byte("before"), query)
	want := append([]byte("before"), query...)
	want[len("before")+2] = 0x81
	require.Equal(t, want, response)
	require.Empty(t, answer(nil, response[len("before"):]))
	require.Empty(t, answer(nil, query[:11]))
	require.Empty(t, answers("none", 0)(nil, query))
	require.Nil(t, answers("what", 0))
}

// A server that wastes nothing wastes nothing, and signals switch it on and off.
func TestWaste(t *testing.T) {
	var w waste
	require.NoError(t, w.each.Set("1x"))
	ended := make(chan struct{})
	defer close(ended)
	w.follow(ended)
	require.False(t, w.on.Load())
	for _, c := range []struct {
		signal syscall.Signal
		on     bool
	}{{syscall.SIGUSR1, true}, {syscall.SIGUSR1, true}, {syscall.SIGUSR2, false}, {syscall.SIGUSR1, true}} {
		require.NoError(t, syscall.Kill(os.Getpid(), c.signal))
		require.Eventually(t, func() bool { return w.on.Load() == c.on }, 10*time.Second, time.Millisecond)
		w.of(3)
	}
}

func TestUsage(t *testing.T) {
	var said bytes.Buffer
	require.ErrorContains(t, run([]string{"--burn", "much", "127.0.0.1:0"}, &said), "much")
	require.ErrorContains(t, run(nil, &said), "want null-server")
}
