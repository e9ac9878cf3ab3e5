package sim

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht"
	"supernode/dht/wire"
)

// tell hands a client a query from a stranger past the network and returns its answer. The query is read-only and
// leaves no trace.
func tell(t *testing.T, h *Host, src netip.AddrPort, q wire.Message) (r wire.Message) {
	q.Kind, q.T, q.ReadOnly = wire.Query, []byte("tell"), true
	out, _ := h.Client.Handle(h.network.now, src, q.Append(nil), nil)
	require.NoError(t, wire.Parse(out, &r))
	require.Equal(t, "tell", string(r.T))
	return r
}

func TestClientAnswers(t *testing.T) {
	n := New(Config{})
	h, err := n.JoinClient(Addr4(1))
	require.NoError(t, err)
	id, infohash := make([]byte, 20), []byte("an info_hash is this")
	asker, port := Addr4(2), netip.AddrPortFrom(Addr4(2).Addr(), 7000)

	require.Equal(t, h.ID(), wire.ID(tell(t, h, asker, wire.Message{Method: wire.Ping, ID: id}).ID))
	for name, q := range map[string]wire.Message{
		"no id":        {Method: wire.Ping},
		"no target":    {Method: wire.FindNode, ID: id},
		"no info_hash": {Method: wire.GetPeers, ID: id},
		"unknown":      {Name: []byte("vote"), ID: id},
		"no token":     {Method: wire.AnnouncePeer, ID: id, InfoHash: infohash, Port: 7000, Has: wire.HasPort},
	} {
		require.Equal(t, wire.Error, tell(t, h, asker, q).Kind, name)
	}
	r := tell(t, h, asker, wire.Message{Method: wire.GetPeers, ID: id, InfoHash: infohash})
	require.Empty(t, r.Values)
	announce := wire.Message{Method: wire.AnnouncePeer, ID: id, InfoHash: infohash, Port: 7000, Has: wire.HasPort, Token: r.Token}
	require.Equal(t, wire.Error, tell(t, h, Addr4(3), announce).Kind, "a token is for one address")
	require.Equal(t, wire.Response, tell(t, h, asker, announce).Kind)
	n.Run(5 * time.Minute)
	require.Equal(t, wire.Response, tell(t, h, asker, announce).Kind, "a token is good for five minutes")
	r = tell(t, h, Addr4(3), wire.Message{Method: wire.GetPeers, ID: id, InfoHash: infohash})
	require.Equal(t, []netip.AddrPort{port}, slices.Collect(r.Peers()))
	n.Run(10 * time.Minute)
	require.Equal(t, wire.Error, tell(t, h, asker, announce).Kind, "and not for ten")
	require.Equal(t, 1, h.Client.Peers())
	n.Run(21 * time.Minute)
	require.Zero(t, h.Client.Peers(), "a peer is forgotten after half an hour")
}

// TestClientLookup compares what lookups find with what is there.
func TestClientLookup(t *testing.T) {
	n := New(internet)
	var hosts []*Host
	for i := range 300 {
		h, err := n.JoinClient(Addr4(i))
		require.NoError(t, err)
		if i > 0 {
			h.Bootstrap(Addr4(0))
		}
		hosts = append(hosts, h)
		n.Run(100 * time.Millisecond)
	}
	n.Run(20 * time.Minute)
	for i := range 50 {
		searcher := hosts[i]
		target := hosts[299-i].ID()
		target[19] ^= 1
		want := slices.Clone(hosts)
		slices.SortFunc(want, func(a, b *Host) int {
			x, y := a.ID(), b.ID()
			if high(&x)^high(&target) < high(&y)^high(&target) {
				return -1
			}
			return 1
		})
		var found []wire.ID
		done := false
		searcher.Start(&Lookup{Target: target, Method: wire.FindNode, Done: func(l *Lookup) {
			done = true
			for c := range l.closest {
				found = append(found, c.id)
			}
			require.GreaterOrEqual(t, l.Answered, dht.K)
			require.Equal(t, l.Asked, l.Answered, "nothing was lost")
		}})
		n.Run(10 * time.Second)
		require.True(t, done)
		wanted := 0
		for _, h := range want[:dht.K] {
			if h == searcher || slices.Contains(found, h.ID()) {
				wanted++
			}
		}
		require.Equal(t, want[0].ID(), found[0], "the closest node was not found")
		require.GreaterOrEqual(t, wanted, dht.K-1, "of the %d closest nodes", dht.K)
	}
}

// TestClientAlone is about one who reaches nobody: lookups end, and it goes on trying.
func TestClientAlone(t *testing.T) {
	n := New(Config{})
	h, err := n.JoinClient(Addr4(1))
	require.NoError(t, err)
	h.Bootstrap(Addr4(2))
	done := 0
	h.Start(&Lookup{Method: wire.FindNode, Done: func(*Lookup) { done++ }})
	require.Equal(t, 1, done, "there is nobody to ask")
	h.Start(&Lookup{Method: wire.GetPeers, Announce: 1, First: []Contact{{Addr: Addr4(2)}}, Done: func(l *Lookup) {
		require.Equal(t, 1, l.Asked)
		require.Zero(t, l.Answered)
		require.Equal(t, patience, l.Took)
		done++
	}})
	n.Run(time.Minute)
	require.Equal(t, 2, done)
	router, err := n.JoinClient(Addr4(2))
	require.NoError(t, err)
	n.Run(time.Minute)
	require.Equal(t, 1, router.Client.Nodes(), "it asked, and the bootstrap node pinged it")

	_, err = n.JoinClient(Addr6(1))
	require.ErrorContains(t, err, "IPv4")
	_, err = n.JoinClient(Addr4(1))
	require.ErrorContains(t, err, "taken")
}

func TestNATForgets(t *testing.T) {
	n := New(Config{})
	h, err := n.JoinClient(Addr4(1))
	require.NoError(t, err)
	h.BehindNAT()
	for i := range 100_000 {
		h.open(n.now, Addr4(2+i%5000))
		n.Run(time.Second)
	}
	require.Less(t, len(h.nat), 500, "addresses remembered")
	require.True(t, h.admits(n.now, Addr4(2+99_999%5000)))
}
