package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht"
	"supernode/dht/wire"
)

// serveNode runs a node on loopback that knows one peer, until the test ends.
func serveNode(t *testing.T, infohash wire.ID, peer netip.AddrPort) netip.AddrPort {
	node, err := dht.New(dht.Config{Seed: [32]byte{1}, MaxNodes: 100, MaxPeers: 100, AllowPrivate: true})
	require.NoError(t, err)
	tell := func(q wire.Message) (r wire.Message) {
		q.Kind, q.T, q.ID, q.InfoHash = wire.Query, []byte("aa"), infohash[:], infohash[:]
		reply, _ := node.Handle(0, peer, q.Append(nil), nil)
		require.NoError(t, wire.Parse(reply, &r))
		require.Equal(t, wire.Response, r.Kind)
		return r
	}
	token := tell(wire.Message{Method: wire.GetPeers}).Token
	tell(wire.Message{Method: wire.AnnouncePeer, Token: token, ImpliedPort: true})

	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		in := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(in)
			if err != nil {
				return
			}
			if reply, _ := node.Handle(0, from, in[:n], nil); len(reply) > 0 {
				conn.WriteToUDPAddrPort(reply, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestLookup(t *testing.T) {
	infohash, peer := wire.ID{1, 2, 3}, netip.MustParseAddrPort("127.0.0.9:4321")
	node := serveNode(t, infohash, peer)
	var stdout, stderr bytes.Buffer
	err := run(context.Background(), []string{"--allow-private", "--bootstrap", node.String(), hex.EncodeToString(infohash[:])}, &stdout, &stderr)
	require.NoError(t, err)
	require.Equal(t, peer.String()+"\n", stdout.String())
	require.Equal(t, "1 peers, 1 nodes asked, 1 answered\n", stderr.String())
}

func TestErrors(t *testing.T) {
	const hash = "0102030405060708090a0b0c0d0e0f1011121314"
	unheard, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer unheard.Close()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "one INFO_HASH is needed"},
		{[]string{"abc"}, "40 hexadecimal digits"},
		{[]string{hash, hash}, "one INFO_HASH is needed"},
		{[]string{"--bootstrap", "127.0.0.1", hash}, "must be HOST:PORT"},
		{[]string{"--bootstrap", "127.0.0.1:nope", hash}, "--bootstrap 127.0.0.1:nope"},
		{[]string{"--timeout", "x", hash}, "timeout"},
		{[]string{"--bootstrap", "127.0.0.1:1", hash}, "--allow-private"}, // out of reach
		{[]string{"--allow-private", "--timeout", "10ms", "--bootstrap", unheard.LocalAddr().String(), hash}, "deadline"},
	} {
		require.ErrorContains(t, run(context.Background(), c.args, io.Discard, io.Discard), c.want, c.args)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	<-ctx.Done()
	args := []string{"--allow-private", "--bootstrap", unheard.LocalAddr().String(), hash}
	require.ErrorIs(t, run(ctx, args, io.Discard, io.Discard), context.DeadlineExceeded)
}
