package dht

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// crowd is a node with so many others in its table, whose ids are spread evenly, last seen at now.
func crowd(tb testing.TB, nodes int, now Instant) *Node {
	n := newNode(tb, Config{MaxNodes: 20_000, Start: now})
	rng := rand.NewChaCha8([32]byte{9})
	for i := range nodes {
		var id wire.ID
		rng.Read(id[:])
		hold(tb, n, id, addr4(i), now)
	}
	return n
}

// runAnswered is run, with everyone asked answering at once.
func runAnswered(tb testing.TB, n *Node, now, end Instant) (queries []sentQuery) {
	tb.Helper()
	for ; now < end; now = n.NextWake() {
		for _, q := range drain(tb, n, now) {
			if at, found, _ := n.tables[v4].find(compact(q.to)); found {
				require.Equal(tb, Accepted, answer(n, now, q, wire.ID(n.tables[v4].blob(at)), wire.Message{}).Verdict)
			}
			queries = append(queries, q)
		}
	}
	return queries
}

func TestChecksAreEven(t *testing.T) {
	for _, start := range starts {
		const nodes = 4500 // five a second
		n := crowd(t, nodes, start)
		n.tables[v4].limit = nodes // it is full: nobody is asked for more
		queries := runAnswered(t, n, start, start+4*checkPeriod)
		require.Equal(t, nodes, n.tables[v4].count)
		perMinute, last := make([]int, 60), map[netip.AddrPort]Instant{}
		met := map[netip.AddrPort]bool{} // in the refreshes, which spare them a ping
		for _, q := range queries {
			if q.m.Method != wire.Ping {
				met[q.to] = true
			}
		}
		require.Less(t, len(met), 4*3*K)
		for _, q := range queries {
			if met[q.to] {
				continue
			}
			perMinute[(q.at-start)/Instant(time.Minute)]++
			if before, again := last[q.to]; again {
				require.InDelta(t, float64(checkPeriod), float64(q.at-before), float64(time.Second), "from one ping of %v to the next", q.to)
			}
			last[q.to] = q.at
		}
		require.Len(t, last, nodes-len(met), "some are never pinged")
		for minute, count := range perMinute[2:] { // those pinged first were seen at the start
			require.InDelta(t, nodes/15, count, nodes/15/4, "pings in minute %d", minute+2)
		}
	}
}

// TestChecksAfterStall stops the node for a while: what it missed is made up for, nobody waits for another period.
func TestChecksAfterStall(t *testing.T) {
	for _, stall := range []time.Duration{time.Minute, 10 * time.Minute, 24 * time.Hour} {
		n := crowd(t, 10_000, 0)
		n.tables[v4].limit = 10_000
		before := runAnswered(t, n, 0, checkPeriod)
		wakes := checkPeriod.Add(stall)
		after := runAnswered(t, n, wakes, wakes+checkPeriod)
		asked, perSecond := map[netip.AddrPort]bool{}, map[Instant]int{}
		for _, q := range after {
			asked[q.to] = true
			if q.m.Method == wire.Ping {
				perSecond[(q.at-wakes)/Instant(time.Second)]++
			}
		}
		for _, count := range perSecond {
			require.LessOrEqual(t, count, minCheckRate*5/4, "pings in one second after %v", stall)
		}
		require.Len(t, asked, 10_000, "after %v", stall)
		require.Equal(t, 10_000, n.tables[v4].count)

		// The last one to be pinged waited a period and the stall, and a little for the queue.
		seen := map[netip.AddrPort]Instant{}
		for _, q := range append(before, after...) {
			require.LessOrEqual(t, q.at-seen[q.to], checkPeriod.Add(stall+2*time.Minute+15*time.Minute/8), "%v after %v", q.to, stall)
			seen[q.to] = q.at
		}
	}
}

