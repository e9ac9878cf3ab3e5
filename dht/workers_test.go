package dht

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// crew is several workers of one node, and what they have to tell each other.
type crew struct {
	t        *testing.T
	workers  []*Node
	rounds   int
	announce []chan announced // by worker: what another has stored a moment ago
	answers  []chan sentQuery // by worker: what the node has asked somebody whose answers come there
	known    sync.Map         // addresses that answered
}

type announced struct {
	infohash wire.ID
	peer     netip.AddrPort
}

// exchange is ask for goroutines, which may not end the test: it complains and returns nothing.
func (c *crew) exchange(n *Node, now Instant, src netip.AddrPort, m wire.Message) (r wire.Message) {
	m.ReadOnly = m.Method != wire.Ping
	out, o := n.Handle(now, src, encodeQuery(m), nil)
	if err := wire.Parse(out, &r); err != nil || r.Kind != wire.Response {
		c.t.Errorf("%v of worker %d: %v, %v", m.Method, n.worker, o, err)
	}
	return r
}

// work is one worker's share: a bit of everything.
func (c *crew) work(n *Node) {
	for k := range c.rounds {
		now := Instant(k) * Instant(20*time.Millisecond)
		src := addr4(n.worker<<16 | k)
		infohash := idOf(byte(k), byte(n.worker), byte(k>>8), 'h')
		c.exchange(n, now, src, wire.Message{Method: wire.Ping})
		token := c.exchange(n, now, src, wire.Message{Method: wire.GetPeers, InfoHash: infohash[:]}).Token
		c.exchange(n, now, src, wire.Message{Method: wire.AnnouncePeer, InfoHash: infohash[:], Token: token, ImpliedPort: true})
		c.announce[(n.worker+1)%len(c.workers)] <- announced{infohash, src}
		c.exchange(n, now, src, wire.Message{Method: wire.FindNode, Target: infohash[:], Want: wire.Want4 | wire.Want6})
		if k%8 == 0 {
			c.exchange(n, now, src, wire.Message{Method: wire.SampleInfohashes, Target: infohash[:]})
			c.item(n, now, src, k)
		}
		c.listen(n, now)
		if n.worker == 0 {
			c.speak(n, now)
		}
	}
}

// item puts one and gets it.
func (c *crew) item(n *Node, now Instant, src netip.AddrPort, k int) {
	value := fmt.Appendf(nil, "8:%02d-%05d", n.worker, k)
	target := ImmutableTarget(value)
	token := c.exchange(n, now, src, wire.Message{Method: wire.Get, Target: target[:]}).Token
	c.exchange(n, now, src, wire.Message{Method: wire.Put, Value: value, Token: token})
	if r := c.exchange(n, now, src, wire.Message{Method: wire.Get, Target: target[:]}); !bytes.Equal(value, r.Value) {
		c.t.Errorf("worker %d: put %s, got %q", n.worker, value, r.Value)
	}
	signed := mutablePut(1, "", int64(k)<<8|int64(n.worker), value)
	target = MutableTarget(signed.Key, nil)
	var ofTarget [tokenSize]byte
	n.tokens.put(&ofTarget, now, src.Addr(), target[:])
	signed.Token, signed.ReadOnly = ofTarget[:], true
	out, o := n.Handle(now, src, encodeQuery(signed), nil)
	if o.Verdict != Answered && o.Code != wire.CodeSeqTooLow && o.Code != wire.CodeServer { // others are at it as well
		c.t.Errorf("worker %d: put seq %d: %v %q", n.worker, signed.Seq, o, out)
	}
}

// listen finds what another worker has stored, at once, and takes what the node was answered.
func (c *crew) listen(n *Node, now Instant) {
	for {
		select {
		case a := <-c.announce[n.worker]:
			scrape := a.peer.Port()%2 == 0
			r := c.exchange(n, now, addr4(1<<20|n.worker), wire.Message{Method: wire.GetPeers, InfoHash: a.infohash[:], Scrape: scrape})
			if peers := slices.Collect(r.Peers()); !slices.Equal(peers, []netip.AddrPort{a.peer}) {
				c.t.Errorf("worker %d: peers of %x are %v, not %v", n.worker, a.infohash, peers, a.peer)
			}
		case q := <-c.answers[n.worker]:
			ip := q.to.Addr().As4()
			if o := answer(n, now, q, idOf(ip[2]*37, ip[1], ip[2], ip[0]), wire.Message{}); o.Verdict != Accepted {
				c.t.Errorf("worker %d: answer of %v: %v", n.worker, q.to, o)
			}
			c.known.Store(q.to, true)
			answer(n, now, q, filledID('x'), wire.Message{}) // is of no use twice
		default:
			return
		}
	}
}

