package dht

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
	"supernode/dht/wire"
)

// What a forged source address gains an attacker is the ratio of a reply's bytes to its query's. These tests hunt for
// the worst one: a node whose stores are as full as they get, and queries as short as can be.

// requireSmall sends in and holds the reply against both bounds. It returns the reply, which may be empty.
func requireSmall(tb rapid.TB, n *Node, src netip.AddrPort, in []byte) []byte {
	out, _ := n.Handle(0, src, in, nil)
	if len(out) > maxReply || len(out) > maxAmplification*len(in) {
		tb.Fatalf("%d bytes for %d, %.1f times as many: %q", len(out), len(in), float64(len(out))/float64(len(in)), in)
	}
	return out
}

// argument is one key of a query's arguments, bencoded, and its values: first what brings most.
type argument struct {
	key    string
	values []string
	points bool // of the id space, with something different at each
}

// arguments are those of all methods, in the order in which their keys sort. Whatever a method does not read it skips.
func arguments(swarms map[int]wire.ID, items []wire.ID, token []byte) []argument {
	var points, targets []string
	for _, size := range []int{swarmPeers, 30, 1, 0} {
		point := swarms[size]
		points = append(points, "20:"+string(point[:]))
	}
	for _, item := range items {
		targets = append(targets, "20:"+string(item[:]))
	}
	targets = append(targets, points...)
	return []argument{
		{"3:cas", []string{"i1e"}, false},
		{"2:id", []string{"20:qqqqqqqqqqqqqqqqqqqq", "0:"}, false},
		{"12:implied_port", []string{"i1e"}, false},
		{"9:info_hash", points, true},
		{"1:k", []string{"32:kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"}, false},
		{"6:noseed", []string{"i1e"}, false},
		{"4:port", []string{"i1e", "i0e"}, false},
		{"4:salt", []string{"0:", "1:s"}, false},
		{"6:scrape", []string{"i1e"}, false},
		{"4:seed", []string{"i1e"}, false},
		{"3:seq", []string{"i0e"}, false},
		{"3:sig", []string{"64:" + string(bytes.Repeat([]byte("s"), 64))}, false},
		{"6:target", targets, true},
		{"5:token", []string{fmt.Sprintf("%d:%s", len(token), token), "0:"}, false},
		{"1:v", []string{"0:", "i1e"}, false},
		{"4:want", []string{"l2:n42:n6e", "l2:n4e", "l2:n6e"}, false},
	}
}

// fullest is a node with full tables and swarms of all sizes, and what to ask it about, from src.
func fullest(tb testing.TB, src netip.AddrPort) (*Node, []argument) {
	n, swarms := full(tb)
	infohash := swarms[swarmPeers]
	var token [tokenSize]byte
	n.tokens.put(&token, 0, src.Addr(), infohash[:])
	return n, arguments(swarms, putItems(tb, n, src), token[:])
}

// putItems stores values (BEP 44) of several lengths, up to the longest there may be, and returns their targets, that
// of the longest first.
func putItems(tb testing.TB, n *Node, src netip.AddrPort) (targets []wire.ID) {
	for _, size := range []int{1000, 950, 900, 800, 700, 500} {
		value := wire.AppendString(nil, bytes.Repeat([]byte("v"), size-len("100:")))
		target := wire.ID(sha1.Sum(value))
		token := bytes.Clone(ask(tb, n, 0, src, wire.Message{Method: wire.Get, Target: target[:]}).Token)
		ask(tb, n, 0, src, wire.Message{Method: wire.Put, Target: target[:], Token: token, Value: value})
		targets = append(targets, target)
	}
	return targets
}

// queryNames is every method there is, and some that are not.
func queryNames() (names []string) {
	for m := range wire.Methods {
		names = append(names, m.String())
	}
	return append(names, "", "z")
}

// shortQuery writes a query as short as bencode allows.
func shortQuery(name, args string, t []byte) []byte {
	return fmt.Appendf(nil, "d1:ad%se1:q%d:%s1:t%d:%s1:y1:qe", args, len(name), name, len(t), t)
}

// TestAmplification asks with every method for as much as it gives, in as few bytes as it takes: starting from all the
// arguments there are, whatever can be cut out of the query without making the reply shorter is cut out.
func TestAmplification(t *testing.T) {
	worst := 0.0
	for f := range family(families) {
		src := addrOf(f, 9000)
		n, args := fullest(t, src)
		for _, name := range queryNames() {
			for tLen, points := range map[int]int{1: 10, maxTransaction: 1} {
				for point := range points {
					var all string
					for _, a := range args {
						value := a.values[0]
						if a.points {
							value = a.values[min(point, len(a.values)-1)]
						}
						all += a.key + value
					}
					in := shortQuery(name, all, bytes.Repeat([]byte("t"), tLen))
					out := requireSmall(t, n, src, in)
					require.NotEmpty(t, out)
					in, out = shrink(t, n, src, in, len(out))
					if ratio := float64(len(out)) / float64(len(in)); ratio > worst {
						worst = ratio
						t.Logf("%4.1f times as many: %d bytes for the %d of %q", ratio, len(out), len(in), in)
					}
				}
			}
		}
		in, out := shrink(t, n, src, []byte("d1:ade1:ti1e1:t1:t1:y1:qe"), 1)
		require.Equal(t, "d1:t1:t1:y1:qe", string(in), "the shortest query that gets anything, an error")
		require.NotEmpty(t, out)
	}
	require.Greater(t, worst, 8.0, "get_peers was to use its room")
}

// shrink cuts from a query what can be cut while the reply keeps its length, again and again.
func shrink(tb testing.TB, n *Node, src netip.AddrPort, in []byte, length int) (least, reply []byte) {
	for again := true; again; {
		again = false
		for size := min(80, len(in)); size > 0; size-- { // no argument is longer
			for at := 0; at+size <= len(in); at++ {
				shorter := append(bytes.Clone(in[:at]), in[at+size:]...)
				if out := requireSmall(tb, n, src, shorter); len(out) >= length {
					in, length, again = shorter, len(out), true
				}
			}
		}
	}
	return in, requireSmall(tb, n, src, in)
}

// TestAmplificationOfAnything draws valid queries of any shape.
func TestAmplificationOfAnything(t *testing.T) {
	var nodes [families]*Node
	var args [families][]argument
	for f := range family(families) {
		nodes[f], args[f] = fullest(t, addrOf(f, 9000))
	}
	rapid.Check(t, func(t *rapid.T) {
		f := family(rapid.IntRange(0, 1).Draw(t, "family"))
		var chosen string
		for _, a := range args[f] {
			if rapid.Bool().Draw(t, "has "+a.key) {
				chosen += a.key + rapid.SampledFrom(a.values).Draw(t, a.key)
			}
		}
		id := bytes.Repeat([]byte("t"), rapid.IntRange(0, maxTransaction+1).Draw(t, "t"))
		requireSmall(t, nodes[f], addrOf(f, 9000), shortQuery(rapid.SampledFrom(queryNames()).Draw(t, "q"), chosen, id))
	})
}
