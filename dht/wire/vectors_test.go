package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// vectors are messages as the BEPs print them (BEP 5) or describe them, with their own keys, signatures and
// filters (the others, which give no bencoded example). Canonical: Append writes it just so.
var vectors = []struct {
	name      string
	in        string
	want      Message
	canonical bool
}{
	{"BEP 5 generic error", "d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
		Message{Kind: Error, T: aa, Code: CodeGeneric, Text: []byte("A Generic Error Ocurred")}, true},
	{"BEP 5 ping", "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: Ping, Name: []byte("ping"), T: aa, ID: id20}, true},
	{"BEP 5 ping reply", "d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
		Message{Kind: Response, T: aa, ID: peer20}, true},
	{"BEP 5 find_node", "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: FindNode, Name: []byte("find_node"), T: aa, ID: id20, Target: peer20}, true},
	// The nodes of the BEP's replies are an ellipsis, nine bytes long, and so read as absent.
	{"BEP 5 find_node reply", "d1:rd2:id20:0123456789abcdefghij5:nodes9:def456...e1:t2:aa1:y1:re",
		Message{Kind: Response, T: aa, ID: []byte("0123456789abcdefghij")}, false},
	{"BEP 5 get_peers", "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: GetPeers, Name: []byte("get_peers"), T: aa, ID: id20, InfoHash: peer20}, true},
	{"BEP 5 get_peers reply, peers",
		"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
		Message{Kind: Response, T: aa, ID: id20, Token: []byte("aoeusnth"), Values: []byte("6:axje.u6:idhtnm")}, true},
	{"BEP 5 get_peers reply, nodes", "d1:rd2:id20:abcdefghij01234567895:nodes9:def456...5:token8:aoeusnthe1:t2:aa1:y1:re",
		Message{Kind: Response, T: aa, ID: id20, Token: []byte("aoeusnth")}, false},
	{"BEP 5 announce_peer",
		"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe" +
			"1:q13:announce_peer1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: AnnouncePeer, Name: []byte("announce_peer"), T: aa, ID: id20, InfoHash: peer20,
			Has: HasPort, Port: 6881, ImpliedPort: true, Token: []byte("aoeusnth")}, true},
	{"BEP 5 announce_peer, before implied_port",
		"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe" +
			"1:q13:announce_peer1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: AnnouncePeer, Name: []byte("announce_peer"), T: aa, ID: id20, InfoHash: peer20,
			Has: HasPort, Port: 6881, Token: []byte("aoeusnth")}, true},

	{"BEP 32 want", "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234564:wantl2:n42:n6ee1:q9:find_node1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: FindNode, Name: []byte("find_node"), T: aa, ID: id20, Target: peer20, Want: Want4 | Want6}, true},
	{"BEP 32 hybrid values", "d1:rd6:valuesl6:axje.u18:abcdefghijklmnopqree1:t2:aa1:y1:re",
		Message{Kind: Response, T: aa, Values: []byte("6:axje.u18:abcdefghijklmnopqr")}, true},
	{"BEP 32 nodes6", "d1:rd6:nodes638:abcdefghij0123456789" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x1a\xe1" + "e1:t2:aa1:y1:re",
		Message{Kind: Response, T: aa, Nodes6: AppendNode(nil, ID(id20), addr6)}, true},
	{"BEP 33 scrape", "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234566:noseedi1e6:scrapei1ee1:q9:get_peers1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: GetPeers, Name: []byte("get_peers"), T: aa, ID: id20, InfoHash: peer20, NoSeed: true, Scrape: true}, true},
	{"BEP 33 filters", "d1:rd4:BFpe256:" + string(bep33) + "4:BFsd256:" + string(bep33) + "2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
		Message{Kind: Response, T: aa, ID: peer20, BFpe: bep33, BFsd: bep33}, true},
	{"BEP 33 seed", "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti6881e4:seedi1e5:token8:aoeusnthe" +
		"1:q13:announce_peer1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: AnnouncePeer, Name: []byte("announce_peer"), T: aa, ID: id20, InfoHash: peer20,
			Has: HasPort, Port: 6881, Seed: true, Token: []byte("aoeusnth")}, true},
	// 124.31.75.21 and the id that BEP 42 derives from it.
	{"BEP 42 ip", "d2:ip6:\x7c\x1f\x4b\x15\x1a\xe11:rd2:id20:" + string(bep42ID) + "e1:t2:aa1:y1:re",
		Message{Kind: Response, T: aa, IP: []byte("\x7c\x1f\x4b\x15\x1a\xe1"), ID: bep42ID}, true},
	{"BEP 42 ip in an error", "d1:eli203e2:noe2:ip6:\x7c\x1f\x4b\x15\x1a\xe11:t2:aa1:y1:ee",
		Message{Kind: Error, T: aa, IP: []byte("\x7c\x1f\x4b\x15\x1a\xe1"), Code: CodeProtocol, Text: []byte("no")}, true},
	{"BEP 43 read-only", "d1:ad2:id20:abcdefghij0123456789e1:q4:ping2:roi1e1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: Ping, Name: []byte("ping"), T: aa, ID: id20, ReadOnly: true}, true},

	{"BEP 44 immutable put", "d1:ad2:id20:abcdefghij01234567895:token8:aoeusnth1:v12:Hello World!e1:q3:put1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: Put, Name: []byte("put"), T: aa, ID: id20, Token: []byte("aoeusnth"),
			Value: []byte("12:Hello World!")}, true},
	{"BEP 44 mutable put", "d1:ad3:casi0e2:id20:abcdefghij01234567891:k32:" + string(bep44Key) + "4:salt6:foobar3:seqi1e3:sig64:" +
		string(bep44Sig) + "5:token8:aoeusnth1:v12:Hello World!e1:q3:put1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: Put, Name: []byte("put"), T: aa, ID: id20, Token: []byte("aoeusnth"), Key: bep44Key,
			Salt: []byte("foobar"), Sig: bep44Sig, Has: HasSeq | HasCAS, Seq: 1, Value: []byte("12:Hello World!")}, true},
	{"BEP 44 get", "d1:ad2:id20:abcdefghij01234567893:seqi0e6:target20:" + string(bep44Goal) + "e1:q3:get1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: Get, Name: []byte("get"), T: aa, ID: id20, Target: bep44Goal, Has: HasSeq}, true},
	{"BEP 44 get reply", "d1:rd2:id20:mnopqrstuvwxyz1234561:k32:" + string(bep44Key) + "5:nodes0:6:nodes60:3:seqi1e3:sig64:" +
		string(bep44Sig) + "5:token8:aoeusnth1:v12:Hello World!e1:t2:aa1:y1:re",
		Message{Kind: Response, T: aa, ID: peer20, Key: bep44Key, Nodes: []byte{}, Nodes6: []byte{}, Has: HasSeq, Seq: 1,
			Sig: bep44Sig, Token: []byte("aoeusnth"), Value: []byte("12:Hello World!")}, true},
	{"BEP 44 error", "d1:eli302e33:sequence number less than currente1:t2:aa1:y1:ee",
		Message{Kind: Error, T: aa, Code: CodeSeqTooLow, Text: []byte("sequence number less than current")}, true},

	{"BEP 51 sample_infohashes", "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q17:sample_infohashes1:t2:aa1:y1:qe",
		Message{Kind: Query, Method: SampleInfohashes, Name: []byte("sample_infohashes"), T: aa, ID: id20, Target: peer20}, true},
	{"BEP 51 reply", "d1:rd2:id20:mnopqrstuvwxyz1234568:intervali21600e5:nodes0:3:numi1e7:samples20:abcdefghij0123456789e1:t2:aa1:y1:re",
		Message{Kind: Response, T: aa, ID: peer20, Has: HasInterval | HasNum, Interval: 21600, Num: 1, Nodes: []byte{},
			Samples: id20}, true},
	{"BEP 51 empty reply", "d1:rd2:id20:mnopqrstuvwxyz1234567:samples0:e1:t2:aa1:y1:re",
		Message{Kind: Response, T: aa, ID: peer20, Samples: []byte{}}, true},
}

var (
	aa      = []byte("aa")
	bep42ID = unhex("5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401")
)

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			m := mustParse(t, v.in)
			require.Equal(t, v.want, m)
			out := m.Append(nil)
			if v.canonical {
				require.Equal(t, v.in, string(out))
			}
			require.Equal(t, v.want, mustParse(t, string(out)))
		})
	}
}
