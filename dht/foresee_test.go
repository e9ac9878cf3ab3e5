package dht

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// TestForesightChangesNothing gives two nodes that are alike the same datagrams, good ones and broken ones. To one they are
// announced, in batches of any size, some of which are more than it looks ahead.
func TestForesightChangesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	seeing, blind := newNode(t, Config{}), newNode(t, Config{})
	for _, n := range []*Node{seeing, blind} {
		for i := range 2000 {
			hold(t, n, idOf(byte(i), byte(i>>8), 1), addrOf(family(i%2), i), 0)
		}
	}
	random := rand.NewChaCha8([32]byte{5})
	randomID := func() (id wire.ID) {
		random.Read(id[:])
		return id
	}
	var infohashes [50]wire.ID
	for i := range infohashes {
		infohashes[i] = randomID()
	}
	tokens := map[netip.Addr]map[wire.ID][]byte{}
	now, answers, values := Instant(0), 0, 0
	for range 500 {
		type datagram struct {
			src netip.AddrPort
			in  []byte
			m   wire.Message
		}
		var batch []datagram
		for range rng.IntN(2 * Ahead) {
			d := datagram{src: addrOf(family(rng.IntN(2)), 3000+rng.IntN(100))}
			id, target := randomID(), randomID()
			infohash := infohashes[rng.IntN(len(infohashes))]
			d.m = wire.Message{Kind: wire.Query, T: []byte("aa"), ID: id[:]}
			switch rng.IntN(4) {
			case 0:
				d.m.Method = wire.Ping
			case 1:
				d.m.Method, d.m.Target = wire.FindNode, target[:]
			case 2:
				d.m.Method, d.m.InfoHash = wire.GetPeers, infohash[:]
			case 3:
				d.m.Method, d.m.InfoHash = wire.AnnouncePeer, infohash[:]
				d.m.ImpliedPort = rng.IntN(2) == 0
				d.m.Token, d.m.Has, d.m.Port = tokens[d.src.Addr()][infohash], wire.HasPort, 1234
			}
			d.in = d.m.Append(nil)
			if rng.IntN(8) == 0 {
				d.in[rng.IntN(len(d.in))] ^= byte(1 + rng.IntN(255))
			}
			if rng.IntN(8) == 0 {
				d.in = d.in[:rng.IntN(len(d.in)+1)]
			}
			batch = append(batch, d)
		}
		for _, d := range batch {
			seeing.Expect(d.src, d.in)
		}
		seeing.Foresee()
		for _, d := range batch {
			want, wantOutcome := blind.Handle(now, d.src, d.in, nil)
			got, outcome := seeing.Handle(now, d.src, d.in, nil)
			require.Equal(t, wantOutcome, outcome)
			require.Equal(t, string(want), string(got))
			var r wire.Message
			if wire.Parse(got, &r) != nil {
				continue
			}
			answers++
			if len(r.Values) > 0 {
				values++
			}
			if r.Token != nil && len(d.m.InfoHash) == 20 {
				if tokens[d.src.Addr()] == nil {
					tokens[d.src.Addr()] = map[wire.ID][]byte{}
				}
				tokens[d.src.Addr()][wire.ID(d.m.InfoHash)] = r.Token
			}
		}
		now = now.Add(time.Second)
	}
	require.Greater(t, answers, 10_000)
	require.Greater(t, values, 1000)
}
