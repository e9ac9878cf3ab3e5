package dht

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha1"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// The test vectors of BEP 44.
func TestItemVectors(t *testing.T) {
	key := unhex(t, "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548")
	value := []byte("12:Hello World!")
	for _, c := range []struct {
		salt, sig, target string
	}{
		{"", "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff" +
			"1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01", "4a533d47ec9c7d95b1ad75f576cffc641853b750"},
		{"foobar", "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d" +
			"df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08", "411eba73b6f087ca51a3795d9c8c938d365e32c1"},
	} {
		it := Item{Value: value, Key: key, Salt: []byte(c.salt), Seq: 1, Sig: unhex(t, c.sig)}
		target := it.Target()
		require.Equal(t, c.target, hex.EncodeToString(target[:]))
		require.NoError(t, it.check(&target))
		it.Seq++
		require.ErrorContains(t, it.check(&target), "signature")
	}
	target := (&Item{Value: value}).Target()
	require.Equal(t, "e5f96f6f38320f0f33959cb4d3d656452117aadb", hex.EncodeToString(target[:]))
}

func TestItemCheck(t *testing.T) {
	key := keyPair(7)
	good := SignedItem(key, []byte("salt"), 5, []byte("i42e"))
	target := good.Target()
	require.NoError(t, good.check(&target))
	for name, spoil := range map[string]func(*Item){
		"value of 0":               func(it *Item) { it.Value = nil },
		"value: must be canonical": func(it *Item) { it.Value = []byte("hello") },
		"sequence number -5":       func(it *Item) { it.Seq = -5 },
		"value of 1001":            func(it *Item) { it.Value = make([]byte, 1001) },
		"key of 31":                func(it *Item) { it.Key = it.Key[1:] },
		"salt of 65":               func(it *Item) { it.Salt = make([]byte, 65) },
		"signature of 63":          func(it *Item) { it.Sig = it.Sig[1:] },
		"signature is not":         func(it *Item) { it.Value = []byte("i43e") },
		"does not belong":          func(it *Item) { it.Salt = nil },
		"does not belong at":       func(it *Item) { it.Key = nil },
		"signature is not the":     func(it *Item) { it.Sig = slices.Clone(it.Sig); it.Sig[0] ^= 1 },
	} {
		it := good
		spoil(&it)
		require.ErrorContains(t, it.check(&target), name)
	}
}

// among runs a search among 60 strangers who all give tokens and answer gets with what reply says, if anything. It
// returns the result and what was announced or put.
func among(t *testing.T, s Search, reply func(i int, r *wire.Message), store func(wire.Message) wire.Message) (Result, []wire.Message) {
	all := strangers(rand.New(rand.NewPCG(4, 4)), 60, 0, addr4)
	n := newNode(t, Config{MaxNodes: 1})
	n.Bootstrap(0, all[0].addr)
	n.seeds[v4].round = forever
	var stored []wire.Message
	r := searchAmong(t, n, all, s, func(who *stranger, q wire.Message) wire.Message {
		i := slices.Index(all, who)
		if q.Method != s.Method {
			require.Equal(t, []byte{'t', byte(i)}, q.Token, "the token of another node")
			stored = append(stored, q)
			return store(q)
		}
		r := who.answerTo(q)
		r.Token = []byte{'t', byte(i)}
		reply(i, &r)
		return r
	})
	return r, stored
}

func confirm(wire.Message) wire.Message { return wire.Message{} }

// TestGetMutable offers old items, new ones, and forgeries: the newest genuine one is delivered, and put again.
func TestGetMutable(t *testing.T) {
	key, salt := keyPair(7), []byte("s")
	seqs := []int64{3, 9}
	var delivered []int64
	first := SignedItem(key, salt, 1, []byte("i1e"))
	s := Search{Method: wire.Get, Target: first.Target(), Salt: salt}
	s.Item = func(it Item) { delivered = append(delivered, it.Seq) }
	cas := int64(9)
	s.Put = func(newest *Item) *Put {
		require.Equal(t, int64(9), newest.Seq)
		return &Put{Item: SignedItem(key, salt, newest.Seq+1, []byte("3:new")), CAS: &cas}
	}
	r, stored := among(t, s, func(i int, r *wire.Message) {
		it := SignedItem(key, salt, seqs[i%2], []byte("3:old"))
		r.Value, r.Key, r.Sig, r.Seq, r.Has = it.Value, it.Key, it.Sig, it.Seq, wire.HasSeq
		switch i % 7 {
		case 0:
			r.Seq = 100
		case 1:
			r.Value = []byte("5:wrong")
		case 2:
			other := SignedItem(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, 32)), salt, 200, []byte("i1e"))
			r.Value, r.Key, r.Sig, r.Seq = other.Value, other.Key, other.Sig, other.Seq
		case 3:
			r.Has = 0
		case 4:
			r.Key = nil
		}
	}, confirm)
	require.NotEmpty(t, delivered)
	require.True(t, slices.IsSorted(delivered))
	require.Equal(t, int64(9), delivered[len(delivered)-1])
	require.Equal(t, SignedItem(key, salt, 9, []byte("3:old")), *r.Item)
	require.Len(t, stored, K)
	require.Equal(t, []int{K, K}, []int{r.Offered, r.Stored})
	for _, m := range stored {
		require.Equal(t, wire.Put, m.Method)
		got := Item{Value: m.Value, Key: m.Key, Salt: m.Salt, Seq: m.Seq, Sig: m.Sig}
		require.NoError(t, got.check(&s.Target))
		require.Equal(t, int64(10), m.Seq)
		require.Equal(t, cas, m.CAS)
		require.Equal(t, wire.HasSeq|wire.HasCAS, m.Has)
	}
}

