package main

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/dht"
	"supernode/dht/wire"
)

// TestOthersSayWhereWeAre lets as many nodes as it takes answer that they see the node at an address: it says so wherever
// it is asked, and its id follows from it.
func TestOthersSayWhereWeAre(t *testing.T) {
	needAddress(t, "127.0.0.2")
	external := netip.MustParseAddr("9.9.9.9")
	p := start(t, "--allow-private")
	before := p.id
	var last *peer
	for i := range 8 {
		last = newPeer(t, fmt.Sprintf("127.0.0.%d", 2+i))
		q := last
		q.answer = func(*wire.Message) *wire.Message {
			return &wire.Message{Kind: wire.Response, ID: q.id[:], IP: compact(netip.AddrPortFrom(external, 1))}
		}
		q.ask(p.listen[0], wire.Message{Method: wire.Ping})
		if q.queries == 0 {
			q.await(nil)
		}
	}
	p.awaitMetrics(map[string]float64{`supernode_external_address_info{address="9.9.9.9",family="ipv4"}`: 1})
	await(t, "the change being logged", func() bool { return p.logged("id changed to follow from our address") != nil })
	require.Equal(t, "9.9.9.9", p.logged("others agree on our address")["addr"])

	p.readHealth()
	require.NotEqual(t, before, p.id)
	require.Equal(t, p.id, p.logged("id changed to follow from our address")["id"])
	pong, _ := last.ask(p.listen[0], wire.Message{Method: wire.Ping})
	require.Equal(t, p.id, fmt.Sprintf("%x", pong.ID))
	require.Equal(t, wire.ID(pong.ID), dht.SecureID(wire.ID(pong.ID), external))
	_, page := p.get("/")
	require.Contains(t, page, "<td>9.9.9.9<br></td>")
	p.stopped()
}

// TestEnforceBEP42: the flag reaches the node. On loopback, where processes are tested, no id is wrong.
func TestEnforceBEP42(t *testing.T) {
	for _, enforce := range []bool{false, true} {
		n, err := newNode(&config{options: options{enforceBEP42: enforce}}, nil, site{}, nil)
		require.NoError(t, err)
		src := netip.MustParseAddrPort("9.9.9.9:6881")
		compliant := dht.SecureID(wire.ID{19: 1}, src.Addr())
		stray := compliant
		stray[0] ^= 0xff
		for id, token := range map[wire.ID]bool{compliant: true, stray: !enforce} {
			q := wire.Message{Kind: wire.Query, Method: wire.GetPeers, T: []byte("aa"), ID: id[:], InfoHash: infohash}
			out, _ := n.Handle(0, src, q.Append(nil), nil)
			var r wire.Message
			require.NoError(t, wire.Parse(out, &r))
			require.Equal(t, token, len(r.Token) > 0, "enforce %v, id %x", enforce, id)
		}
	}
}
