package dht

import (
	"testing"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// FuzzSearch answers the queries of three searches with what the fuzzer makes up: a response with an id of its choice
// and any further keys, each time from another place of the data. Every bound must hold, and every search must end.
func FuzzSearch(f *testing.F) {
	key := testKey()
	it := SignedItem(key, nil, 1, []byte("i1e"))
	target := it.Target()
	m := wire.Message{
		Kind: wire.Response, ID: target[:], Token: []byte("t"), Values: wire.AppendPeer(nil, addr4(7)),
		Nodes: wire.AppendNode(nil, filledID(1), addr4(8)), Nodes6: wire.AppendNode(nil, filledID(2), addr6(9)),
		BFsd: make([]byte, 256), Value: it.Value, Key: it.Key, Sig: it.Sig, Seq: it.Seq, Has: wire.HasSeq,
	}
	f.Add(byte(20), m.Append(nil)[4:])
	f.Add(byte(26), wire.AppendNode(wire.AppendNode(nil, filledID(1), addr4(8)), filledID(2), addr4(9)))
	f.Add(byte(1), []byte("6:valuesl6:abcdefe5:token0:1:v0:"))
	f.Add(byte(0), []byte{})
	f.Fuzz(func(t *testing.T, step byte, data []byte) {
		n := newNode(t, Config{MaxNodes: 100})
		n.Bootstrap(0, addr4(1), addr6(1))
		running, at := 0, 0
		for _, s := range []Search{
			{Method: wire.FindNode}, {Method: wire.GetPeers, Scrape: true, Announce: &Announce{Implied: true}},
			{Method: wire.Get, Put: func(newest *Item) *Put { return &Put{Item: it} }},
		} {
			s.Target = target
			s.Done = func(r Result) {
				running--
				require.LessOrEqual(t, len(r.Closest), families*K)
				require.LessOrEqual(t, r.Stored, r.Offered)
				require.LessOrEqual(t, r.Asked, families*lookupQueries)
			}
			require.NoError(t, n.Search(0, s))
			running++
		}
		take := func(size int) []byte {
			from := min(at, len(data))
			at = (at + int(step)) % (len(data) + 1)
			return data[from:min(from+size, len(data))]
		}
		now := Instant(0)
		for ; running > 0 && now < Instant(5*lookupLife); now = n.NextWake() {
			for _, q := range drain(t, n, now) {
				id := make([]byte, 20)
				copy(id, take(20))
				in := append(append(append([]byte("d1:rd2:id20:"), id...), take(1000)...), "e1:t4:"...)
				in = append(append(in, q.m.T...), "1:y1:re"...)
				if at%2 == 0 { // what is not even bencode, most of the time, or else what is
					r := wire.Message{Kind: wire.Response, T: q.m.T, ID: id, Token: take(9), Nodes: take(26 * 4)}
					r.Nodes = r.Nodes[:len(r.Nodes)/26*26]
					in = r.Append(nil)
				}
				n.Handle(now, q.to, in, nil)
			}
			for _, l := range n.lookups.slots {
				if l != nil {
					require.LessOrEqual(t, max(len(l.walks[v4].candidates), len(l.walks[v6].candidates)), walkCandidates)
				}
			}
		}
		require.Zero(t, running, "searches that do not end")
	})
}
