package dht

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
	"supernode/dht/wire"
)

// full is a node with 600 nodes in each table and swarms of different sizes.
func full(tb testing.TB) (n *Node, swarms map[int]wire.ID) {
	n = newNode(tb, Config{MaxPeers: 10_000})
	for i := range 600 {
		hold(tb, n, idOf(byte(i*7), byte(i>>8), 4), addr4(i), 0)
		hold(tb, n, idOf(byte(i*7), byte(i>>8), 6), addr6(i), 0)
	}
	swarms = map[int]wire.ID{}
	for _, size := range []int{0, 1, 30, swarmPeers} {
		swarms[size] = idOf(byte(size), byte(size>>8), 1, 2)
		for i := range size {
			id := swarms[size]
			require.True(tb, n.peers.announce(0, &id, addr4(i), false))
			require.True(tb, n.peers.announce(0, &id, addr6(i), false))
		}
	}
	return n, swarms
}

// TestReplySize asks for as much as can be with as few bytes as can be.
func TestReplySize(t *testing.T) {
	n, swarms := full(t)
	id := filledID('q')
	longest := map[wire.Method]int{}
	for _, src := range []netip.AddrPort{addr4(9000), addr6(9000)} {
		for _, want := range []wire.Want{0, wire.Want4, wire.Want6, wire.Want4 | wire.Want6} {
			for tLen := 1; tLen <= maxTransaction; tLen++ {
				for padding := 0; padding < 120; padding += 13 {
					for size, infohash := range swarms {
						for _, m := range []wire.Message{
							{Method: wire.Ping},
							{Method: wire.FindNode, Target: infohash[:]},
							{Method: wire.GetPeers, InfoHash: infohash[:]},
							{Method: wire.GetPeers, InfoHash: infohash[:], Scrape: true},
							{Method: wire.GetPeers, InfoHash: infohash[:], Scrape: true, NoSeed: true},
							{Method: wire.SampleInfohashes, Target: infohash[:]},
							{Method: wire.Unknown, Name: []byte{}, Target: infohash[:]},
						} {
							m.Kind, m.ID, m.Want, m.T = wire.Query, id[:], want, bytes.Repeat([]byte("t"), tLen)
							if padding > 0 {
								m.Version = make([]byte, padding)
							}
							in := m.Append(nil)
							out, o := n.Handle(0, src, in, nil)
							require.Equal(t, Answered, o.Verdict)
							require.LessOrEqual(t, len(out), min(maxReply, maxAmplification*len(in)),
								"%v to %v with want %d, t of %d, %d peers", m.Method, src, want, tLen, size)
							longest[m.Method] = max(longest[m.Method], len(out))
							var r wire.Message
							require.NoError(t, wire.Parse(out, &r))
							require.Equal(t, m.T, r.T)
							if m.Method == wire.Ping {
								continue
							}
							want, own := want, wire.Want4<<familyOf(src.Addr())
							if want == 0 || want == wire.Want4|wire.Want6 && r.BFsd != nil {
								want = own
							}
							require.Equal(t, want&wire.Want4 != 0, r.Nodes != nil)
							require.Equal(t, want&wire.Want6 != 0, r.Nodes6 != nil)
							require.Equal(t, m.Scrape && size > 0, r.BFsd != nil && r.BFpe != nil)
							require.Equal(t, m.Method == wire.SampleInfohashes, r.Samples != nil)
							for p := range r.Peers() {
								require.Equal(t, familyOf(src.Addr()), familyOf(p.Addr()), "families mixed in values")
							}
						}
					}
				}
			}
		}
	}
	require.Greater(t, longest[wire.GetPeers], maxReply-100, "the room is not used")
}

