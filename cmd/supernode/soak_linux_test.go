package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/dht/wire"
	"supernode/internal/udp"
)

const (
	soakBatch = 128 // datagrams from one marker to the next
	soakAhead = 2   // batches under way: little enough for any receive buffer

	// What is seen in the first part is the node's size; it must not grow in the rest.
	soakWarmup   = 100_000
	soakMaxGrown = 4 << 20 // bytes
)

// TestBadInput sends a great many random and spoiled datagrams to the running command. Each is judged by the oracle:
// what deserves a reply must get just one, in order and of bounded size, and nothing else may get anything. No datagram
// is lost on the way, as the sender waits for the reply to a ping, the marker, after each batch.
func TestBadInput(t *testing.T) {
	for _, c := range []struct {
		backend   string
		datagrams int
	}{
		{"mmsg", 1_000_000},
		{"net", 150_000},
	} {
		t.Run(c.backend, func(t *testing.T) {
			warmup := soakWarmup
			if testing.Short() || raceEnabled { // which makes the oracle ten times slower
				warmup, c.datagrams = 20_000, 50_000
			}
			s := newSoak(t, c.backend)
			began := time.Now()
			s.send(warmup)
			warm := sizeOf(s.p)
			s.send(c.datagrams - warmup)
			end := sizeOf(s.p)

			t.Logf("%d datagrams in %v: %d replies, at most %.1f times their query; %d own queries",
				s.sent, time.Since(began).Round(time.Millisecond), s.replies, s.amplification, s.ownQueries)
			t.Logf("deserved a reply %d, had a bad t %d, were answers %d, rubbish %d, too long %d",
				s.fates[deservesReply], s.fates[hasBadT], s.fates[isAnswer], s.fates[isRubbish], s.tooLong)
			t.Logf("resident memory from %d to %d KiB, goroutines from %d to %d",
				warm.resident>>10, end.resident>>10, warm.goroutines, end.goroutines)

			if !raceEnabled { // the detector's own memory grows
				require.LessOrEqual(t, end.resident, warm.resident+soakMaxGrown)
			}
			await(t, "no more goroutines than before", func() bool { return sizeOf(s.p).goroutines <= warm.goroutines })
			s.account()
			s.p.stopped()
		})
	}
}

// soak is the sender. One thread sends and receives; it and the node each keep to one processor, so that the kernel
// has no occasion to change the order of datagrams.
type soak struct {
	t  *testing.T
	p  *process
	to netip.AddrPort

	*mutator
	answers *mutator // for what is told the node when it asks, which depends on timing

	asking, silent udp.Transport // the sockets of those that ask, and of those that deserve silence
	in             *udp.Inbox
	toAsk, toWaste *udp.Outbox
	sources        []source

	expected []expectation // in order
	markers  int           // expected ones among them
	debts    []debt        // answers to the node's own queries

	sent, replies, ownQueries, tooLong int
	fates                              [fates]int
	amplification                      float64
}

// source is one of those that ask, with the token that lets it announce infohash.
type source struct {
	ip    netip.Addr
	token []byte
}

type expectation struct {
	t      string
	length int // of the query
	marker bool
}

type debt struct {
	datagram []byte
	from     netip.Addr
}

func newSoak(t *testing.T, backend string) *soak {
	sender, node := processors(t)
	p := start(t, "--io", backend, "--cpu", strconv.Itoa(node))
	pinThread(t, sender)
	s := &soak{
		t: t, p: p, to: p.listen[0],
		mutator: &mutator{Rand: rand.New(rand.NewPCG(1, 0))},
		answers: &mutator{Rand: rand.New(rand.NewPCG(2, 0))},
		in:      udp.NewInbox(4 * soakBatch),
		toAsk:   udp.NewOutbox(4 * soakBatch), toWaste: udp.NewOutbox(soakBatch),
	}
	for i := range 256 {
		ip := netip.AddrFrom4([4]byte{127, 1, byte(i), 2})
		s.sources = append(s.sources, source{ip, s.fetchToken(ip)})
	}
	s.asking = s.open("0.0.0.0:0")
	s.silent = s.open("127.2.0.1:0", "127.2.0.2:0", "127.2.0.3:0", "127.2.0.4:0")
	return s
}

