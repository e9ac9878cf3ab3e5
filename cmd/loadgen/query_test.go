package main

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
	"supernode/internal/udp"
)

func TestQueriesAsTheyAreSent(t *testing.T) {
	e := newEncoder()
	id, operand := wire.ID([]byte("aaaaaaaaaaaaaaaaaaaa")), wire.ID([]byte("bbbbbbbbbbbbbbbbbbbb"))
	const seq = 0x30313233 // "0123"
	for method, want := range map[wire.Method]string{
		wire.Ping:     "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t4:01231:y1:qe",
		wire.FindNode: "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa6:target20:bbbbbbbbbbbbbbbbbbbbe1:q9:find_node1:t4:01231:y1:qe",
		wire.GetPeers: "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa9:info_hash20:bbbbbbbbbbbbbbbbbbbbe1:q9:get_peers1:t4:01231:y1:qe",
	} {
		require.Equal(t, "x"+want, string(e.query([]byte("x"), method, seq, &id, &operand)))
	}
	require.Equal(t,
		"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa12:implied_porti1e9:info_hash20:bbbbbbbbbbbbbbbbbbbb4:porti6881e5:token3:tute"+
			"1:q13:announce_peer1:t4:01231:y1:qe",
		string(e.announcePeer(nil, seq, &id, &operand, []byte("tut"), 6881)))
}

// What the target asks a flow is answered as a node would.
func TestServe(t *testing.T) {
	source4 := netip.MustParseAddrPort("127.0.0.1:6881")
	source6 := netip.MustParseAddrPort("[fd00::1]:6881")
	for _, tt := range []struct {
		name, query string
		source      netip.AddrPort
		nodes       bool
		nodes6      bool
		token       bool
		silent      bool
	}{
		{"ping", "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t1:x1:y1:qe", source4, false, false, false, false},
		{"find_node", "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q9:find_node1:t1:x1:y1:qe", source4, true, false, false, false},
		{"find_node over IPv6", "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q9:find_node1:t1:x1:y1:qe", source6, false, true, false, false},
		{"get_peers", "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q9:get_peers1:t1:x1:y1:qe", source4, true, false, true, false},
		{"something new", "d1:ade1:q5:novel1:t1:x1:y1:qe", source4, false, false, false, false},
		{"no t", "d1:ade1:q4:ping1:y1:qe", source4, false, false, false, true},
		{"long t", "d1:ade1:q4:ping1:t33:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx1:y1:qe", source4, false, false, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &engine{answers: udp.NewOutbox(batch), seed: 9, layout: &layout{}}
			require.NoError(t, wire.Parse([]byte(tt.query), &e.message))
			require.Equal(t, !tt.silent, e.serve(5, tt.source, netip.MustParseAddr("127.0.0.2")))
			if tt.silent {
				require.Zero(t, e.answers.Len())
				return
			}
			require.Equal(t, 1, e.answers.Len())
			var id wire.ID
			derive(&id, 9, kindFlow, 5)
			var m wire.Message
			require.NoError(t, wire.Parse(e.reply.Append(nil), &m))
			require.Equal(t, wire.Response, m.Kind)
			require.Equal(t, "x", string(m.T))
			require.Equal(t, id[:], m.ID)
			require.Equal(t, tt.source, wire.Addr(m.IP))
			require.Equal(t, tt.nodes, m.Nodes != nil)
			require.Equal(t, tt.nodes6, m.Nodes6 != nil)
			require.Equal(t, tt.token, m.Token != nil)
		})
	}
}
