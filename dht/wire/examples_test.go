package wire

import (
	"encoding/hex"
	"net/netip"
	"strings"
)

// A sample is a message under a name, for the tests that want one of each sort.
type sample struct {
	name string
	msg  Message
}

var (
	id20   = []byte("abcdefghij0123456789") // the ids of BEP 5's examples
	peer20 = []byte("mnopqrstuvwxyz123456")
	t4     = []byte("aa\x01\x02")
	v4     = []byte("SN\x00\x01")
	addr4  = netip.MustParseAddrPort("192.0.2.7:6881")
	addr6  = netip.MustParseAddrPort("[2001:db8::7]:6881")
)

// The test vectors of BEP 44 (key, signature of "12:Hello World!" at sequence number 1) and BEP 33 (a filter
// holding 1,256 addresses).
var (
	bep44Key  = unhex("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548")
	bep44Sig  = unhex("305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01")
	bep44Goal = unhex("4a533d47ec9c7d95b1ad75f576cffc641853b750")
	bep33     = unhex(`
		F6C3F5EA A07FFD91 BDE89F77 7F26FB2B FF37BDB8 FB2BBAA2 FD3DDDE7 BACFFF75 EE7CCBAE
		FE5EEDB1 FBFAFF67 F6ABFF5E 43DDBCA3 FD9B9FFD F4FFD3E9 DFF12D1B DF59DB53 DBE9FA5B
		7FF3B8FD FCDE1AFB 8BEDD7BE 2F3EE71E BBBFE93B CDEEFE14 8246C2BC 5DBFF7E7 EFDCF24F
		D8DC7ADF FD8FFFDF DDFFF7A4 BBEEDF5C B95CE81F C7FCFF1F F4FFFFDF E5F7FDCB B7FD79B3
		FA1FC77B FE07FFF9 05B7B7FF C7FEFEFF E0B8370B B0CD3F5B 7F2BD93F EB4386CF DD6F7FD5
		BFAF2E9E BFFFFEEC D67ADBF7 C67F17EF D5D75EBA 6FFEBA7F FF47A91E B1BFBB53 E8ABFB57
		62ABE8FF 237279BF EFBFEEF5 FFC5FEBF DFE5ADFF ADFEE1FB 737FFFFB FD9F6AEF FEEE76B6
		FD8F72EF`)
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// nodes is n compact nodes of either family.
func nodes(n int, a netip.AddrPort) (b []byte) {
	for i := range n {
		b = AppendNode(b, ID(append([]byte{byte(i)}, id20[1:]...)), a)
	}
	return b
}

// query and reply fill in what every message of their kind carries.
func query(method Method, m Message) Message {
	m.Kind, m.Method, m.T, m.ID, m.Version = Query, method, t4, id20, v4
	return m
}

func reply(m Message) Message {
	m.Kind, m.T, m.ID, m.Version, m.IP = Response, t4, peer20, v4, AppendAddr(nil, addr4)
	return m
}

// samples holds every query, every reply and an error, as a well-made node sends them.
func samples() []sample {
	peers4 := AppendPeer(AppendPeer(nil, addr4), addr4)
	return []sample{
		{"ping", query(Ping, Message{})},
		{"ping read-only", query(Ping, Message{ReadOnly: true})},
		{"find_node", query(FindNode, Message{Target: peer20})},
		{"find_node want", query(FindNode, Message{Target: peer20, Want: Want4 | Want6})},
		{"get_peers", query(GetPeers, Message{InfoHash: peer20})},
		{"get_peers scrape", query(GetPeers, Message{InfoHash: peer20, NoSeed: true, Scrape: true, Want: Want6})},
		{"announce_peer", query(AnnouncePeer, Message{InfoHash: peer20, Token: []byte("12345678"), Has: HasPort, Port: 6881})},
		{"announce_peer seed", query(AnnouncePeer, Message{InfoHash: peer20, Token: []byte("12345678"), Has: HasPort,
			ImpliedPort: true, Seed: true})},
		{"get", query(Get, Message{Target: bep44Goal})},
		{"get newer", query(Get, Message{Target: bep44Goal, Has: HasSeq, Seq: 1})},
		{"put immutable", query(Put, Message{Token: []byte("12345678"), Value: []byte("12:Hello World!")})},
		{"put mutable", query(Put, Message{Token: []byte("12345678"), Value: []byte("12:Hello World!"), Key: bep44Key,
			Sig: bep44Sig, Salt: []byte("foobar"), Has: HasSeq | HasCAS, Seq: 2, CAS: 1})},
		{"sample_infohashes", query(SampleInfohashes, Message{Target: peer20})},
		{"unknown method", query(Unknown, Message{Name: []byte("vote"), Target: peer20})},
		{"id only", reply(Message{})},
		{"nodes", reply(Message{Nodes: nodes(8, addr4)})},
		{"nodes6", reply(Message{Nodes: nodes(8, addr4), Nodes6: nodes(8, addr6)})},
		{"values", reply(Message{Nodes: nodes(8, addr4), Token: []byte("12345678"), Values: peers4})},
		{"values6", reply(Message{Nodes6: nodes(8, addr6), Token: []byte("12345678"), Values: AppendPeer(nil, addr6)})},
		{"scrape", reply(Message{Nodes: nodes(8, addr4), Token: []byte("12345678"), BFsd: bep33, BFpe: bep33})},
		{"item", reply(Message{Nodes: nodes(8, addr4), Token: []byte("12345678"), Key: bep44Key, Sig: bep44Sig,
			Has: HasSeq, Seq: 1, Value: []byte("12:Hello World!")})},
		{"samples", reply(Message{Nodes: nodes(8, addr4), Samples: append(peer20[:20:20], id20...), Has: HasInterval | HasNum,
			Interval: 21600, Num: 2})},
		{"no samples", reply(Message{Samples: []byte{}, Has: HasInterval | HasNum})},
		{"error", Message{Kind: Error, T: t4, Version: v4, IP: AppendAddr(nil, addr6), Code: CodeProtocol,
			Text: []byte("invalid token")}},
	}
}

// findSample is the message of the sample called name.
func findSample(name string) Message {
	for _, s := range samples() {
		if s.name == name {
			return s.msg
		}
	}
	panic("no sample " + name)
}
