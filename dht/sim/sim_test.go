package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht"
	"supernode/dht/wire"
)

// checkPeriod is how often package dht says that every node is pinged; forgotten is when a node that died right
// after an answer must be gone from everywhere: it may be passed over once, is asked twice, and both time out.
const (
	checkPeriod = 15 * time.Minute
	forgotten   = checkPeriod + checkPeriod/8 + 15*time.Second
)

var config = dht.Config{MaxNodes: 1000, MaxPeers: 100}

var internet = Config{Seed: 1, Delay: 20 * time.Millisecond, Jitter: 100 * time.Millisecond}

// swarm is a network of so many hosts that all were told of the first one only.
func swarm(tb testing.TB, c Config, hosts int, addr func(int) netip.AddrPort) (*Network, []*Host) {
	n := New(c)
	all := make([]*Host, hosts)
	for i := range all {
		h, err := n.Join(addr(i), config)
		require.NoError(tb, err)
		if i > 0 {
			h.Bootstrap(addr(0))
		}
		all[i] = h
		n.Run(100 * time.Millisecond)
	}
	return n, all
}

// names asks a host's node, past the network, for the nodes it would name closest to target. The question is
// read-only and leaves no trace.
func names(tb testing.TB, h *Host, target wire.ID) map[netip.AddrPort]wire.ID {
	q := wire.Message{
		Kind: wire.Query, Method: wire.FindNode, T: []byte("look"), ID: make([]byte, 20), Target: target[:],
		Want: wire.Want4 | wire.Want6, ReadOnly: true,
	}
	out, o := h.doors.Handle(h.network.now, Addr4(1<<21), q.Append(nil), nil)
	require.Equal(tb, dht.Answered, o.Verdict)
	var r wire.Message
	require.NoError(tb, wire.Parse(out, &r))
	named := map[netip.AddrPort]wire.ID{}
	for id, addr := range wire.NodeList(r.Nodes, wire.CompactNode4) {
		named[addr] = id
	}
	for id, addr := range wire.NodeList(r.Nodes6, wire.CompactNode6) {
		named[addr] = id
	}
	return named
}

// knows says whether the host's table holds the other: the one closest to its own id would be itself.
func knows(tb testing.TB, h, other *Host) bool {
	_, ok := names(tb, h, other.ID())[other.Addr]
	return ok
}

func nodes(h *Host) int { return h.Node.Counts().Nodes4 + h.Node.Counts().Nodes6 }

func TestTablesFill(t *testing.T) {
	for name, addr := range map[string]func(int) netip.AddrPort{"IPv4": Addr4, "IPv6": Addr6} {
		t.Run(name, func(t *testing.T) {
			n, hosts := swarm(t, internet, 300, addr)
			n.Run(2 * checkPeriod)
			ids := map[netip.AddrPort]wire.ID{}
			for _, h := range hosts {
				ids[h.Addr] = h.Node.ID()
			}
			least := len(hosts)
			for i, h := range hosts {
				least = min(least, nodes(h))
				named := names(t, h, hosts[(i*7+1)%len(hosts)].Node.ID())
				require.Len(t, named, dht.K)
				for a, id := range named {
					require.Equal(t, ids[a], id, "%v names what is not there", h.Addr)
					require.NotEqual(t, h.Addr, a, "a node names itself")
				}
			}
			require.Greater(t, least, 250, "nodes in the smallest table of %d hosts", len(hosts))
			t.Logf("smallest table: %d; %d datagrams", least, n.Sent)
		})
	}
}

func TestTheDeadAreForgotten(t *testing.T) {
	n, hosts := swarm(t, internet, 200, Addr4)
	n.Run(2 * checkPeriod)
	dead, alive := hosts[10:40], slices.Concat(hosts[:10], hosts[40:])
	known := 0
	for _, d := range dead {
		d.Leave()
		for _, h := range alive {
			if knows(t, h, d) {
				known++
			}
		}
	}
	require.Greater(t, known, len(dead)*len(alive)/2, "the dead were hardly known when they lived")
	n.Run(forgotten)
	for _, h := range alive {
		require.LessOrEqual(t, nodes(h), len(alive)-1)
		for _, d := range dead {
			require.False(t, knows(t, h, d), "%v still names %v, which is dead", h.Addr, d.Addr)
		}
		for _, a := range alive {
			for addr := range names(t, h, a.Node.ID()) {
				require.NotNil(t, n.hosts[addr])
			}
		}
	}
}

func TestPingsAreEven(t *testing.T) {
	n, hosts := swarm(t, internet, 300, Addr4)
	n.Run(2 * checkPeriod)
	const minutes = 30
	start, perMinute := n.now, [minutes]int{}
	n.Tap = func(now dht.Instant, from, _ netip.AddrPort, payload []byte) {
		var m wire.Message
		if from == hosts[100].Addr && wire.Parse(payload, &m) == nil && m.Kind == wire.Query {
			perMinute[(now-start)/dht.Instant(time.Minute)]++
		}
	}
	n.Run(minutes*time.Minute - 1)
	mean := float64(nodes(hosts[100])) / checkPeriod.Minutes()
	for minute, count := range perMinute {
		require.InDelta(t, mean, float64(count), mean*2/3, "queries in minute %d of %v", minute, perMinute)
	}
}