func (s *soak) open(listen ...string) udp.Transport {
	var addrs []netip.AddrPort
	for _, text := range listen {
		addrs = append(addrs, netip.MustParseAddrPort(text))
	}
	transport, err := udp.OpenMmsg(addrs, udp.Options{Batch: 4 * soakBatch, ReceiveBuffer: 4 << 20, SendBuffer: 4 << 20})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { transport.Close() })
	return transport
}

// fetchToken asks for the token that lets ip announce.
func (s *soak) fetchToken(ip netip.Addr) []byte {
	q := newPeer(s.t, ip.String())
	defer q.conn.Close()
	// Read-only, or the node would ask back where soon nobody listens, and not again for a while.
	query := wire.Message{Method: wire.GetPeers, InfoHash: infohash, ReadOnly: true}
	reply, _ := q.ask(s.to, query)
	s.sent++
	s.fates[deservesReply]++
	s.replies++
	return reply.Token
}

// send sends n datagrams and returns when all of them have been dealt with.
func (s *soak) send(n int) {
	for batch := 0; n > 0; batch++ {
		for range min(n, soakBatch-1) {
			from := s.sources[s.IntN(len(s.sources))]
			s.token = from.token
			s.enqueue(s.next(), from.ip)
		}
		n -= soakBatch - 1
		for _, d := range s.debts {
			s.ask(d.datagram, d.from)
		}
		s.debts = s.debts[:0]
		s.silent.Send(s.toWaste, batch%len(s.silent.Local()))
		marker := wire.Message{
			Kind: wire.Query, Method: wire.Ping, T: fmt.Appendf(nil, "marker %d", s.sent), ID: []byte("the id of the marker"),
		}
		s.ask(marker.Append(nil), s.sources[0].ip)
		s.expected[len(s.expected)-1].marker = true
		s.markers++
		s.asking.Send(s.toAsk, 0)
		s.drain(soakAhead - 1)
	}
	s.drain(0)
}

// enqueue queues a datagram at a socket that deserves what the datagram deserves.
func (s *soak) enqueue(datagram []byte, from netip.Addr) {
	if s.judge(datagram) == deservesReply {
		s.toAsk.Add(append(s.toAsk.Buffer(), datagram...), s.to, from)
		return
	}
	s.toWaste.Add(append(s.toWaste.Buffer(), datagram...), s.to, netip.Addr{})
}

// ask queues a datagram at the socket of those that ask, whatever it deserves.
func (s *soak) ask(datagram []byte, from netip.Addr) {
	s.judge(datagram)
	s.toAsk.Add(append(s.toAsk.Buffer(), datagram...), s.to, from)
}

// judge enters a datagram that is to be sent into the books.
func (s *soak) judge(datagram []byte) fate {
	s.sent++
	if len(datagram) > udp.MaxDatagram {
		s.tooLong++
		return isRubbish
	}
	f, t := oracle(datagram)
	s.fates[f]++
	if f == deservesReply {
		s.expected = append(s.expected, expectation{t: t, length: len(datagram)})
	}
	return f
}

// drain receives until that many markers or fewer are under way.
func (s *soak) drain(markers int) {
	for s.markers > markers {
		n, err := s.asking.Receive(s.in, patience)
		require.NoError(s.t, err)
		if n == 0 {
			require.FailNow(s.t, "the node went silent", "expected %+v; %v", s.expected[0], s.p.messages())
		}
		for i := range n {
			require.Equal(s.t, s.to, s.in.Source(i))
			s.receive(s.in.Payload(i), s.in.Local(i))
		}
	}
	n, err := s.silent.Receive(s.in, 0)
	require.NoError(s.t, err)
	if n > 0 {
		require.FailNow(s.t, "answered what deserves silence", "with %q", s.in.Payload(0))
	}
}

