package main

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

// responder is a target of the tests' own. Its loop calls one function for each datagram; what that sends
// and counts is the truth that a result is held against.
type responder struct {
	conn *net.UDPConn
	addr netip.AddrPort

	done sync.WaitGroup

	mu       sync.Mutex
	queries  []seen // all that came, in order
	answered []seen // responses to the responder's own queries
}

// seen is one datagram from the generator.
type seen struct {
	from netip.AddrPort
	m    wire.Message // its slices are copies
}

// behaviour answers the n-th query.
type behaviour func(r *responder, n int, q seen)

func startResponder(t *testing.T, b behaviour) *responder {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	return serveOn(t, conn, b)
}

// serveOn answers on conn, which it closes at the end of the test.
func serveOn(t *testing.T, conn *net.UDPConn, b behaviour) *responder {
	_ = conn.SetReadBuffer(4 << 20)
	r := &responder{conn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	r.done.Go(func() { r.loop(b) })
	t.Cleanup(r.stop)
	return r
}

// stop ends the loop; after it, what the behaviour has written can be read.
func (r *responder) stop() {
	_ = r.conn.Close()
	r.done.Wait()
}

func (r *responder) loop(b behaviour) {
	buf := make([]byte, 2048)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		s := seen{from: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}
		if wire.Parse(slices.Clone(buf[:n]), &s.m) != nil {
			continue
		}
		r.mu.Lock()
		if s.m.Kind == wire.Query {
			r.queries = append(r.queries, s)
		} else {
			r.answered = append(r.answered, s)
		}
		count := len(r.queries)
		r.mu.Unlock()
		if s.m.Kind == wire.Query {
			b(r, count-1, s)
		}
	}
}

func (r *responder) send(b []byte, to netip.AddrPort) { _, _ = r.conn.WriteToUDPAddrPort(b, to) }

// all is what came so far.
func (r *responder) all() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.queries)
}

func (r *responder) responses() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.answered)
}

func (r *responder) count(m wire.Method) (n uint64) {
	for _, q := range r.all() {
		if q.m.Method == m {
			n++
		}
	}
	return n
}

var responderID = []byte("responder-responder-")

// goodAnswer is the response that a node would give; the token is good for one host and info_hash.
func goodAnswer(q seen) []byte {
	m := wire.Message{Kind: wire.Response, T: q.m.T, ID: responderID}
	switch q.m.Method {
	case wire.FindNode:
		m.Nodes = []byte{}
	case wire.GetPeers:
		m.Nodes = []byte{}
		m.Token = tokenFor(q)
	}
	return m.Append(nil)
}

func tokenFor(q seen) []byte {
	return append(q.from.Addr().AsSlice(), q.m.InfoHash[:4]...)
}

func errorAnswer(q seen, code int64) []byte {
	m := wire.Message{Kind: wire.Error, T: q.m.T, Code: code, Text: []byte("no")}
	return m.Append(nil)
}

// good answers everything.
func good(r *responder, _ int, q seen) { r.send(goodAnswer(q), q.from) }

// flowsOf counts the queries of each flow.
func flowsOf(queries []seen) map[netip.AddrPort]int {
	m := map[netip.AddrPort]int{}
	for _, q := range queries {
		m[q.from]++
	}
	return m
}