// speak polls, as the first worker does, and saves a part of the state.
func (c *crew) speak(n *Node, now Instant) {
	for {
		out, to, ok := n.Poll(now, nil)
		if !ok {
			break
		}
		var m wire.Message
		if err := wire.Parse(out, &m); err != nil {
			c.t.Error(err)
		}
		at := binary.BigEndian.Uint32(wire.AppendAddr(nil, to)) * 0x9e3779b1 >> 16
		c.answers[int(at)%len(c.workers)] <- sentQuery{now, to, m}
	}
	s := NewSnapshot(now, time.Unix(1, 0), []Home{{Node: n, Listen: addr4(0)}})
	for part, more := s.Append(nil); more; part, more = s.Append(part[:0]) {
	}
	n.Counts()
	n.ID()
	n.External()
}

// TestWorkers has several work for one node at a time: nothing is lost, nothing is there twice, and what one stores
// another finds at once.
func TestWorkers(t *testing.T) {
	const workers, rounds = 3, 150
	first := newNode(t, Config{Workers: workers, MaxNodes: 5000, MaxPeers: 100_000, RateLimit: 1000})
	c := &crew{t: t, workers: first.Workers(), rounds: rounds}
	require.Len(t, c.workers, workers)
	require.Same(t, first, c.workers[0])
	for range c.workers {
		c.announce = append(c.announce, make(chan announced, rounds))
		c.answers = append(c.answers, make(chan sentQuery, 1<<14))
	}
	var all sync.WaitGroup
	for _, n := range c.workers {
		all.Go(func() { c.work(n) })
	}
	all.Wait()
	for now, end := Instant(3*time.Second), Instant(time.Minute); now < end; now = now.Add(100 * time.Millisecond) {
		c.speak(first, now) // who asked is asked back, at leisure
		for _, n := range c.workers {
			c.listen(n, now)
		}
	}

	counts := first.Counts()
	require.Equal(t, workers*rounds, counts.Peers)
	require.Equal(t, workers*rounds, counts.Infohashes)
	require.Equal(t, workers*((rounds+7)/8)+1, counts.Items)
	require.Zero(t, counts.Pending)
	known := 0
	c.known.Range(func(at, _ any) bool {
		known++
		require.True(t, first.tables[v4].has(compact(at.(netip.AddrPort))), "%v has answered", at)
		return true
	})
	require.Equal(t, known, counts.Nodes4)
	require.Equal(t, known, workers*rounds)
	c.requireClosest(t)
}

// requireClosest: when all is quiet, each worker names the nodes nearest to a target.
func (c *crew) requireClosest(t *testing.T) {
	var nodes [][]byte
	table := c.workers[0].tables[v4]
	for bucket := range uint32(len(table.heads)) {
		for s := range table.inBucket(bucket) {
			nodes = append(nodes, table.blob(s))
		}
	}
	for i := range 20 {
		target := idOf(byte(i*41), byte(i), 'o')
		slices.SortFunc(nodes, func(a, b []byte) int {
			for j := range target {
				if d := int(a[j]^target[j]) - int(b[j]^target[j]); d != 0 {
					return d
				}
			}
			return 0
		})
		for _, n := range c.workers {
			r := ask(t, n, Instant(time.Hour), addr4(1<<20), wire.Message{Method: wire.FindNode, Target: target[:]})
			require.Equal(t, slices.Concat(nodes[:K]...), r.Nodes)
		}
	}
}

// TestWorkersKeepBounds: more is announced from everywhere than there is room for.
func TestWorkersKeepBounds(t *testing.T) {
	const workers, limit = 4, partsOfWorker*4*partPeers + 7
	start := Instant(-36 * time.Hour)
	first := newNode(t, Config{Workers: workers, MaxPeers: limit, MaxItems: 10, Start: start})
	parts := len(first.parts)
	require.Equal(t, partsOfWorker*workers, parts)
	var all sync.WaitGroup
	for _, n := range first.Workers() {
		all.Go(func() {
			for k := range limit * 3 / 8 {
				infohash, src := idOf(byte(k), byte(n.worker), byte(k>>8), 'h'), addr4(n.worker<<16|k)
				var token [tokenSize]byte
				n.tokens.put(&token, start, src.Addr(), infohash[:])
				n.Handle(start, src, encodeQuery(wire.Message{Method: wire.AnnouncePeer, InfoHash: infohash[:], Token: token[:], ImpliedPort: true}), nil)
				if k >= 100 {
					continue
				}
				value := fmt.Appendf(nil, "8:%02d-%05d", n.worker, k)
				target := ImmutableTarget(value)
				n.tokens.put(&token, start, src.Addr(), target[:])
				n.Handle(start, src, encodeQuery(wire.Message{Method: wire.Put, Value: value, Token: token[:]}), nil)
			}
		})
	}
	all.Wait()
	require.LessOrEqual(t, first.Counts().Peers, limit)
	require.Greater(t, first.Counts().Peers, limit/2, "what the shares of networks leave")
	require.LessOrEqual(t, first.Counts().Items, 10)
	requireWhole(t, first.items)
	run(t, first, start, start.Add(itemLifetime+10*time.Minute))
	require.Zero(t, first.Counts().Peers, "the expired are swept from all parts")
	require.Zero(t, first.Counts().Items)

	require.Len(t, newNode(t, Config{Workers: workers, MaxPeers: 1}).parts, 1, "of few peers, no part is without room")
}

