package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"supernode/dht/wire"
)

func TestJudge(t *testing.T) {
	id, node := bytes.Repeat([]byte{'i'}, 20), bytes.Repeat([]byte{'n'}, 26)
	const peer4, peer6 = "6:1234ab", "18:0123456789abcdefpp"
	for _, tt := range []struct {
		name         string
		body         string // of "r"
		good         string // the methods that it is a good answer to
		nodes, peers int
	}{
		{"nothing but an id", "2:id20:" + string(id), "ping announce_peer", 0, 0},
		{"no id", "5:token1:t", "", 0, 0},
		{"a short id", "2:id19:" + string(id[1:]) + "5:nodes0:", "", 0, 0},
		{"no nodes known", "2:id20:" + string(id) + "5:nodes0:", "ping announce_peer find_node", 0, 0},
		{"one node", "2:id20:" + string(id) + "5:nodes26:" + string(node), "ping announce_peer find_node", 1, 0},
		{"a part of a node", "2:id20:" + string(id) + "5:nodes25:" + string(node[1:]), "ping announce_peer", 0, 0},
		{"a node of IPv6", "2:id20:" + string(id) + "6:nodes638:" + string(node) + "123456789abc", "ping announce_peer find_node", 1, 0},
		{"half a node of IPv6", "2:id20:" + string(id) + "6:nodes626:" + string(node), "ping announce_peer", 0, 0},
		{"nodes and a token", "2:id20:" + string(id) + "5:nodes0:5:token1:t", "ping announce_peer find_node get_peers", 0, 0},
		{"an empty token", "2:id20:" + string(id) + "5:nodes0:5:token0:", "ping announce_peer find_node", 0, 0},
		{"peers", "2:id20:" + string(id) + "5:token1:t6:valuesl" + peer4 + peer6 + peer4 + "e", "ping announce_peer get_peers", 0, 3},
		{"a peer of no length", "2:id20:" + string(id) + "5:token1:t6:valuesl" + peer4 + "5:12345e", "", 0, 1},
		{"a token alone", "2:id20:" + string(id) + "5:token1:t", "ping announce_peer", 0, 0},
	} {
		var m wire.Message
		require.NoError(t, wire.Parse([]byte("d1:rd"+tt.body+"e1:t1:t1:y1:re"), &m), tt.name)
		for _, method := range mixMethods {
			nodes, peers, wrong := judge(method, &m)
			require.Equal(t, !bytes.Contains([]byte(" "+tt.good+" "), []byte(" "+method.String()+" ")), wrong, "%s, as answer to %s", tt.name, method)
			require.Equal(t, tt.nodes, nodes, tt.name)
			require.Equal(t, tt.peers, peers, tt.name)
		}
	}
	for _, method := range mixMethods {
		_, _, wrong := judge(method, &wire.Message{Kind: wire.Error, ID: id, Nodes: node, Token: id})
		require.True(t, wrong, "an error")
	}
}

// countPeers counts what wire.Message.Peers finds, as long as there is nothing else.
func TestCountPeers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var values []byte
		all := true
		n := 0
		for _, size := range rapid.SliceOf(rapid.SampledFrom([]int{6, 6, 6, 18, 18, 5, 0, 60})).Draw(t, "sizes") {
			values = append(values, []byte(map[int]string{6: "6:", 18: "18:", 5: "5:", 0: "0:", 60: "60:"}[size])...)
			values = append(values, rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "peer")...)
			all = all && (size == 6 || size == 18)
			n++
		}
		got, regular := countPeers(values)
		if regular != all || all && got != n {
			t.Fatalf("%d peers, regular %v, instead of %d, %v: %q", got, regular, n, all, values)
		}
	})
}

func TestQuantile(t *testing.T) {
	counts := make([]uint32, 100)
	require.Zero(t, quantile(counts, 0.5))
	counts[7] = 1
	require.Equal(t, 7, quantile(counts, 0.5))
	require.Equal(t, 7, quantile(counts, 0.99))
	counts[20] = 98
	counts[99] = 1
	require.Equal(t, 20, quantile(counts, 0.5))
	require.Equal(t, 20, quantile(counts, 0.99))
	counts[99] = 2
	require.Equal(t, 99, quantile(counts, 0.99))
}

// What does not fit counts as the largest there is.
func TestReplyTallyIsBounded(t *testing.T) {
	var r replyTally
	r.add(1<<20, 1<<20, 1<<20, true)
	require.Equal(t, replyCount{maxReplyBytes, maxReplyBytes, maxReplyNodes, maxReplyPeers, 1}, r.count())
}

// The result tells the replies of each method, and which were wrong.
func TestRepliesAreJudged(t *testing.T) {
	t.Parallel()
	wrong := map[string]uint64{}
	r := startResponder(t, func(r *responder, n int, q seen) {
		m := wire.Message{Kind: wire.Response, T: q.m.T, ID: responderID}
		switch q.m.Method {
		case wire.FindNode:
			m.Nodes = make([]byte, 8*wire.CompactNode4)
			if n%4 == 0 {
				m.Nodes = nil
				wrong["find_node"]++
			}
		case wire.GetPeers:
			m.Nodes, m.Token = []byte{}, []byte("token")
			for range 3 {
				m.Values = wire.AppendPeer(m.Values, q.from)
			}
			if n%3 == 0 {
				m.Token = nil
				wrong["get_peers"]++
			}
		case wire.Ping:
			if n%5 == 0 {
				m = wire.Message{Kind: wire.Error, T: q.m.T, Code: 201, Text: []byte("no")}
				wrong["ping"]++
			}
		}
		r.send(m.Append(nil), q.from)
	})
	got := measure(t, r.addr.String())
	r.stop()
	require.Equal(t, got.Sent, got.Answered)
	require.Len(t, got.Replies, 4)
	for _, method := range []string{"ping", "find_node", "get_peers", "announce_peer"} {
		require.Equal(t, wrong[method], got.Replies[method].Wrong, method)
	}
	require.NotZero(t, wrong["find_node"])
	require.NotZero(t, wrong["get_peers"])
	require.Equal(t, 8, got.Replies["find_node"].NodesP50)
	require.Equal(t, 3, got.Replies["get_peers"].PeersP50)
	const ping = "d1:rd2:id20:aaaaaaaaaaaaaaaaaaaae1:t4:tttt1:y1:re"
	require.Equal(t, len(ping), got.Replies["ping"].BytesP50)
	require.Equal(t, len(ping), got.Replies["announce_peer"].BytesP99)
}

// Replies of many frames are read, and what is longer still is told apart from what never came.
func TestLongReplies(t *testing.T) {
	t.Parallel()
	tooLong := uint64(0)
	r := startResponder(t, func(r *responder, n int, q seen) {
		m := wire.Message{Kind: wire.Response, T: q.m.T, ID: responderID, Nodes: make([]byte, 400*wire.CompactNode4)}
		if n%10 == 3 {
			m.Nodes = make([]byte, 500*wire.CompactNode4)
			tooLong++
		}
		r.send(m.Append(nil), q.from)
	})
	got := measure(t, "--mix", "find_node=1", r.addr.String())
	r.stop()
	require.Equal(t, 400, got.Replies["find_node"].NodesP50)
	require.NotZero(t, tooLong)
	require.Equal(t, malformedCount{TooLong: tooLong}, got.MalformedBy)
	require.Equal(t, tooLong, got.Malformed)
	require.Equal(t, tooLong, got.Lost)
	require.Equal(t, got.Sent-tooLong, got.Answered)
}
