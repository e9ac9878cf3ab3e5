package main

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/dht"
	"supernode/dht/wire"
)

// TestItems leaves a pointer to a torrent with the command (BEP 44 and 46), moves it on, and finds it again in what
// the command shows of itself.
func TestItems(t *testing.T) {
	p := start(t, "--max-items", "10")
	q := newPeer(t, "127.0.0.1")
	ask := func(m wire.Message) *wire.Message {
		reply, _ := q.ask(p.listen[0], m)
		return reply
	}
	priv := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	k, salt := priv.Public().(ed25519.PublicKey), []byte("linux")
	target := dht.MutableTarget(k, salt)
	put := func(seq int64, infohash wire.ID) wire.Message {
		v := dht.AppendMutableTorrent(nil, infohash)
		return wire.Message{Method: wire.Put, Key: k, Salt: salt, Has: wire.HasSeq, Seq: seq, Value: v,
			Sig: dht.SignItem(priv, salt, seq, v)}
	}
	for seq := range int64(3) {
		m := put(seq, wire.ID{byte(seq)})
		m.Token = ask(wire.Message{Method: wire.Get, Target: target[:]}).Token
		require.NotEmpty(t, m.Token)
		require.Equal(t, wire.Response, ask(m).Kind)
	}
	found := ask(wire.Message{Method: wire.Get, Target: target[:]})
	require.True(t, dht.VerifyItem(found.Key, salt, found.Seq, found.Value, found.Sig))
	require.Equal(t, k, ed25519.PublicKey(found.Key))
	infohash, ok := dht.ParseMutableTorrent(found.Value)
	require.True(t, ok)
	require.Equal(t, wire.ID{2}, infohash)

	old := put(1, wire.ID{1})
	old.Token = found.Token
	require.EqualValues(t, wire.CodeSeqTooLow, ask(old).Code)
	p.awaitMetrics(map[string]float64{
		`supernode_queries_total{method="get"}`: 4,
		`supernode_queries_total{method="put"}`: 4,
		`supernode_errors_total{code="302"}`:    1,
		`supernode_items`:                       1,
	})
	_, page := p.get("/")
	require.Contains(t, page, "<td>1 values that others have stored</td>")
	_, health := p.get("/healthz")
	require.Contains(t, health, `"items":1`)
	p.stopped()
}
