package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

var infohash = []byte("an info_hash of ours")

// TestConversation speaks all of BEP 5 with the command, and finds it again in the metrics.
func TestConversation(t *testing.T) {
	for _, backend := range backends {
		for _, ip := range []string{"127.0.0.1", "::1"} {
			t.Run(backend+" "+ip, func(t *testing.T) {
				needAddress(t, ip)
				p := start(t, "--io", backend, "--listen", netip.AddrPortFrom(netip.MustParseAddr(ip), 0).String())
				converse(t, p, newPeer(t, ip))
				p.stopped()
			})
		}
	}
}

func converse(t *testing.T, p *process, q *peer) {
	to := p.listen[0]
	ask := func(m wire.Message) *wire.Message {
		t.Helper()
		reply, from := q.ask(to, m)
		require.Equal(t, to, from, "answers come from where the query went")
		return reply
	}

	pong := ask(wire.Message{Method: wire.Ping})
	require.Equal(t, wire.Response, pong.Kind)
	require.Equal(t, p.id, fmt.Sprintf("%x", pong.ID))
	require.Equal(t, compact(q.addr()), pong.IP)
	require.Equal(t, clientVersion[:], pong.Version)

	found := ask(wire.Message{Method: wire.FindNode, Target: q.id[:]})
	require.Equal(t, q.addr().Addr().Is4(), found.Nodes != nil, "n4 is what IPv4 asks for")
	require.Equal(t, q.addr().Addr().Is6(), found.Nodes6 != nil, "n6 is what IPv6 asks for")

	peers := ask(wire.Message{Method: wire.GetPeers, InfoHash: infohash})
	require.NotEmpty(t, peers.Token)
	require.Nil(t, peers.Values)

	announce := wire.Message{
		Method: wire.AnnouncePeer, InfoHash: infohash, Has: wire.HasPort, Port: 4242, Token: peers.Token,
	}
	require.Equal(t, wire.Response, ask(announce).Kind)
	announce.Token = []byte("guessed!")
	require.EqualValues(t, wire.CodeProtocol, ask(announce).Code)
	require.EqualValues(t, wire.CodeMethodUnknown, ask(wire.Message{Name: []byte("vote")}).Code)

	peers = ask(wire.Message{Method: wire.GetPeers, InfoHash: infohash})
	require.Equal(t, []netip.AddrPort{netip.AddrPortFrom(q.addr().Addr(), 4242)}, slices.Collect(peers.Peers()))

	q.send(to, []byte("rubbish"))
	p.awaitMetrics(map[string]float64{
		`supernode_queries_total{method="ping"}`:          1,
		`supernode_queries_total{method="find_node"}`:     1,
		`supernode_queries_total{method="get_peers"}`:     2,
		`supernode_queries_total{method="announce_peer"}`: 2,
		`supernode_queries_total{method="unknown"}`:       1,
		`supernode_replies_total`:                         5,
		`supernode_errors_total{code="203"}`:              1,
		`supernode_errors_total{code="204"}`:              1,
		`supernode_dropped_total{reason="malformed"}`:     1,
		`supernode_received_total`:                        8,
		`supernode_receive_batch_size_sum`:                8,
		`supernode_peers`:                                 1,
		`supernode_infohashes`:                            1,
	})
	m := p.metrics()
	require.Equal(t, m["supernode_own_queries_total"]+7, m["supernode_sent_total"])
	require.Positive(t, m["supernode_query_bytes_total"])
	require.LessOrEqual(t, m["supernode_reply_bytes_total"], 10*m["supernode_query_bytes_total"])
	require.Equal(t, m["supernode_reply_bytes_total"]/m["supernode_query_bytes_total"], m["supernode_amplification_ratio"])
}

