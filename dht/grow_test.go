package dht

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// wide is an internet of so many nodes, of which one's neighbours are known without asking: the ids are spread evenly,
// and so a node's nearest are those numbered next to it.
type wide struct{ count int }

func (w wide) id(i int) (id wire.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(i)*(1<<63/uint64(w.count)*2))
	id[19] = 1
	return id
}

func (w wide) near(target []byte, number int) (nodes []byte) {
	first := int(binary.BigEndian.Uint64(target)/(1<<63/uint64(w.count)*2)) - number/2
	for i := range number {
		n := (first + i + w.count) % w.count
		nodes = wire.AppendNode(nodes, w.id(n), addr4(n))
	}
	return nodes
}

func (w wide) number(a netip.AddrPort) int {
	b := a.Addr().As4()
	return int(b[0]-20)<<16 | int(b[1])<<8 | int(b[2])
}

// TestTableGrows lets a node find most of the network by itself, at a bounded pace, evenly, and rest when it is full.
func TestTableGrows(t *testing.T) {
	const limit = 4000
	net := wide{20_000}
	n := newNode(t, Config{MaxNodes: limit})
	n.Bootstrap(0, addr4(1))
	perSecond, targets := map[Instant]int{}, [16]int{}
	now, full := Instant(0), Instant(0)
	for ; now < Instant(time.Hour); now = n.NextWake() {
		for _, q := range drain(t, n, now) {
			var r wire.Message
			if q.m.Method == wire.FindNode {
				r.Nodes = net.near(q.m.Target, K)
				if now > Instant(10*time.Second) && wire.ID(q.m.Target) != n.id {
					perSecond[now/Instant(time.Second)]++
					targets[q.m.Target[0]>>4]++
					require.Zero(t, full, "asked for more although the table is full")
				}
			}
			answer(n, now, q, net.id(net.number(q.to)), r)
		}
		if full == 0 && n.Counts().Nodes4 >= limit {
			full = now
		}
	}
	require.NotZero(t, full, "%d nodes in an hour", n.Counts().Nodes4)
	for second, count := range perSecond {
		require.LessOrEqual(t, count, int(time.Second/growPause)+1, "queries in second %d", second)
	}
	least, most := targets[0], targets[0]
	for _, count := range targets {
		least, most = min(least, count), max(most, count)
	}
	require.Greater(t, least, 0)
	require.LessOrEqual(t, most, 2*least+10, "queries by region of the id space: %v", targets)
	t.Logf("full after %v; by region: %v", time.Duration(full), targets)
}

// TestGrowthRests: in a small network that has no more to offer, questions for more become rare.
func TestGrowthRests(t *testing.T) {
	net := wide{100}
	n := newNode(t, Config{})
	n.Bootstrap(0, addr4(1))
	asked := [120]int{}
	for now := Instant(0); now < Instant(2*time.Hour); now = n.NextWake() {
		for _, q := range drain(t, n, now) {
			var r wire.Message
			if q.m.Method == wire.FindNode {
				r.Nodes = net.near(q.m.Target, K)
			}
			if q.m.Method == wire.FindNode && wire.ID(q.m.Target) != n.id {
				asked[now/Instant(time.Minute)]++
			}
			answer(n, now, q, net.id(net.number(q.to)), r)
		}
	}
	require.Equal(t, 100, n.Counts().Nodes4)
	for minute, count := range asked[60:] { // pings of so few are find_node, too: seven a minute
		require.LessOrEqual(t, count, 16, "in minute %d of %v", minute, asked)
	}
}

// TestRefresh looks up the own id every fifteen minutes.
func TestRefresh(t *testing.T) {
	for _, start := range starts {
		n := crowd(t, 500, start)
		n.tables[v4].limit = 1
		var at []Instant
		for _, q := range runAnswered(t, n, start, start+4*refreshPeriod+Instant(time.Minute)) {
			if q.m.Method == wire.FindNode {
				require.Equal(t, n.id[:], q.m.Target)
				if len(at) == 0 || q.at > at[len(at)-1].Add(time.Minute) {
					at = append(at, q.at)
				}
			}
		}
		require.Len(t, at, 4)
		for i := range at {
			require.InDelta(t, float64(refreshPeriod)*float64(i+1), float64(at[i]-start), float64(time.Second))
		}
	}
}

// TestChecksOfAMillion counts the pings of a full table in each second of a quarter of an hour.
func TestChecksOfAMillion(t *testing.T) {
	nodes := DefaultMaxNodes
	if testing.Short() {
		nodes = 200_000
	}
	n := newNode(t, Config{MaxNodes: nodes})
	rng := rand.NewChaCha8([32]byte{9})
	table := n.tables[v4]
	for i := 0; table.count < nodes; i++ {
		var id wire.ID
		rng.Read(id[:])
		var a compactAddr
		ip := netip.AddrFrom4([4]byte{20 + byte(i>>16), byte(i >> 8), byte(i), byte(i >> 20)})
		table.answered(&id, wire.AppendAddr(a[:0], netip.AddrPortFrom(ip, 1)), 0)
		require.Less(t, i, 8*nodes/7)
	}
	const seconds = 900
	perSecond := [seconds + 1]int{}
	buf, reply := make([]byte, 0, 256), make([]byte, 0, 256)
	start := Instant(freshSeconds) * Instant(time.Second)
	n.Poll(start, buf) // what became due before is not what is counted
	for now := start; now < start+seconds*Instant(time.Second); now = n.NextWake() {
		for {
			out, to, ok := n.Poll(now, buf)
			if !ok {
				break
			}
			var q wire.Message
			if err := wire.Parse(out, &q); err != nil {
				t.Fatal(err)
			}
			perSecond[(now-start)/Instant(time.Second)]++
			at, found, _ := table.find(wire.AppendAddr(n.scratch.ip[:0], to))
			if !found {
				t.Fatalf("%v is asked and not in the table", to)
			}
			id := wire.ID(table.blob(at))
			n.Handle(now, to, (&wire.Message{Kind: wire.Response, T: q.T, ID: id[:]}).Append(reply), buf)
		}
	}
	require.Equal(t, nodes, table.count)
	least, most, total := nodes, 0, 0
	for _, count := range perSecond[120:seconds] { // catching up with the time before the start
		least, most, total = min(least, count), max(most, count), total+count
	}
	limit := 1200 * nodes / DefaultMaxNodes
	require.LessOrEqual(t, most, limit, "pings in one second")
	require.GreaterOrEqual(t, least, limit*4/5)
	require.InDelta(t, float64(nodes)/seconds, float64(total)/(seconds-120), float64(nodes)/seconds/50)
	t.Logf("%d nodes: %d to %d pings a second", nodes, least, most)
}

// TestBootstrapOfARestoredTable begins with the nodes that are there.
func TestBootstrapOfARestoredTable(t *testing.T) {
	n := crowd(t, 500, 0)
	n.Bootstrap(0, addr4(5000))
	queries := drain(t, n, 0)
	require.Len(t, queries, lookupParallel)
	for _, q := range queries {
		require.Equal(t, n.id[:], q.m.Target)
		require.NotEqual(t, addr4(5000), q.to)
	}
}
