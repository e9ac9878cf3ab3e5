package dht

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// TestHandleDoesNotAllocate budgets every method and every refusal.
func TestHandleDoesNotAllocate(t *testing.T) {
	n, swarms := full(t)
	few, many := swarms[1], swarms[swarmPeers]
	both := wire.Want4 | wire.Want6
	var token [tokenSize]byte
	src4, src6 := addr4(9000), addr6(9000)
	n.tokens.put(&token, 0, src4.Addr(), few[:])
	for name, in := range map[string][]byte{
		"ping":                encodeQuery(wire.Message{Method: wire.Ping}),
		"ping, read-only":     encodeQuery(wire.Message{Method: wire.Ping, ReadOnly: true}),
		"find_node":           encodeQuery(wire.Message{Method: wire.FindNode, Target: few[:], Want: both}),
		"get_peers, few":      encodeQuery(wire.Message{Method: wire.GetPeers, InfoHash: few[:], Want: both}),
		"get_peers, many":     encodeQuery(wire.Message{Method: wire.GetPeers, InfoHash: many[:]}),
		"announce_peer":       encodeQuery(wire.Message{Method: wire.AnnouncePeer, InfoHash: few[:], Token: token[:], ImpliedPort: true}),
		"announce_peer, 203":  encodeQuery(wire.Message{Method: wire.AnnouncePeer, InfoHash: few[:], Token: token[1:], ImpliedPort: true}),
		"find_node, 203":      encodeQuery(wire.Message{Method: wire.FindNode}),
		"unknown method":      encodeQuery(wire.Message{Name: []byte("vote"), Target: few[:]}),
		"unknown method, 204": encodeQuery(wire.Message{Name: []byte("vote")}),
		"no transaction":      encodeQuery(wire.Message{Method: wire.Ping, T: []byte{}}),
		"unsolicited":         []byte("d1:rd2:id20:aaaaaaaaaaaaaaaaaaaae1:t4:abcd1:y1:re"),
		"malformed":           []byte("d1:q4:ping"),
	} {
		buf := make([]byte, 0, 2048)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			n.Handle(0, src4, in, buf)
			n.Handle(0, src6, in, buf)
		}), name)
	}
}

// TestNewSourcesDoNotAllocate lets every query come from a host never seen before, each of which is a candidate
// for a ping.
func TestNewSourcesDoNotAllocate(t *testing.T) {
	n, swarms := full(t)
	infohash := swarms[30]
	in, buf := encodeQuery(wire.Message{Method: wire.GetPeers, InfoHash: infohash[:]}), make([]byte, 0, 2048)
	now, i := Instant(0), 1000
	require.Zero(t, testing.AllocsPerRun(5000, func() {
		now, i = now.Add(time.Millisecond), i+1
		n.Handle(now, addrOf(family(i%2), i), in, buf)
		for {
			if _, _, ok := n.Poll(now, buf); !ok {
				return
			}
		}
	}))
}

// TestPollDoesNotAllocate runs a node with all it does of its own accord: pings whose answers come or do not, nodes that
// are dropped and learned, peers that expire, a bootstrap that nobody answers.
func TestPollDoesNotAllocate(t *testing.T) {
	n, _ := full(t)
	n.Bootstrap(0, addr4(77777), addr6(77777))
	buf, reply := make([]byte, 0, 2048), make([]byte, 0, 2048)
	nodes := wire.AppendNode(nil, filledID(9), addr4(88888))
	now, sent, answered := Instant(0), 0, 0
	perTick := testing.AllocsPerRun(20*60, func() { // 20 minutes, a second each: several queries
		now = now.Add(time.Second)
		for {
			out, to, ok := n.Poll(now, buf)
			if !ok {
				return
			}
			var q wire.Message
			if wire.Parse(out, &q) != nil {
				t.Fatal("Poll sends what does not parse")
			}
			sent++
			if at, found, _ := n.tables[familyOf(to.Addr())].find(wire.AppendAddr(n.scratch.ip[:0], to)); found && sent%4 != 0 {
				id := wire.ID(n.tables[familyOf(to.Addr())].blob(at))
				binary.BigEndian.PutUint32(nodes[20:], 30<<24|uint32(sent)<<8|1)
				r := wire.Message{Kind: wire.Response, T: q.T, ID: id[:], Nodes: nodes}
				if _, o := n.Handle(now, to, r.Append(reply), buf[1024:1024]); o.Verdict == Accepted {
					answered++
				}
			}
		}
	})
	require.Zero(t, perTick)
	require.Greater(t, sent, 2*1200, "too little happened: what each query allocates would not show")
	require.Greater(t, answered, 800, "too little happened")
}
