package main

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

// echo answers everything, pings whoever asks, and allocates nothing.
func echo(conn *net.UDPConn) {
	in, out := make([]byte, 2048), make([]byte, 0, 2048)
	var m, r wire.Message
	token := []byte("token")
	for {
		n, from, err := conn.ReadFromUDPAddrPort(in)
		if err != nil {
			return
		}
		if wire.Parse(in[:n], &m) != nil || m.Kind != wire.Query {
			continue
		}
		r = wire.Message{Kind: wire.Response, T: m.T, ID: responderID, Token: token}
		_, _ = conn.WriteToUDPAddrPort(r.Append(out), from)
		r = wire.Message{Kind: wire.Query, Method: wire.GetPeers, T: token, ID: responderID, InfoHash: responderID}
		_, _ = conn.WriteToUDPAddrPort(r.Append(out), from)
	}
}

// mirror sends everything back as it came, and allocates nothing.
func mirror(conn *net.UDPConn) {
	in := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(in)
		if err != nil {
			return
		}
		_, _ = conn.WriteToUDPAddrPort(in[:n], from)
	}
}

// newTestEngine is an engine against an echo, in the middle of a trial.
func newTestEngine(t testing.TB, args ...string) *engine { return newEngineAt(t, echo, args...) }

// newEngineAt is the same against a server of another kind.
func newEngineAt(t testing.TB, serve func(*net.UDPConn), args ...string) *engine {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	go serve(conn)
	t.Cleanup(func() { _ = conn.Close() })
	c, err := parse(append(args, conn.LocalAddr().String())...)
	require.NoError(t, err)
	e, err := newEngine(t.Context(), c, conn.LocalAddr().(*net.UDPAddr).AddrPort(), c.part, time.Now())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.transport.Close()) })
	e.prepare(c.params, newPopularity(c.infohashes, c.zipf), nil)
	e.start(e.now())
	return e
}

// The whole loop, on real sockets, with answers, announces, queries served and a display to feed, allocates
// nothing.
func TestLoopDoesNotAllocate(t *testing.T) {
	for _, args := range [][]string{
		{"--rate", "20000", "--flows", "1000", "--zipf", "1"},
		{"--rate", "20000", "--flows", "100000"},
		{"--rate", "max", "--window", "64", "--flows", "1000"},
		{"--rate", "20000", "--flows", "1000", "--walk"},
		{"--rate", "20000", "--flows", "1000", "--arrivals", "poisson"},
		{"--rate", "40000", "--flows", "1000", "--threads", "2"}, // half of it is this engine's
		{"--rate", "40000", "--flows", "1000", "--threads", "2", "--arrivals", "poisson", "--walk"},
		{"--rate", "", "--profile", "10000..20000@1ms,20000..40000@100h", "--flows", "1000"},
	} {
		length := []string{"--duration", time.Hour.String()}
		if args[1] == "" { // the profile says it
			args, length = args[2:], nil
		}
		e := newTestEngine(t, append(append(args, "--warmup", "0s"), length...)...)
		e.feed = newFeed()
		e.feed.next = e.now() + feedPeriod
		pass := func() { require.NoError(t, e.pass()) }
		for range 200 {
			pass()
		}
		before := e.trial.totalAnswered
		// An allocation that another part of the test binary makes now and then rounds to 0, one in each pass
		// or datagram does not.
		require.Zero(t, testing.AllocsPerRun(2000, pass), "%q", args)
		require.Greater(t, e.trial.totalAnswered, before)
		require.NotZero(t, e.trial.answered[wire.AnnouncePeer])
		require.NotZero(t, e.trial.served)
	}
}

// Nor do other payloads.
func TestPayloadDoesNotAllocate(t *testing.T) {
	for _, args := range [][]string{{"--payload", "hex:00{seq}00"}, {"--payload", "hex:{seq}", "--rate", "max", "--window", "64"}} {
		e := newEngineAt(t, mirror, append(args, "--flows", "1000", "--warmup", "0s", "--duration", time.Hour.String())...)
		pass := func() { require.NoError(t, e.pass()) }
		for range 200 {
			pass()
		}
		before := e.trial.totalAnswered
		require.Zero(t, testing.AllocsPerRun(1000, pass), "%q", args)
		require.Greater(t, e.trial.totalAnswered, before)
		require.NotZero(t, e.trial.replies[wire.Unknown].bytes[len(e.payload.query)])
	}
}

// BenchmarkQueryAndAnswer is what the generator itself spends on a query and its answer, without the system
// calls: choosing, encoding and remembering it, then parsing, matching and recording.
func BenchmarkQueryAndAnswer(b *testing.B) {
	e := newTestEngine(b, "--flows", "60000", "--zipf", "1")
	e.trial.phase = phaseMeasure
	require.NoError(b, e.transport.Close()) // a closed transport forgets what it is given
	var buffer [2048]byte
	response := wire.Message{Kind: wire.Response, ID: responderID, Nodes: make([]byte, 8*26), Token: []byte("12345678")}
	t := []byte{0, 0, 0, 0}
	response.T = t
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now := int64(i) * 1000
		seq := e.table.head
		e.query(now, now)
		t[0], t[1], t[2], t[3] = byte(seq>>24), byte(seq>>16), byte(seq>>8), byte(seq)
		q := e.table.at(seq)
		payload := response.Append(buffer[:0])
		e.datagram(e.socket, payload, e.target, e.layout.source(q.flow), now+500)
	}
	require.Zero(b, e.trial.unmatched+e.trial.wrongFlow+e.trial.stray)
}