// TestDeadNodesLeave lets two thirds fall silent: after one period and two timeouts the others are gone.
func TestDeadNodesLeave(t *testing.T) {
	for _, start := range starts {
		n := crowd(t, 3000, start)
		n.tables[v4].limit = 1 // nobody is asked for more, whoever leaves
		runAnswered(t, n, start, start+checkPeriod)
		alive := func(a netip.AddrPort) bool { return a.Addr().As4()[2]%3 == 0 }
		asked := map[netip.AddrPort][]Instant{}
		dead := start + checkPeriod
		end := dead + checkPeriod + Instant(freshSeconds)*Instant(time.Second) + Instant(30*time.Second)
		for now := dead; now < end; now = n.NextWake() {
			for _, q := range drain(t, n, now) {
				if alive(q.to) {
					at, _, _ := n.tables[v4].find(compact(q.to))
					answer(n, now, q, wire.ID(n.tables[v4].blob(at)), wire.Message{})
				} else {
					asked[q.to] = append(asked[q.to], q.at)
				}
			}
		}
		living := 0
		for i := range 3000 {
			if alive(addr4(i)) {
				living++
			}
		}
		require.InDelta(t, living, n.tables[v4].count, 20, "a few are forgiven when nobody answers for long")
		other := 0
		for _, at := range asked {
			if len(at) != maxFails || at[1]-at[0] > Instant(time.Minute) { // by a refresh as well, or forgiven
				other++
			}
		}
		require.Less(t, other, 60, "of 2000, not asked twice in a row")
	}
}

// TestStrangersArePinged sparingly: a flood of queries with forged sources must not make the node flood others.
func TestStrangersArePinged(t *testing.T) {
	for _, start := range starts {
		n := newNode(t, Config{Start: start, MaxNodes: DefaultMaxNodes})
		ping := encodeQuery(wire.Message{Method: wire.Ping})
		const seconds, perMillisecond = 3, 50
		pings, total, now := map[netip.AddrPort]int{}, 0, start
		for i := range seconds * 1000 {
			now = now.Add(time.Millisecond)
			for j := range perMillisecond {
				n.Handle(now, addr4((i*perMillisecond+j)%60_000), ping, nil)
			}
			for _, q := range drain(t, n, now) {
				pings[q.to]++
				total++
			}
		}
		require.Less(t, total, seconds*verifyRate+verifyBurst+1)
		require.Greater(t, total, seconds*verifyRate*9/10)
		require.Less(t, total-len(pings), total/50, "more hosts than are remembered: a few are pinged again, not many")
		require.Zero(t, n.Counts().Nodes4, "a query alone makes no node")
	}
}

// TestOneVictim names the same host in queries and replies over and over.
func TestOneVictim(t *testing.T) {
	n := newNode(t, Config{})
	now, pings := Instant(0), []Instant{}
	for range 3600 {
		now = now.Add(time.Second)
		for port := range uint16(10) {
			src := netip.AddrPortFrom(addr4(1).Addr(), 1000+port) // one host, whatever the port
			n.Handle(now, src, encodeQuery(wire.Message{Method: wire.Ping}), nil)
		}
		for _, q := range drain(t, n, now) {
			pings = append(pings, q.at)
		}
	}
	require.Len(t, pings, 60, "in an hour")
	for i := 1; i < len(pings); i++ {
		require.GreaterOrEqual(t, pings[i]-pings[i-1], Instant(considerCaller))
	}
}

// TestHostThatWasDown boots a host a little late: it was asked in vain when another named it. It is left in peace while it
// is only named, and asked as soon as it comes itself; and so is one that came before it could answer.
func TestHostThatWasDown(t *testing.T) {
	n := newNode(t, Config{})
	named, caller := addr4(1), addr4(2)
	require.True(t, n.consider(0, named))
	ping := encodeQuery(wire.Message{Method: wire.Ping})
	n.Handle(0, caller, ping, nil)
	require.Len(t, run(t, n, 0, Instant(considerCaller)-1), 2)
	for _, at := range []netip.AddrPort{named, caller} {
		require.False(t, n.consider(Instant(considerCaller)-1, at))
		n.Handle(Instant(considerCaller)-1, at, ping, nil)
	}
	now := Instant(considerCaller)
	require.Empty(t, drain(t, n, now))
	for _, at := range []netip.AddrPort{named, caller} {
		require.False(t, n.consider(now, at), "by a rumour")
		n.Handle(now, at, ping, nil)
		queries := drain(t, n, now)
		require.Len(t, queries, 1)
		answer(n, now, queries[0], idOf(byte(at.Addr().As4()[2])), wire.Message{})
	}
	require.Equal(t, 2, n.Counts().Nodes4)

	// A node that knows others does not hurry.
	n = newNode(t, Config{})
	for i := range fewNodes {
		hold(t, n, idOf(byte(i)), addr4(100+i), 0)
	}
	require.True(t, n.consider(0, named))
	require.Len(t, drain(t, n, 0), 1)
	n.Handle(Instant(considerAgain)-1, named, ping, nil)
	require.Zero(t, n.newcomers.verify.n)
	n.Handle(Instant(considerAgain), named, ping, nil)
	require.Equal(t, 1, n.newcomers.verify.n)
}