// TestReplyOverhead measures what replyOverhead promises: a reply without nodes, values and t.
func TestReplyOverhead(t *testing.T) {
	addr := make([]byte, wire.CompactAddr6)
	id := filledID(1)
	r := wire.Message{
		Kind: wire.Response, ID: id[:], IP: addr, Version: make([]byte, 4), Token: make([]byte, tokenSize),
		T: make([]byte, maxTransaction), Nodes: make([]byte, K*wire.CompactNode4), Nodes6: make([]byte, K*wire.CompactNode6),
		Values: []byte{},
	}
	without := len(r.Append(nil)) - len(r.T) - len(r.Nodes) - len(r.Nodes6)
	require.LessOrEqual(t, without, replyOverhead)

	r.BFsd, r.BFpe = make([]byte, 256), make([]byte, 256)
	require.Equal(t, without+scrapeSize, len(r.Append(nil))-len(r.T)-len(r.Nodes)-len(r.Nodes6))

	r.BFsd, r.BFpe, r.Values, r.Token = nil, nil, nil, nil
	r.Samples, r.Num, r.Interval, r.Has = make([]byte, 400), MaxMaxPeers, 21600, wire.HasNum|wire.HasInterval
	require.LessOrEqual(t, len(r.Append(nil))-len(r.T)-len(r.Nodes)-len(r.Nodes6)-len(r.Samples), replyOverhead)
}

// TestNodesInReplies checks what a reply names against the table.
func TestNodesInReplies(t *testing.T) {
	n, swarms := full(t)
	infohash := swarms[30]
	r := ask(t, n, 0, addr4(5), wire.Message{Method: wire.GetPeers, InfoHash: infohash[:], Want: wire.Want4 | wire.Want6})
	require.Len(t, r.Nodes, K*wire.CompactNode4)
	require.Len(t, r.Nodes6, K*wire.CompactNode6)
	require.Len(t, slices.Collect(r.Peers()), 30)
	require.Len(t, r.Token, tokenSize)

	nearest := wire.ID(r.Nodes[:20])
	for id, addr := range wire.NodeList(r.Nodes, wire.CompactNode4) {
		require.NotEqual(t, addr4(5), addr, "the asker's own address")
		require.NotEqual(t, n.id, id)
	}
	t.Run("not the asker's address", func(t *testing.T) {
		first := wire.Addr(r.Nodes[20:26])
		r := ask(t, n, 0, first, wire.Message{Method: wire.FindNode, Target: nearest[:]})
		for _, addr := range wire.NodeList(r.Nodes, wire.CompactNode4) {
			require.NotEqual(t, first, addr)
		}
	})
	t.Run("not the asker's id from before its address changed", func(t *testing.T) {
		r := ask(t, n, 0, addr4(9000), wire.Message{Method: wire.FindNode, ID: nearest[:], Target: nearest[:]})
		require.Len(t, r.Nodes, K*wire.CompactNode4)
		for id := range wire.NodeList(r.Nodes, wire.CompactNode4) {
			require.NotEqual(t, nearest, id)
		}
	})
	t.Run("not the asker's address of the other family", func(t *testing.T) {
		six := wire.ID(r.Nodes6[:20])
		r := ask(t, n, 0, addr4(9000), wire.Message{Method: wire.FindNode, ID: six[:], Target: six[:], Want: wire.Want6})
		require.Len(t, r.Nodes6, K*wire.CompactNode6)
		for id := range wire.NodeList(r.Nodes6, wire.CompactNode6) {
			require.NotEqual(t, six, id)
		}
	})
}

// TestNeverAnswersWhatIsNoQuery turns every query and reply there is into a response and an error.
func TestNeverAnswersWhatIsNoQuery(t *testing.T) {
	n, swarms := full(t)
	infohash := swarms[30]
	id := filledID('q')
	for method := range wire.Methods {
		for _, kind := range []wire.Kind{wire.Response, wire.Error, 'x', 0} {
			for tLen := range 6 {
				m := wire.Message{Kind: kind, Method: method, ID: id[:], Target: infohash[:], InfoHash: infohash[:],
					T: bytes.Repeat([]byte("t"), tLen), Code: 203, Text: []byte("no")}
				out, o := n.Handle(0, addr4(1), m.Append(nil), nil)
				require.Empty(t, out)
				require.Contains(t, []Verdict{DropUnsolicited, DropMalformed}, o.Verdict)
			}
		}
	}
	for _, in := range []string{"", "d", "de", "le", "i1e", "x", strings.Repeat("d", 70000), "d1:q4:ping1:t2:aae", "d1:y1:qe"} {
		out, _ := n.Handle(0, addr4(1), []byte(in), nil)
		require.Empty(t, out, "%.20q", in)
	}
	require.Empty(t, drain(t, n, 0), "pings for what is no query")
}