func TestLoss(t *testing.T) {
	lossy := internet
	lossy.Loss = 0.1
	n, hosts := swarm(t, lossy, 200, Addr4)
	n.Run(4 * checkPeriod)
	total := 0
	for _, h := range hosts {
		total += nodes(h)
	}
	require.Greater(t, total/len(hosts), 150, "nodes a table, when a tenth of all datagrams is lost")
	require.InDelta(t, 0.9, float64(n.Delivered)/float64(n.Sent), 0.01)
}

// TestNAT has hosts that can speak but hardly be spoken to. A ping right after their own query finds them, the next
// one, up to a period later, mostly does not: they are in and out of the tables of those they talk to.
func TestNAT(t *testing.T) {
	n, hosts := swarm(t, internet, 100, Addr4)
	var hidden []*Host
	for i := range 100 {
		h, err := n.Join(Addr4(1000+i), config)
		require.NoError(t, err)
		h.BehindNAT()
		h.Bootstrap(hosts[0].Addr)
		hidden = append(hidden, h)
	}
	n.Run(4 * checkPeriod)
	toHidden, fromHidden := 0, 0
	for _, h := range hosts {
		for _, other := range hidden {
			if knows(t, h, other) {
				toHidden++
			}
			if knows(t, other, h) {
				fromHidden++
			}
		}
	}
	pairs := len(hosts) * len(hidden)
	require.Greater(t, fromHidden, pairs*8/10, "hosts behind a NAT can use the network")
	require.Less(t, toHidden, pairs*7/10, "and are not much use to it")
	t.Logf("of %d pairs, %d reach in, %d out", pairs, toHidden, fromHidden)
}

func TestNATAdmits(t *testing.T) {
	n := New(Config{})
	h, err := n.Join(Addr4(1), config)
	require.NoError(t, err)
	h.BehindNAT()
	require.False(t, h.admits(n.now, Addr4(2)))
	n.send(h, Addr4(2), []byte("x"))
	require.True(t, h.admits(n.now, Addr4(2)))
	require.False(t, h.admits(n.now, Addr4(3)))
	require.False(t, h.admits(n.now, netip.AddrPortFrom(Addr4(2).Addr(), 1)))
	n.Run(natTimeout)
	require.False(t, h.admits(n.now, Addr4(2)))
}

// TestDeterminism runs the same network twice, and another one.
func TestDeterminism(t *testing.T) {
	digest := func(seed uint64) (sum [32]byte) {
		c := internet
		c.Seed, c.Loss = seed, 0.05
		n, _ := swarm(t, c, 40, Addr4)
		n.Tap = func(now dht.Instant, from, to netip.AddrPort, payload []byte) {
			b := binary.BigEndian.AppendUint64(sum[:], uint64(now))
			b = wire.AppendAddr(wire.AppendAddr(b, from), to)
			sum = sha256.Sum256(append(b, payload...))
		}
		n.Run(checkPeriod)
		require.NotZero(t, sum)
		return sum
	}
	require.Equal(t, digest(1), digest(1))
	require.NotEqual(t, digest(1), digest(2))
}

func TestJoin(t *testing.T) {
	n := New(Config{})
	h, err := n.Join(Addr4(1), config)
	require.NoError(t, err)
	_, err = n.Join(Addr4(1), config)
	require.ErrorContains(t, err, "taken")
	_, err = n.Join(Addr4(2), dht.Config{MaxNodes: -1})
	require.ErrorContains(t, err, "MaxNodes")
	h.Leave()
	_, err = n.Join(Addr4(1), config)
	require.NoError(t, err, "the address is free again")
	n.Run(time.Hour)
	require.Equal(t, dht.Instant(time.Hour), n.Now())
}

func TestQueue(t *testing.T) {
	var q queue
	rng := rand.New(rand.NewPCG(1, 2))
	made := map[*Host]entry{} // what each event's host stands for
	for i := range 2000 {
		e := entry{at: dht.Instant(rng.IntN(50)), order: uint64(i)}
		h := new(Host)
		made[h] = e
		q.push(e.at, event{host: h})
		if rng.IntN(4) == 0 {
			at, popped := q.pop()
			require.Equal(t, made[popped.host].at, at)
			delete(made, popped.host)
		}
	}
	require.Less(t, len(q.events), 2000, "places are used again")
	last := entry{at: -1}
	for len(q.heap) > 0 {
		at, popped := q.pop()
		e := made[popped.host]
		require.Equal(t, e.at, at)
		require.True(t, last.before(&e))
		delete(made, popped.host)
		last = e
	}
	require.Empty(t, made)
}

// BenchmarkNetwork is a quarter of an hour of 500 hosts that know each other, for each iteration.
func BenchmarkNetwork(b *testing.B) {
	n, _ := swarm(b, internet, 500, Addr4)
	n.Run(checkPeriod)
	n.Delivered = 0
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		n.Run(checkPeriod)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n.Delivered), "ns/datagram")
}