// TestWorkersSave: what is in the parts is all saved, and goes to its part again, of whatever number.
func TestWorkersSave(t *testing.T) {
	n := newNode(t, Config{Workers: 2})
	for i := range 300 {
		infohash := idOf(byte(i), byte(i>>8), 'h')
		require.True(t, n.part(&infohash).announce(0, &infohash, addr4(i), false))
	}
	var state []byte
	s := NewSnapshot(0, time.Unix(1, 0), []Home{{Node: n, Listen: addr4(0)}})
	for more := true; more; {
		state, more = s.Append(state)
	}
	for _, workers := range []int{1, 2, 5} {
		saved, err := OpenState(bytes.NewReader(state))
		require.NoError(t, err)
		next := newNode(t, Config{Workers: workers, Seed: [32]byte{9}})
		restored, err := saved.Restore(0, 0, []Home{{Node: next, Listen: addr4(0)}})
		require.NoError(t, err)
		require.Equal(t, 300, restored.Peers)
		for i := range 300 {
			infohash := idOf(byte(i), byte(i>>8), 'h')
			r := ask(t, next.Workers()[i%workers], 0, addr4(1<<20), wire.Message{Method: wire.GetPeers, InfoHash: infohash[:]})
			require.Equal(t, []netip.AddrPort{addr4(i)}, slices.Collect(r.Peers()))
		}
	}
}

// TestWorkersLimit: with one worker a source has one budget, and does not take another's.
func TestWorkersLimit(t *testing.T) {
	n := newNode(t, Config{Workers: 2, RateLimit: 1})
	second := newNode(t, Config{Workers: 2, Share: n, Seed: [32]byte{2}})
	ping := encodeQuery(wire.Message{Method: wire.Ping})
	passed := func(w *Node) (count int) {
		for range 10 {
			if _, o := w.Handle(0, addr4(1), ping, nil); o.Verdict == Answered {
				count++
			}
		}
		return count
	}
	require.Equal(t, limitBurst, passed(n))
	require.Zero(t, passed(second), "nodes that share a store share budgets, worker by worker")
	require.Equal(t, limitBurst, passed(second.Workers()[1]))
	require.Zero(t, passed(n.Workers()[1]))
}

// TestWorkersAllocateNothing: neither the locks nor what is copied because of them.
func TestWorkersAllocateNothing(t *testing.T) {
	n := newNode(t, Config{Workers: 2})
	w, buf, infohash := n.Workers()[1], make([]byte, 0, 2048), filledID('h')
	require.True(t, n.part(&infohash).announce(0, &infohash, addr4(1), true))
	var token [tokenSize]byte
	w.tokens.put(&token, 0, addr4(2).Addr(), infohash[:])
	for _, m := range []wire.Message{
		{Method: wire.Ping},
		{Method: wire.GetPeers, InfoHash: infohash[:], Scrape: true},
		{Method: wire.AnnouncePeer, InfoHash: infohash[:], Token: token[:], ImpliedPort: true},
		{Method: wire.SampleInfohashes, Target: infohash[:]},
		{Method: wire.Get, Target: infohash[:]},
	} {
		query := encodeQuery(m)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if out, o := w.Handle(0, addr4(2), query, buf); o.Verdict != Answered {
				t.Fatalf("%v: %q", o, out)
			}
		}), m.Method)
	}
	response := encodeQuery(wire.Message{Method: wire.Ping})
	response = bytes.Replace(response, []byte("1:y1:q"), []byte("1:y1:r"), 1)
	require.Zero(t, testing.AllocsPerRun(100, func() { w.Handle(0, addr4(2), response, buf); n.Poll(0, buf) }))
}
