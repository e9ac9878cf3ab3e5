package sim

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht"
	"supernode/dht/wire"
)

// sybil is host i of the one /24 that the attacker owns, and its id, which is right at target.
func sybil(target wire.ID, i int) (netip.AddrPort, wire.ID) {
	binary.BigEndian.PutUint16(target[18:], uint16(i))
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{166, 6, 6, byte(1 + i)}), 6881), target
}

// TestSybils: 60 hosts of one /24 with ids right at a target join 100 honest ones, and behave. Nobody is talked into
// naming more than two of them, and the honest node that is nearest to the target is found through everybody who
// knows it.
func TestSybils(t *testing.T) {
	n, honest := swarm(t, internet, 100, Addr4)
	n.Run(checkPeriod)
	nearest := honest[50]
	target := nearest.Node.ID()
	for i := range 60 {
		addr, id := sybil(target, i)
		c := config
		c.ID = id
		h, err := n.Join(addr, c)
		require.NoError(t, err)
		h.Bootstrap(honest[0].Addr, nearest.Addr)
	}
	n.Run(2 * checkPeriod)
	total, found := 0, 0
	for _, h := range honest {
		sybils, named := 0, names(t, h, target)
		require.Len(t, named, dht.K)
		for addr := range named {
			if addr.Addr().As4()[0] == 166 {
				sybils++
			}
		}
		require.LessOrEqual(t, sybils, 2, "named by %v", h.Addr)
		total += sybils
		if _, ok := named[nearest.Addr]; ok {
			found++
		}
	}
	require.Greater(t, total, len(honest), "the attack was to have some success")
	require.Greater(t, found, len(honest)/2)
	t.Logf("of %d names each, the attacker has %.1f; %d of %d name the honest node at the target",
		dht.K, float64(total)/float64(len(honest)), found, len(honest))
}

// TestEverybodyAtOneVictim forges queries from one victim, under all its ports, to every host, 30 minutes long. Each
// forged query gets its one reply there; beyond that a host asks the victim no more than once a minute.
func TestEverybodyAtOneVictim(t *testing.T) {
	n, hosts := swarm(t, internet, 50, Addr4)
	n.Run(checkPeriod)
	victim := netip.MustParseAddr("8.8.8.8")
	forgeries, replies, queries := 0, 0, map[netip.AddrPort]int{}
	n.Tap = func(_ dht.Instant, from, to netip.AddrPort, payload []byte) {
		var m wire.Message
		require.NoError(t, wire.Parse(payload, &m))
		switch {
		case to.Addr() != victim:
		case m.Kind == wire.Query:
			queries[from]++
		default:
			replies++
		}
	}
	id := make([]byte, 20)
	for range 30 * 60 {
		for _, h := range hosts {
			q := wire.Message{Kind: wire.Query, Method: wire.Ping, T: []byte("aa"), ID: id}
			src := netip.AddrPortFrom(victim, uint16(1+forgeries%65535))
			reply, o := h.Node.Handle(n.now, src, q.Append(nil), nil)
			require.Equal(t, dht.Answered, o.Verdict)
			n.send(h, src, reply)
			h.speak()
			forgeries++
		}
		n.Run(time.Second)
	}
	require.Equal(t, forgeries, replies)
	require.Len(t, queries, len(hosts))
	for from, count := range queries {
		require.LessOrEqual(t, count, 30, "queries of %v", from)
	}
}
