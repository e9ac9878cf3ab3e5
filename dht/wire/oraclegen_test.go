//go:build !386 && !arm && !mips && !mipsle

package wire

import (
	"net"

	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"
	"pgregory.net/rapid"
)

// oracleSamples are messages as a node built on the oracle sends them: its queries, replies and an error.
func oracleSamples() []krpc.Msg {
	id, target := krpc.ID(id20), krpc.ID(peer20)
	port, one, token := 6881, int64(1), "12345678"
	node4 := krpc.NodeInfo{ID: id, Addr: krpc.NodeAddr{IP: net.IP{192, 0, 2, 7}, Port: 6881}}
	node6 := krpc.NodeInfo{ID: id, Addr: krpc.NodeAddr{IP: addr6.Addr().AsSlice(), Port: 6881}}
	noSamples := krpc.CompactInfohashes{} // with any inside, it panics
	query := func(q string, a krpc.MsgArgs) krpc.Msg {
		a.ID = id
		return krpc.Msg{Y: "q", T: "aa", Q: q, A: &a}
	}
	reply := func(r krpc.Return) krpc.Msg {
		r.ID = target
		return krpc.Msg{Y: "r", T: "aa", R: &r, IP: node4.Addr}
	}
	return []krpc.Msg{
		query("ping", krpc.MsgArgs{}),
		{Y: "q", T: "aa", Q: "ping", A: &krpc.MsgArgs{ID: id}, ReadOnly: true, ClientId: "LT\x01\x02"},
		query("find_node", krpc.MsgArgs{Target: target, Want: []krpc.Want{krpc.WantNodes, krpc.WantNodes6}}),
		query("get_peers", krpc.MsgArgs{InfoHash: target, Scrape: 1, NoSeed: 1}),
		query("announce_peer", krpc.MsgArgs{InfoHash: target, Port: &port, ImpliedPort: true, Token: token}),
		query("get", krpc.MsgArgs{Target: target, Seq: &one}),
		query("put", krpc.MsgArgs{Token: token, V: "Hello World!"}),
		query("put", krpc.MsgArgs{Token: token, V: []any{"a", int64(1)}, Seq: &one, Cas: 1, K: [32]byte(bep44Key),
			Sig: [64]byte(bep44Sig), Salt: []byte("foobar")}),
		query("sample_infohashes", krpc.MsgArgs{Target: target}),
		query("vote", krpc.MsgArgs{Target: target}),
		reply(krpc.Return{}),
		reply(krpc.Return{Nodes: krpc.CompactIPv4NodeInfo{node4, node4}, Nodes6: krpc.CompactIPv6NodeInfo{node6}}),
		reply(krpc.Return{Token: &token, Values: []krpc.NodeAddr{node4.Addr, node6.Addr}}),
		reply(krpc.Return{BFsd: (*krpc.ScrapeBloomFilter)(bep33), BFpe: (*krpc.ScrapeBloomFilter)(bep33)}),
		reply(krpc.Return{Bep44Return: krpc.Bep44Return{V: bencode.Bytes("12:Hello World!"), K: [32]byte(bep44Key),
			Sig: [64]byte(bep44Sig), Seq: &one}}),
		reply(krpc.Return{Bep51Return: krpc.Bep51Return{Interval: &one, Num: &one, Samples: &noSamples}}),
		{Y: "e", T: "aa", E: &krpc.Error{Code: 203, Msg: "invalid token"}},
		{Y: "e", T: "aa", E: &krpc.ErrorMethodUnknown},
	}
}

// An oracleGen draws the parts of the oracle's messages.
type oracleGen struct{ *rapid.T }

func (t oracleGen) flag(label string) bool  { return rapid.Bool().Draw(t.T, label) }
func (t oracleGen) str(label string) string { return string(optional(t.T, label, 0, 1, 4, 8, 20)) }

