package main

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

// peer is another node, or what passes for one: a socket that asks, and that answers the node's own queries if told to.
type peer struct {
	t       testing.TB
	conn    *net.UDPConn
	id      wire.ID
	answer  func(query *wire.Message) *wire.Message // nil: never
	queries int                                     // of the node's own that came
	asked   int
}

// newPeer binds ip, which is an address of this machine. Its id is made of its port.
func newPeer(t testing.TB, ip string) *peer {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	p := &peer{t: t, conn: conn}
	copy(p.id[:], "peer at port "+strconv.Itoa(int(p.addr().Port()))+"........")
	return p
}

func (p *peer) addr() netip.AddrPort {
	a := p.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// alive makes p answer the node's queries as a good node does.
func (p *peer) alive() *peer {
	p.answer = func(*wire.Message) *wire.Message { return &wire.Message{Kind: wire.Response, ID: p.id[:]} }
	return p
}

func (p *peer) send(to netip.AddrPort, datagram []byte) {
	p.t.Helper()
	_, err := p.conn.WriteToUDPAddrPort(datagram, to)
	require.NoError(p.t, err)
}

// ask sends a query with the id and a transaction id of p's, and returns the reply and where it came from.
func (p *peer) ask(to netip.AddrPort, m wire.Message) (*wire.Message, netip.AddrPort) {
	p.t.Helper()
	p.asked++
	m.Kind, m.T = wire.Query, []byte("t"+strconv.Itoa(p.asked))
	if m.ID == nil {
		m.ID = p.id[:]
	}
	p.send(to, m.Append(nil))
	return p.await(m.T)
}

// await serves the node's queries until a reply with this transaction id comes, or, if that is nil, one query.
func (p *peer) await(transaction []byte) (*wire.Message, netip.AddrPort) {
	p.t.Helper()
	require.NoError(p.t, p.conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		datagram := make([]byte, 1<<16)
		n, from, err := p.conn.ReadFromUDPAddrPort(datagram)
		require.NoError(p.t, err)
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		var m wire.Message
		require.NoError(p.t, wire.Parse(datagram[:n], &m), "%q", datagram[:n])
		if m.Kind == wire.Query {
			p.queries++
			if p.answer != nil {
				answer := p.answer(&m)
				answer.T = m.T
				p.send(from, answer.Append(nil))
			}
			if transaction == nil {
				return &m, from
			}
			continue
		}
		require.Equal(p.t, transaction, m.T)
		return &m, from
	}
}

// compact is how an address stands in "ip" and "values".
func compact(a netip.AddrPort) []byte { return wire.AppendAddr(nil, a) }