// TestLearn takes nodes from an answer: few, of the asked family, in reach, and not itself.
func TestLearn(t *testing.T) {
	n := newNode(t, Config{})
	n.Handle(0, addr4(1), encodeQuery(wire.Message{Method: wire.Ping}), nil)
	q := drain(t, n, 0)
	require.Len(t, q, 1)
	require.Equal(t, wire.Want4, q[0].m.Want)
	var nodes, nodes6 []byte
	for _, a := range []string{"10.0.0.1:1", "127.0.0.1:1", "224.0.0.1:1", "198.18.0.1:1", "192.168.1.1:1", "9.9.9.9:0"} {
		nodes = wire.AppendNode(nodes, filledID(1), netip.MustParseAddrPort(a))
	}
	nodes = wire.AppendNode(nodes, n.id, netip.MustParseAddrPort("9.9.9.8:1"))
	for i := range 50 {
		nodes = wire.AppendNode(nodes, filledID(2), addr4(100+i))
		nodes6 = wire.AppendNode(nodes6, filledID(2), addr6(100+i))
	}
	require.Equal(t, Accepted, answer(n, 0, q[0], filledID(1), wire.Message{Nodes: nodes, Nodes6: nodes6}).Verdict)
	var asked []netip.AddrPort
	for _, q := range drain(t, n, 0) {
		asked = append(asked, q.to)
	}
	var want []netip.AddrPort
	for i := range learn - 7 {
		want = append(want, addr4(100+i))
	}
	require.Equal(t, want, asked)
}

// TestAnswersMustMatch sends every almost right answer to one query, and then the right one.
func TestAnswersMustMatch(t *testing.T) {
	for f := range family(families) {
		n := newNode(t, Config{})
		at, id := addrOf(f, 1), filledID(1)
		n.Bootstrap(0, at)
		q := drain(t, n, 0)[0]
		require.Equal(t, at, q.to)
		wrong := func(src netip.AddrPort, tid []byte) {
			r := wire.Message{Kind: wire.Response, T: tid, ID: id[:]}
			_, o := n.Handle(0, src, r.Append(nil), nil)
			require.Equal(t, DropUnsolicited, o.Verdict)
		}
		wrong(addrOf(f, 2), q.m.T)
		wrong(addrOf(1-f, 1), q.m.T)
		wrong(netip.AddrPortFrom(at.Addr(), at.Port()+1), q.m.T)
		wrong(at, q.m.T[:3])
		wrong(at, append(slices.Clone(q.m.T), 0))
		for bit := range 32 {
			tid := slices.Clone(q.m.T)
			tid[bit/8] ^= 1 << (bit % 8)
			wrong(at, tid)
		}
		require.Equal(t, Accepted, answer(n, 0, q, id, wire.Message{}).Verdict)
		wrong(at, q.m.T) // only once
		require.Equal(t, 1, n.tables[f].count)

		n.Bootstrap(0, addrOf(f, 3))
		q = drain(t, n, 0)[0]
		drain(t, n, Instant(queryTimeout))
		_, o := n.Handle(Instant(queryTimeout), q.to, ptr(wire.Message{Kind: wire.Response, T: q.m.T, ID: id[:]}).Append(nil), nil)
		require.Equal(t, DropUnsolicited, o.Verdict, "too late")
	}
}

