package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"net"
	"testing"
	"time"

	"github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/bep44"
	"github.com/anacrolix/dht/v2/exts/getput"
	"github.com/anacrolix/torrent/bencode"
	"github.com/stretchr/testify/require"
)

// TestItemsOfAnother lets another implementation of BEP 44 store items with the command and find them again: it makes
// targets, signatures and messages by itself, and believes nothing it cannot verify.
func TestItemsOfAnother(t *testing.T) {
	p := start(t)
	client := func() *dht.Server {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		config := dht.NewDefaultServerConfig()
		config.Conn, config.NoSecurity, config.Passive = conn, true, true
		config.StartingNodes = func() ([]dht.Addr, error) {
			return []dht.Addr{dht.NewAddr(net.UDPAddrFromAddrPort(p.listen[0]))}, nil
		}
		server, err := dht.NewServer(config)
		require.NoError(t, err)
		t.Cleanup(server.Close)
		return server
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	priv := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	key := [32]byte(priv.Public().(ed25519.PublicKey))
	value := map[string]any{"ih": "an info_hash of ours", "list": []any{int64(1), "two"}}
	encoded := bencode.MustMarshal(value)

	for _, salt := range [][]byte{nil, []byte("linux")} {
		for want := range int64(3) { // each put raises the number that it found
			target := bep44.MakeMutableTarget(key, salt)
			_, err := getput.Put(ctx, target, client(), salt, func(seq int64) bep44.Put {
				require.Equal(t, want, seq)
				put := bep44.Put{V: value, K: &key, Salt: salt, Seq: seq + 1}
				put.Sign(priv)
				return put
			})
			require.NoError(t, err)
			found, _, err := getput.Get(ctx, target, client(), nil, salt)
			require.NoError(t, err)
			require.True(t, found.Mutable)
			require.Equal(t, want+1, found.Seq)
			require.Equal(t, string(encoded), string(found.V))
		}
	}

	immutable := bep44.Put{V: value}
	_, err := getput.Put(ctx, immutable.Target(), client(), nil, func(int64) bep44.Put { return immutable })
	require.NoError(t, err)
	found, _, err := getput.Get(ctx, immutable.Target(), client(), nil, nil)
	require.NoError(t, err)
	require.False(t, found.Mutable)
	require.Equal(t, string(encoded), string(found.V))
	p.awaitMetrics(map[string]float64{"supernode_items": 3, `supernode_errors_total{code="203"}`: 0})
	p.stopped()
}
