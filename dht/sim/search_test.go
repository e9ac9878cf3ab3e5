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

// search runs one to its end.
func search(t *testing.T, h *Host, s dht.Search) (r dht.Result, peers []netip.AddrPort) {
	t.Helper()
	done := 0
	s.Done = func(result dht.Result) { r = result; done++ }
	s.Peer = func(a netip.AddrPort) { peers = append(peers, a) }
	require.NoError(t, h.Search(s))
	h.network.Run(2 * time.Minute)
	require.Equal(t, 1, done, "calls of Done")
	return r, peers
}

// nearest are the K hosts nearest to target, but for one, on the whole network.
func nearest(hosts []*Host, target wire.ID, but *Host) []netip.AddrPort {
	distance := func(h *Host) (d wire.ID) {
		id := h.Node.ID()
		for i := range d {
			d[i] = id[i] ^ target[i]
		}
		return d
	}
	all := slices.DeleteFunc(slices.Clone(hosts), func(h *Host) bool { return h == but })
	slices.SortFunc(all, func(a, b *Host) int {
		da, db := distance(a), distance(b)
		return slices.Compare(da[:], db[:])
	})
	var addrs []netip.AddrPort
	for _, h := range all[:dht.K] {
		addrs = append(addrs, h.Addr)
	}
	return addrs
}

// TestSearch announces at one host and finds that at another, in networks good and bad.
func TestSearch(t *testing.T) {
	lossy := internet
	lossy.Loss = 0.1
	for name, c := range map[string]struct {
		network Config
		addr    func(int) netip.AddrPort
		nat     bool // both are behind one
		exact   int  // of the K nearest, how many must have been found at least
	}{
		"IPv4": {internet, Addr4, false, dht.K}, "IPv6": {internet, Addr6, false, dht.K},
		"loss": {lossy, Addr4, false, dht.K/2 - 1}, "NAT": {internet, Addr4, true, dht.K},
	} {
		t.Run(name, func(t *testing.T) {
			n, hosts := swarm(t, c.network, 200, c.addr)
			n.Run(checkPeriod / 3)
			for i := range 4 {
				provider, seeker := hosts[20+i], hosts[120+i]
				if c.nat {
					provider.BehindNAT()
					seeker.BehindNAT()
					n.Run(time.Second)
				}
				target := wire.ID{byte(i * 50), 1}
				r, peers := search(t, provider, dht.Search{
					Method: wire.GetPeers, Target: target, Announce: &dht.Announce{Port: 4321},
				})
				require.Empty(t, peers)
				require.GreaterOrEqual(t, len(r.Closest), c.exact)
				require.Len(t, r.Closest, r.Offered)
				require.GreaterOrEqual(t, r.Stored, c.exact)
				found := 0
				for _, a := range nearest(hosts, target, provider) {
					if slices.ContainsFunc(r.Closest, func(r dht.Responder) bool { return r.Addr == a }) {
						found++
					}
				}
				if !c.nat { // who is behind a NAT is not found, and the next one takes its place
					require.GreaterOrEqual(t, found, c.exact, "of the nearest")
				}
				r, peers = search(t, seeker, dht.Search{Method: wire.GetPeers, Target: target})
				require.Equal(t, []netip.AddrPort{netip.AddrPortFrom(provider.Addr.Addr(), 4321)}, peers)
				require.Equal(t, 1, r.Peers)
				require.Positive(t, r.Hops)
				require.LessOrEqual(t, r.Answered, r.Asked)
				require.Less(t, r.Asked, 60)
				t.Logf("%d hops, %d queries, %d answers", r.Hops, r.Asked, r.Answered)
			}
		})
	}
}

// TestNewcomer searches before anything else: a lookup finds its way from the bootstrap addresses alone.
func TestNewcomer(t *testing.T) {
	n, hosts := swarm(t, internet, 200, Addr4)
	n.Run(checkPeriod / 3)
	target := wire.ID{200}
	search(t, hosts[7], dht.Search{Method: wire.GetPeers, Target: target, Announce: &dht.Announce{Implied: true}})
	h, err := n.Join(Addr4(1000), config)
	require.NoError(t, err)
	h.BehindNAT()
	h.Node.Bootstrap(n.Now(), Addr4(999), hosts[5].Addr) // one of them is not there
	r, peers := search(t, h, dht.Search{Method: wire.GetPeers, Target: target})
	require.Equal(t, []netip.AddrPort{hosts[7].Addr}, peers)
	require.Len(t, r.Closest, dht.K)
	require.Equal(t, 2, r.Hops)

	r, peers = search(t, h, dht.Search{Method: wire.GetPeers, Target: target, Want: wire.Want6})
	require.Empty(t, peers)
	require.Equal(t, dht.Result{}, r, "nobody is known over IPv6")
}

// TestBlackout takes the whole network away for two hours: when it is back everyone still knows everyone.
func TestBlackout(t *testing.T) {
	n, hosts := swarm(t, internet, 60, Addr4)
	n.Run(checkPeriod)
	know := func() (count int) {
		for _, h := range hosts {
			count += nodes(h)
		}
		return count
	}
	before := know()
	require.Greater(t, before, 60*50)
	n.config.Loss = 1
	n.Run(2 * time.Hour)
	require.Equal(t, before, know(), "in the dark")
	n.config.Loss = 0
	n.Run(checkPeriod)
	require.GreaterOrEqual(t, know(), before, "in the light again")
}

// TestLateBootstrap starts hosts before the one that all of them were told of.
func TestLateBootstrap(t *testing.T) {
	n := New(internet)
	var hosts []*Host
	for i := range 20 {
		h, err := n.Join(Addr4(1+i), config)
		require.NoError(t, err)
		h.Bootstrap(Addr4(0), Addr4(30))
		hosts = append(hosts, h)
	}
	n.Run(time.Hour)
	sent := n.Sent
	n.Run(time.Hour)
	require.LessOrEqual(t, n.Sent-sent, 20*2*(12+1), "who gets no answer asks every five minutes")
	_, err := n.Join(Addr4(0), config)
	require.NoError(t, err)
	n.Run(10 * time.Minute)
	for _, h := range hosts {
		require.GreaterOrEqual(t, nodes(h), 15)
	}
}