// TestHandleSources drops what comes from where a node must not send to.
func TestHandleSources(t *testing.T) {
	ping := encodeQuery(wire.Message{Method: wire.Ping})
	for _, src := range []string{"1.2.3.4:0", "0.0.0.0:1", "10.1.2.3:1", "127.0.0.1:1", "224.0.0.1:1", "255.255.255.255:1",
		"198.18.0.1:1", "[::ffff:1.2.3.4]:1", "[::1]:1", "[fe80::1]:1", "[fe80::1%eth0]:1", "[ff02::1]:1", "[2001:db8::1]:1"} {
		n := newNode(t, Config{})
		out, o := n.Handle(0, netip.MustParseAddrPort(src), ping, nil)
		require.Equal(t, Outcome{Verdict: DropSource}, o, src)
		require.Empty(t, out)
		require.Empty(t, drain(t, n, 0))
	}
	n := newNode(t, Config{AllowPrivate: true})
	_, o := n.Handle(0, netip.MustParseAddrPort("198.18.0.1:1"), ping, nil)
	require.Equal(t, Answered, o.Verdict)
}

// TestHandleAppends keeps what is in front of the reply, and does not need room.
func TestHandleAppends(t *testing.T) {
	n := newNode(t, Config{})
	ping := encodeQuery(wire.Message{Method: wire.Ping})
	want, _ := n.Handle(0, addr4(1), ping, nil)
	got, _ := n.Handle(0, addr4(1), ping, []byte("before"))
	require.Equal(t, "before"+string(want), string(got))
	got, _ = n.Handle(0, addr4(1), []byte("x"), []byte("before"))
	require.Equal(t, "before", string(got))
}

// TestAnnounceArguments is every way to get the port of announce_peer right and wrong.
func TestAnnounceArguments(t *testing.T) {
	infohash := filledID('h')
	for _, c := range []struct {
		name string
		m    wire.Message
		code uint16 // zero: the peer is stored with port
		port uint16
	}{
		{"a port", wire.Message{Has: wire.HasPort, Port: 1}, 0, 1},
		{"the last port", wire.Message{Has: wire.HasPort, Port: 65535}, 0, 65535},
		{"port 0", wire.Message{Has: wire.HasPort, Port: 0}, 203, 0},
		{"port 65536", wire.Message{Has: wire.HasPort, Port: 65536}, 203, 0},
		{"port 65537, which is 1 in 16 bits", wire.Message{Has: wire.HasPort, Port: 65537}, 203, 0},
		{"port 2^32+1", wire.Message{Has: wire.HasPort, Port: 1<<32 + 1}, 203, 0},
		{"port -1", wire.Message{Has: wire.HasPort, Port: -1}, 203, 0},
		{"no port", wire.Message{}, 203, 0},
		{"implied_port", wire.Message{ImpliedPort: true}, 0, 6881},
		{"implied_port beside port", wire.Message{ImpliedPort: true, Has: wire.HasPort, Port: 9}, 0, 6881},
		{"implied_port beside port 0", wire.Message{ImpliedPort: true, Has: wire.HasPort, Port: 0}, 0, 6881},
	} {
		for f := range family(families) {
			t.Run(fmt.Sprint(c.name, " ", f), func(t *testing.T) {
				n := newNode(t, Config{})
				src := addrOf(f, 3)
				token := slices.Clone(ask(t, n, 0, src, wire.Message{Method: wire.GetPeers, InfoHash: infohash[:]}).Token)
				m := c.m
				m.Method, m.InfoHash, m.Token = wire.AnnouncePeer, infohash[:], token
				r := ask(t, n, 0, src, m)
				require.EqualValues(t, c.code, r.Code)
				got := slices.Collect(ptr(ask(t, n, 0, src, wire.Message{Method: wire.GetPeers, InfoHash: infohash[:]})).Peers())
				if c.code != 0 {
					require.Empty(t, got)
				} else {
					require.Equal(t, []netip.AddrPort{netip.AddrPortFrom(src.Addr(), c.port)}, got)
				}
			})
		}
	}
}

