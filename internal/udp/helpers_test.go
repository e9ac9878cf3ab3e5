package udp

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patienceOfTests bounds every wait, so that a failing test ends; none that passes comes near it.
const patienceOfTests = 10 * time.Second

type backend struct {
	name string
	open func([]netip.AddrPort, Options) (Transport, error)
}

var loopbacks = []struct{ name, addr string }{
	{"IPv4", "127.0.0.1:0"},
	{"IPv6", "[::1]:0"},
}

// eachBackend runs test on every backend and address family.
func eachBackend(t *testing.T, test func(t *testing.T, b backend, addr string)) {
	for _, b := range backends {
		for _, l := range loopbacks {
			t.Run(b.name+"/"+l.name, func(t *testing.T) { test(t, b, l.addr) })
		}
	}
}

// open opens a transport on addrs and closes it when the test ends.
func (b backend) mustOpen(t testing.TB, o Options, addrs ...string) Transport {
	t.Helper()
	var listen []netip.AddrPort
	for _, a := range addrs {
		listen = append(listen, netip.MustParseAddrPort(a))
	}
	tr, err := b.open(listen, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tr.Close()) })
	return tr
}

// datagram is a delivered one, copied out of its Inbox.
type datagram struct {
	socket  int
	payload []byte
	source  netip.AddrPort
	local   netip.Addr
}

// receive receives until there are n datagrams.
func receive(t testing.TB, tr Transport, in *Inbox, n int) (got []datagram) {
	t.Helper()
	for end := time.Now().Add(patienceOfTests); len(got) < n; {
		require.True(t, time.Now().Before(end), "only %d of %d datagrams came: %+v", len(got), n, tr.Stats())
		k, err := tr.Receive(in, time.Second)
		require.NoError(t, err)
		require.Equal(t, in.Len(), k)
		for i := range k {
			got = append(got, datagram{in.Socket(), bytes.Clone(in.Payload(i)), in.Source(i), in.Local(i)})
		}
	}
	return got
}

// send sends one datagram a payload through socket 0.
func send(tr Transport, to netip.AddrPort, from netip.Addr, payloads ...string) {
	out := NewOutbox(len(payloads))
	for _, p := range payloads {
		out.Add(append(out.Buffer(), p...), to, from)
	}
	tr.Send(out, 0)
}

func numbered(n int) (payloads []string) {
	for i := range n {
		payloads = append(payloads, fmt.Sprintf("datagram %d", i))
	}
	return payloads
}