func TestGetImmutable(t *testing.T) {
	value := []byte("d1:ai1ee")
	s := Search{Method: wire.Get, Target: sha1.Sum(value)}
	s.Put = func(newest *Item) *Put {
		require.Equal(t, value, newest.Value)
		return &Put{Item: *newest}
	}
	deliveries := 0
	s.Item = func(it Item) { deliveries++ }
	r, stored := among(t, s, func(i int, r *wire.Message) {
		if r.Value = value; i%2 == 0 {
			r.Value = []byte("i1e")
		}
	}, confirm)
	require.Equal(t, 1, deliveries)
	require.Equal(t, Item{Value: value}, *r.Item)
	require.Len(t, stored, K)
	for _, m := range stored {
		require.Equal(t, value, m.Value)
		require.Nil(t, m.Key)
		require.Zero(t, m.Has)
	}
}

// TestPutRefusals: what cannot belong there is not sent, nothing to put is no error, and refusals are counted.
func TestPutRefusals(t *testing.T) {
	nothing := func(int, *wire.Message) {}
	s := Search{Method: wire.Get, Target: wire.ID{1}}
	s.Put = func(newest *Item) *Put { require.Nil(t, newest); return &Put{Item: Item{Value: []byte("i1e")}} }
	r, stored := among(t, s, nothing, confirm)
	require.ErrorContains(t, r.StoreError, "put: the item does not belong")
	require.Empty(t, stored)
	s.Put = func(*Item) *Put { return nil }
	r, stored = among(t, s, nothing, confirm)
	require.NoError(t, r.StoreError)
	require.Empty(t, stored)
	require.Nil(t, r.Item)
}

// TestAnnounce announces to the nearest who gave a token, and counts who confirmed.
func TestAnnounce(t *testing.T) {
	s := Search{Method: wire.GetPeers, Target: wire.ID{9}, Announce: &Announce{Port: 70, Seed: true}, Scrape: true}
	var peers []netip.AddrPort
	s.Peer = func(a netip.AddrPort) { peers = append(peers, a) }
	r, stored := among(t, s, func(i int, r *wire.Message) {
		switch {
		case i%4 == 0:
			r.Token = nil
		case i%4 == 1:
			r.Token = make([]byte, maxToken+1)
		}
		r.Values = wire.AppendPeer(nil, addr4(1000+i/2))
		r.BFsd, r.BFpe = make([]byte, 256), make([]byte, 256)
		r.BFsd[i], r.BFpe[0] = 1, 3
	}, func(m wire.Message) wire.Message {
		require.Equal(t, int64(70), m.Port)
		require.True(t, m.Seed)
		require.False(t, m.ImpliedPort)
		return wire.Message{}
	})
	require.Less(t, len(stored), K)
	require.Equal(t, []int{len(stored), len(stored)}, []int{r.Offered, r.Stored})
	require.Len(t, peers, r.Peers)
	require.Len(t, slices.Compact(slices.SortedFunc(slices.Values(peers), netip.AddrPort.Compare)), r.Peers, "some are delivered twice")
	require.InDelta(t, float64(r.Answered)/2, r.Swarm.Seeds(), 1)
	require.InDelta(t, 1, r.Swarm.Downloaders(), 0.01)
}

// TestSwarmUnites adds up what three nodes say about a swarm, one of them nothing.
func TestSwarmUnites(t *testing.T) {
	var s Swarm
	seed, both, peer := netip.MustParseAddr("1.2.3.4"), netip.MustParseAddr("5.6.7.8"), netip.MustParseAddr("2001:db8::1")
	filter := func(ips ...netip.Addr) []byte {
		var b Bloom
		for _, ip := range ips {
			b.Insert(ip)
		}
		return b[:]
	}
	s.unite(&wire.Message{BFsd: filter(seed), BFpe: filter(both)})
	s.unite(&wire.Message{})
	s.unite(&wire.Message{BFsd: filter(seed, both)})
	s.unite(&wire.Message{BFpe: filter(peer)})
	require.Equal(t, Swarm{SeedFilter: Bloom(filter(seed, both)), DownloaderFilter: Bloom(filter(both, peer))}, s)
	require.InDelta(t, 2, s.Seeds(), 0.01)
	require.InDelta(t, 2, s.Downloaders(), 0.01)
}