func ptr[T any](v T) *T { return &v }

// TestHandleAnyClock does the same at every start of the clock.
func TestHandleAnyClock(t *testing.T) {
	infohash := filledID('h')
	for _, start := range starts {
		n := newNode(t, Config{Start: start})
		get := func(now Instant) wire.Message {
			return ask(t, n, now, addr4(1), wire.Message{Method: wire.GetPeers, InfoHash: infohash[:]})
		}
		token := slices.Clone(get(start).Token)
		announce := wire.Message{Method: wire.AnnouncePeer, InfoHash: infohash[:], Token: token, ImpliedPort: true}
		require.Zero(t, ask(t, n, start.Add(5*time.Minute), addr4(1), announce).Code)
		require.EqualValues(t, 203, ask(t, n, start.Add(10*time.Minute), addr4(1), announce).Code)
		require.NotEmpty(t, get(start.Add(34*time.Minute)).Values)
		require.Empty(t, get(start.Add(35*time.Minute)).Values)
		run(t, n, start.Add(35*time.Minute), start.Add(45*time.Minute))
		require.Zero(t, n.Counts().Peers)
		require.Zero(t, n.Counts().Infohashes)
	}
}

// TestHandleArbitraryQueries builds queries whose arguments have any type and length.
func TestHandleArbitraryQueries(t *testing.T) {
	n, _ := full(t)
	value := rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 5).Draw(t, "type") {
		case 0:
			return fmt.Sprintf("i%de", rapid.Int64().Draw(t, "integer"))
		case 1:
			return "le"
		case 2:
			return "d1:ai1ee"
		case 3:
			return "l2:n42:n6e"
		case 4:
			s := rapid.SliceOfN(rapid.Byte(), 0, 24).Draw(t, "string")
			return fmt.Sprintf("%d:%s", len(s), s)
		default:
			return "20:" + strings.Repeat("x", 20)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		args := ""
		for _, key := range []string{"2:id", "12:implied_port", "9:info_hash", "4:port", "6:target", "5:token", "4:want"} {
			if rapid.IntRange(0, 3).Draw(t, "has "+key) > 0 {
				args += key + value.Draw(t, key)
			}
		}
		a := rapid.SampledFrom([]string{"d" + args + "e", "d" + args + "e", "le", "0:", "i0e"}).Draw(t, "a")
		q := rapid.SampledFrom([]string{"4:ping", "9:find_node", "9:get_peers", "13:announce_peer", "3:zzz", "0:", "i1e", "le"}).Draw(t, "q")
		in := "d1:a" + a + "1:q" + q + "1:t2:aa1:y1:qe"
		out, o := n.Handle(0, addr4(9000), []byte(in), nil)
		var r wire.Message
		if err := wire.Parse(out, &r); err != nil || string(r.T) != "aa" {
			t.Fatalf("reply %q to %q: %v", out, in, err)
		}
		if o.Verdict == Refused != (r.Kind == wire.Error) || int64(o.Code) != r.Code {
			t.Fatalf("outcome %+v for reply %q", o, out)
		}
		if r.Kind == wire.Error && r.Code != 203 && r.Code != 204 {
			t.Fatalf("error %d to %q", r.Code, in)
		}
	})
}