// receive checks what came for one of the sources: the next reply, or a query of the node's own.
func (s *soak) receive(datagram []byte, local netip.Addr) {
	f, t := oracle(datagram)
	if f == deservesReply {
		s.ownQueries++
		s.debts = append(s.debts, debt{s.reaction(t), local})
		return
	}
	if f != isAnswer || len(s.expected) == 0 {
		require.FailNow(s.t, "not a reply that was expected", "%q", datagram)
	}
	want := s.expected[0]
	s.expected = s.expected[1:]
	top, _, _ := readValue(string(datagram), 1)
	if have := top.(dictionary).first("t"); have != want.t {
		require.FailNow(s.t, "reply to another query", "expected t %q: %q", want.t, datagram)
	}
	if limit := min(1024, 10*want.length); len(datagram) > limit {
		require.FailNow(s.t, "reply too long", "%d bytes for a query of %d: %q", len(datagram), want.length, datagram)
	}
	s.replies++
	s.amplification = max(s.amplification, float64(len(datagram))/float64(want.length))
	if want.marker {
		s.markers--
	}
}

// reaction is what a source says to a query of the node's: mostly what a node should, with nodes that may not exist.
func (s *soak) reaction(t string) []byte {
	m := wire.Message{Kind: wire.Response, T: []byte(t), ID: s.answers.random(nil, 20)}
	m.Nodes, m.Nodes6 = s.answers.nodes()
	datagram := m.Append(nil)
	if s.answers.IntN(4) == 0 {
		datagram[s.answers.IntN(len(datagram))] ^= 1 << s.answers.IntN(8)
	}
	return datagram
}

// account compares what the node counted with what it was sent.
func (s *soak) account() {
	for f, n := range s.fates {
		require.Greater(s.t, n, s.sent/100, "too few datagrams of fate %d to prove anything", f)
	}
	require.Empty(s.t, s.expected)
	require.Equal(s.t, s.fates[deservesReply], s.replies)
	dropped := func(reason string) string { return `supernode_dropped_total{reason="` + reason + `"}` }
	s.p.awaitMetrics(map[string]float64{
		"supernode_received_total": float64(s.sent - s.tooLong),
		dropped("truncated"):       float64(s.tooLong),
		dropped("receive_buffer"):  0,
		dropped("malformed"):       float64(s.fates[isRubbish]),
		dropped("transaction"):     float64(s.fates[hasBadT]),
		dropped("source"):          0,
	})
	m := s.p.metrics()
	require.Positive(s.t, m["supernode_own_answers_total"])
	require.Positive(s.t, m[`supernode_nodes{family="ipv4"}`])
	require.EqualValues(s.t, s.fates[isAnswer], m["supernode_own_answers_total"]+m[dropped("unsolicited")])
	errors := 0.0
	for name, n := range m {
		if strings.HasPrefix(name, "supernode_errors_total") {
			errors += n
		}
	}
	require.EqualValues(s.t, s.replies, m["supernode_replies_total"]+errors)
}

// size is what must not grow.
type size struct{ resident, goroutines int }

func sizeOf(p *process) size {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(p.t, err)
	_, after, ok := strings.Cut(string(status), "VmRSS:")
	require.True(p.t, ok)
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	require.NoError(p.t, err)
	return size{resident: kib << 10, goroutines: int(p.metrics()["go_goroutines"])}
}

// processors chooses one for the sender and one for the node, two if there are.
func processors(t *testing.T) (sender, node int) {
	t.Helper()
	var set unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &set))
	var allowed []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			allowed = append(allowed, cpu)
		}
	}
	return slices.Min(allowed), slices.Max(allowed)
}

// pinThread keeps the test's thread on a processor until the test ends.
func pinThread(t *testing.T, cpu int) {
	t.Helper()
	runtime.LockOSThread()
	var before, set unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &before))
	set.Set(cpu)
	require.NoError(t, unix.SchedSetaffinity(0, &set))
	t.Cleanup(func() { // on the same goroutine, hence thread
		unix.SchedSetaffinity(0, &before)
		runtime.UnlockOSThread()
	})
}