// TestOwnID has somebody answer with the node's own id, which is itself seen through some mirror: it must not enter
// the table, nor stay there.
func TestOwnID(t *testing.T) {
	n := newNode(t, Config{})
	n.Bootstrap(0, addr4(1))
	require.Equal(t, Accepted, answer(n, 0, drain(t, n, 0)[0], n.id, wire.Message{}).Verdict)
	require.Zero(t, n.tables[v4].count)
	n.Bootstrap(0, addr4(1))
	answer(n, 0, drain(t, n, 0)[0], filledID(1), wire.Message{})
	require.Equal(t, 1, n.tables[v4].count)
	n.Bootstrap(0, addr4(1))
	answer(n, 0, drain(t, n, 0)[0], n.id, wire.Message{})
	require.Zero(t, n.tables[v4].count)

	n.Handle(0, addr4(2), encodeQuery(wire.Message{Method: wire.Ping, ID: n.id[:]}), nil)
	require.Empty(t, drain(t, n, 0), "a query of our own")
}

// TestBootstrapBackOff has one family that works and one that never does: each keeps its own pace.
func TestBootstrapBackOff(t *testing.T) {
	for _, start := range starts {
		n := newNode(t, Config{Start: start})
		n.Bootstrap(start, addr4(1), addr6(1), netip.MustParseAddrPort("10.0.0.1:6881"), netip.MustParseAddrPort("[::ffff:9.9.9.9]:6881"))
		for i := range K {
			hold(t, n, idOf(byte(i<<4)), addr4(100+i), start)
		}
		end := start.Add(20 * time.Minute)
		var asked []string
		for now := start; now < end; now = n.NextWake() {
			for _, q := range drain(t, n, now) {
				if q.to == addr6(1) {
					asked = append(asked, time.Duration(q.at-start).Round(time.Second).String())
				} else {
					at, found, _ := n.tables[v4].find(compact(q.to))
					require.True(t, found, "%v is asked, although the table is well filled", q.to)
					answer(n, now, q, wire.ID(n.tables[v4].blob(at)), wire.Message{})
				}
			}
		}
		require.Equal(t, []string{"0s", "5s", "15s", "35s", "1m15s", "2m35s", "5m15s", "10m15s", "15m15s"}, asked)

		for i := range K {
			n.tables[v4].forget(compact(addr4(100 + i)))
		}
		lost := run(t, n, end, end.Add(5*time.Second))
		require.Equal(t, addr4(1), lost[0].to, "the other family's seeds are asked again soon")
		require.Equal(t, netip.MustParseAddrPort("9.9.9.9:6881"), lost[1].to)
	}
}

// TestIdleNodeRests counts how often a quiet node wants to be called.
func TestIdleNodeRests(t *testing.T) {
	for _, c := range []struct{ nodes, perHour int }{
		{0, 60}, {10, 60 + 10*4*4 + 4*4*K + 120}, {15_000, 100 * 3600}, // pings, refreshes, growth in vain
	} {
		n := newNode(t, Config{MaxNodes: 1_000_000})
		if c.nodes > 0 {
			n = crowd(t, c.nodes, 0)
		}
		calls := 0
		for now := Instant(0); now < Instant(time.Hour); now = n.NextWake() {
			for _, q := range drain(t, n, now) {
				at, _, _ := n.tables[v4].find(compact(q.to))
				answer(n, now, q, wire.ID(n.tables[v4].blob(at)), wire.Message{})
			}
			calls++
		}
		require.LessOrEqual(t, calls, c.perHour, "calls in an hour with %d nodes", c.nodes)
	}
}