func (t oracleGen) number(label string) *int64 {
	if !t.flag(label + "?") {
		return nil
	}
	n := rapid.Int64().Draw(t.T, label)
	return &n
}

func (t oracleGen) id(label string) (id krpc.ID) {
	copy(id[:], optional(t.T, label, 20))
	return id
}

func (t oracleGen) node(ipLength int) (n krpc.NodeInfo) {
	n.ID = t.id("node id")
	n.Addr.IP = rapid.SliceOfN(rapid.Byte(), ipLength, ipLength).Draw(t.T, "ip")
	n.Addr.Port = int(rapid.Uint16().Draw(t.T, "port"))
	return n
}

func (t oracleGen) args() *krpc.MsgArgs {
	a := krpc.MsgArgs{ID: t.id("id"), InfoHash: t.id("info_hash"), Target: t.id("target"), Token: t.str("token"),
		ImpliedPort: t.flag("implied_port"), Seq: t.number("seq"), Salt: optional(t.T, "salt", 0, 6, 64),
		Scrape: rapid.Int().Draw(t.T, "scrape"), NoSeed: rapid.Int().Draw(t.T, "noseed"),
		Want: rapid.SliceOfN(rapid.SampledFrom([]krpc.Want{"n4", "n6", "", "n8"}), 0, 3).Draw(t.T, "want")}
	if n := t.number("port"); n != nil {
		port := int(*n)
		a.Port = &port
	}
	if n := t.number("cas"); n != nil {
		a.Cas = *n
	}
	copy(a.K[:], optional(t.T, "k", 32))
	copy(a.Sig[:], optional(t.T, "sig", 64))
	switch rapid.IntRange(0, 4).Draw(t.T, "v") {
	case 0:
		a.V = t.str("v")
	case 1:
		a.V = rapid.Int64().Draw(t.T, "v")
	case 2:
		a.V = []any{t.str("v"), rapid.Int64().Draw(t.T, "v")}
	case 3:
		a.V = map[string]any{t.str("k"): t.str("v"), t.str("k"): []any{}}
	}
	return &a
}

func (t oracleGen) reply() *krpc.Return {
	r := krpc.Return{ID: t.id("id")}
	if t.flag("token?") {
		token := t.str("token")
		r.Token = &token
	}
	for range rapid.IntRange(0, 4).Draw(t.T, "nodes") {
		node4, node6 := t.node(4), t.node(16)
		r.Nodes = append(r.Nodes, node4)
		r.Nodes6 = append(r.Nodes6, node6)
		r.Values = append(r.Values, node4.Addr, node6.Addr)
	}
	r.Interval, r.Num, r.Seq = t.number("interval"), t.number("num"), t.number("seq")
	if t.flag("samples?") {
		r.Samples = &krpc.CompactInfohashes{} // with any inside, it panics
	}
	if t.flag("item?") {
		r.V = anyBencode(t.T, 2)
		copy(r.K[:], optional(t.T, "k", 32))
		copy(r.Sig[:], optional(t.T, "sig", 64))
	}
	return &r
}

// anyOracle is a message of the oracle's, of any shape that it can write.
func anyOracle(rt *rapid.T) krpc.Msg {
	t := oracleGen{rt}
	msg := krpc.Msg{T: t.str("t"), ClientId: t.str("v"), ReadOnly: t.flag("ro")}
	if t.flag("ip?") {
		msg.IP = t.node(rapid.SampledFrom([]int{4, 16}).Draw(rt, "ip length")).Addr
	}
	switch msg.Y = rapid.SampledFrom([]string{"q", "r", "e"}).Draw(rt, "y"); msg.Y {
	case "q":
		msg.Q = rapid.SampledFrom(append(methodNames[1:], "vote", "")).Draw(rt, "q")
		msg.A = t.args()
	case "r":
		msg.R = t.reply()
	case "e":
		msg.E = &krpc.Error{Code: rapid.Int().Draw(rt, "code"), Msg: t.str("text")}
	}
	return msg
}