// TestVerifies: who asks is asked back, and only who answers is handed out, to others.
func TestVerifies(t *testing.T) {
	for _, c := range []struct{ listen, silent, good, third, gauge string }{
		{"127.0.0.1:0", "127.0.0.2", "127.0.0.3", "127.0.0.4", `supernode_nodes{family="ipv4"}`},
		{"[::1]:0", "", "::1", "::1", `supernode_nodes{family="ipv6"}`}, // has but one loopback address
	} {
		t.Run(c.listen, func(t *testing.T) {
			needAddress(t, c.good)
			p := start(t, "--listen", c.listen)
			to := p.listen[0]
			if c.silent != "" {
				silent := newPeer(t, c.silent)
				silent.ask(to, wire.Message{Method: wire.Ping})
				silent.await(nil)
			}
			good := newPeer(t, c.good).alive()
			good.ask(to, wire.Message{Method: wire.Ping})
			if good.queries == 0 {
				good.await(nil)
			}
			p.awaitMetrics(map[string]float64{c.gauge: 1, "supernode_own_answers_total": 1})

			find := wire.Message{Method: wire.FindNode, Target: good.id[:]}
			found, _ := newPeer(t, c.third).ask(to, find)
			require.Equal(t, wire.AppendNode(nil, good.id, good.addr()), slices.Concat(found.Nodes, found.Nodes6))
			found, _ = good.ask(to, find)
			require.Empty(t, slices.Concat(found.Nodes, found.Nodes6), "its own address is no news to it")
			p.stopped()
		})
	}
}

// TestBootstrap: one node is told of the other, and both know each other.
func TestBootstrap(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			needAddress(t, ip)
			listen := net.JoinHostPort(ip, "0")
			first := start(t, "--listen", listen)
			second := start(t, "--listen", listen, "--bootstrap", first.listen[0].String())
			gauge := map[string]float64{`supernode_nodes{family="ipv4"}`: 1}
			if first.listen[0].Addr().Is6() {
				gauge = map[string]float64{`supernode_nodes{family="ipv6"}`: 1}
			}
			first.awaitMetrics(gauge)
			second.awaitMetrics(gauge)
			first.stopped()
			second.stopped()
		})
	}
}

// TestOneFamilyOnly: a node that listens on IPv4 alone hears of IPv6 addresses, from bootstrap names and from other
// nodes, and has no socket to ask them through.
func TestOneFamilyOnly(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			liar := newPeer(t, "127.0.0.2")
			liar.answer = func(*wire.Message) *wire.Message {
				elsewhere := netip.MustParseAddrPort("[::1]:9")
				return &wire.Message{
					Kind: wire.Response, ID: liar.id[:], Nodes6: wire.AppendNode(nil, wire.ID{1}, elsewhere),
				}
			}
			p := start(t, "--io", backend, "--bootstrap", "[::1]:9", "--bootstrap", liar.addr().String())
			liar.await(nil)
			p.awaitMetrics(map[string]float64{`supernode_nodes{family="ipv4"}`: 1})
			pong, _ := liar.ask(p.listen[0], wire.Message{Method: wire.Ping})
			require.Equal(t, wire.Response, pong.Kind)
			p.stopped()
		})
	}
}

// TestLoopbackIsPrivate: a node on all addresses talks to loopback addresses only if allowed to.
func TestLoopbackIsPrivate(t *testing.T) {
	p := start(t, "--listen", "0.0.0.0:0")
	q := newPeer(t, "127.0.0.1")
	query := wire.Message{Kind: wire.Query, Method: wire.Ping, T: []byte("aa"), ID: q.id[:]}
	q.send(netip.AddrPortFrom(q.addr().Addr(), p.listen[0].Port()), query.Append(nil))
	p.awaitMetrics(map[string]float64{`supernode_dropped_total{reason="source"}`: 1, `supernode_sent_total`: 0})
	p.stopped()
}

// TestWildcardAnswersFromTheAddressAsked: or NATs and askers would drop the answer.
func TestWildcardAnswersFromTheAddressAsked(t *testing.T) {
	if !slices.Contains(backends, "mmsg") {
		t.Skip("net cannot choose the source address")
	}
	needAddress(t, "::1")
	p := start(t, "--listen", "0.0.0.0:0", "--listen", "[::]:0", "--allow-private", "--io", "mmsg")
	require.Len(t, p.listen, 2)
	for _, asked := range []string{"127.0.0.1", "127.0.0.2", "127.3.2.1", "::1"} {
		to := netip.AddrPortFrom(netip.MustParseAddr(asked), p.listen[0].Port())
		if to.Addr().Is6() {
			to = netip.AddrPortFrom(to.Addr(), p.listen[1].Port())
		}
		q := newPeer(t, netip.MustParseAddr(asked).String())
		_, from := q.ask(to, wire.Message{Method: wire.Ping})
		require.Equal(t, to, from)
	}
	p.stopped()
}