// TestNextWakeIsNeverLate runs one node among others that answer after a while, if at all, and polls it all the time:
// it must have nothing to send before the time it says.
func TestNextWakeIsNeverLate(t *testing.T) {
	const impatience = 5 * time.Millisecond
	const roundTrip = 40 * time.Millisecond
	n := newNode(t, Config{MaxNodes: 300, MaxPeers: 50})
	n.Bootstrap(0, addr4(0), addr6(0), addr4(1))
	type arrival struct {
		at  Instant
		src netip.AddrPort
		in  []byte
	}
	var arrivals []arrival
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 400 { // queries from others, some of which are there when pinged
		src := addrOf(family(i%4/3), 10+rng.IntN(500))
		m := wire.Message{Method: wire.GetPeers, InfoHash: ptr(filledID('h'))[:]}
		arrivals = append(arrivals, arrival{Instant(rng.Int64N(int64(time.Hour))), src, encodeQuery(m)})
	}
	sent := map[netip.AddrPort]int{}
	now := Instant(0)
	for end := Instant(90 * time.Minute); now < end; {
		slices.SortStableFunc(arrivals, func(a, b arrival) int { return int(a.at - b.at) })
		for len(arrivals) > 0 && arrivals[0].at <= now {
			a := arrivals[0]
			arrivals = arrivals[1:]
			n.Handle(now, a.src, a.in, nil)
		}
		promised := n.NextWake()
		n.upkeep.wakeBy(now)
		for _, q := range drain(t, n, now) {
			require.LessOrEqual(t, promised, now.Add(2*tick), "%v to %v is sent before its time", q.m.Method, q.to)
			sent[q.to]++
			host := q.to.Addr().As16()
			alive := host[14]%3 != 0 && (host[14]%3 == 1 || now < Instant(30*time.Minute)) // a third dies half-way
			if q.to.Addr().Is6() {
				alive = host[4]%2 == 0
			}
			if alive {
				id := idOf(host[14], host[13], host[4])
				r := wire.Message{Kind: wire.Response, T: q.m.T, ID: id[:]}
				arrivals = append(arrivals, arrival{now.Add(roundTrip), q.to, r.Append(nil)})
			}
		}
		next := now.Add(impatience)
		for _, a := range arrivals {
			next = min(next, a.at)
		}
		now = next
	}
	require.Greater(t, n.Counts().Nodes4, 50)
	require.Greater(t, len(sent), 200)
}

// TestNoRoomForQueries fills the pending queries: the node waits for the oldest, and then goes on.
func TestNoRoomForQueries(t *testing.T) {
	n := newNode(t, Config{})
	for i := range minPending {
		require.True(t, n.pending.room())
		n.askFor(Instant(i), nil, targetAt(v4, compact(addr4(i))), askAlive, wire.ID{})
	}
	n.Handle(1000, addr4(9000), encodeQuery(wire.Message{Method: wire.Ping}), nil)
	require.Empty(t, drain(t, n, 1000))
	require.Equal(t, Instant(queryTimeout), n.NextWake())
	sent := run(t, n, n.NextWake(), n.NextWake().Add(tick))
	require.Len(t, sent, 1)
	require.Equal(t, addr4(9000), sent[0].to)
}

func TestNewRejects(t *testing.T) {
	seed := [32]byte{1}
	for name, c := range map[string]Config{
		"MaxNodes -1":   {Seed: seed, MaxNodes: -1},
		"MaxNodes":      {Seed: seed, MaxNodes: MaxMaxNodes + 1},
		"MaxPeers -1":   {Seed: seed, MaxPeers: -1},
		"MaxPeers":      {Seed: seed, MaxPeers: MaxMaxPeers + 1},
		"MaxItems -1":   {Seed: seed, MaxItems: -1},
		"MaxItems":      {Seed: seed, MaxItems: MaxMaxItems + 1},
		"Workers -1":    {Seed: seed, Workers: -1},
		"Workers 65":    {Seed: seed, Workers: MaxWorkers + 1},
		"Workers 2":     {Seed: seed, Workers: 2, Share: newNode(t, Config{})},
		"all-zero Seed": {},
	} {
		_, err := New(c)
		require.ErrorContains(t, err, name)
	}
	ids := map[wire.ID]bool{}
	for i := range byte(3) {
		ids[newNode(t, Config{Seed: [32]byte{1 + i}}).ID()] = true
	}
	require.Len(t, ids, 3)
	require.Equal(t, filledID(7), newNode(t, Config{ID: filledID(7)}).ID())
	require.Equal(t, "unsolicited", fmt.Sprint(DropUnsolicited))
}

// TestReadOnlyQueries: a node that nobody is to ask says so in its queries (BEP 43), and answers those who ask all the same.
func TestReadOnlyQueries(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		n := newNode(t, Config{ReadOnly: readOnly})
		n.Bootstrap(0, addr4(1))
		queries := drain(t, n, 0)
		require.NotEmpty(t, queries)
		for _, q := range queries {
			require.Equal(t, readOnly, q.m.ReadOnly)
		}
		require.Equal(t, wire.Response, ask(t, n, 0, addr4(2), wire.Message{Method: wire.Ping}).Kind)
	}
}
