package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strconv"

	"supernode/dht/wire"
	"supernode/internal/udp"
)

// mutator makes datagrams, most of them bad: from the same seed and tokens, the same ones.
type mutator struct {
	*rand.Rand
	whole, other []byte // valid messages to spoil
	out          []byte
	token        []byte // for announcing infohash
}

// next returns a datagram that is valid until the next call.
func (g *mutator) next() []byte {
	g.whole = g.message(g.whole[:0])
	g.out = append(g.out[:0], g.whole...)
	switch g.IntN(16) {
	case 0: // as it is
	case 1:
		g.out = g.random(g.out[:0], g.IntN(600))
	case 2, 3:
		for range 1 + g.IntN(8) {
			g.out[g.IntN(len(g.out))] ^= 1 << g.IntN(8)
		}
	case 4:
		g.out = g.out[:g.IntN(len(g.out))]
	case 5, 6:
		g.splice()
	case 7:
		g.insert(g.message(nil)) // a message in the midst of another
	case 8, 9, 10:
		g.out = g.query(g.out[:0], g.IntN(len(methods)), g.IntN(spoilable))
	case 11:
		g.out = g.duplicated(g.out[:0])
	case 12:
		g.out = g.nested(g.out[:0])
	case 13:
		g.insert([]byte(monsters[g.IntN(len(monsters))]))
	case 14:
		g.out = g.padded(g.out[:0])
	case 15:
		g.out = g.answer(g.out[:0])
	}
	return g.out
}

// message is a valid one of any kind.
func (g *mutator) message(dst []byte) []byte {
	if g.IntN(5) == 0 {
		return g.answer(dst)
	}
	return g.query(dst, g.IntN(len(methods)), -1)
}

var methods = []struct {
	name string
	args []string
}{
	{"ping", []string{"id"}},
	{"find_node", []string{"id", "target", "want"}},
	{"get_peers", []string{"id", "info_hash", "noseed", "scrape", "want"}},
	{"announce_peer", []string{"id", "implied_port", "info_hash", "port", "seed", "token"}},
	{"get", []string{"id", "seq", "target"}},
	{"put", []string{"cas", "id", "k", "salt", "seq", "sig", "token", "v"}},
	{"sample_infohashes", []string{"id", "target"}},
	{"vote", []string{"id", "target", "vote"}},
}

// spoilable is more than the keys of any query: those of the top level, and the arguments.
const spoilable = 6 + 8

// query appends a query. Key number spoil, if there is one, is missing, doubled or has an odd value. The order of
// the top-level keys is any.
func (g *mutator) query(dst []byte, method, spoil int) []byte {
	keys := [6]string{"a", "q", "ro", "t", "v", "y"}
	if g.IntN(2) == 0 {
		g.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	}
	dst = append(dst, 'd')
	for i, key := range keys {
		if g.leavesOut(key) {
			continue
		}
		dst = g.spoiled(dst, key, i == spoil, func(dst []byte) []byte {
			switch key {
			case "a":
				dst = append(dst, 'd')
				for j, argument := range methods[method].args {
					if g.leavesOut(argument) {
						continue
					}
					dst = g.spoiled(dst, argument, len(keys)+j == spoil, func(dst []byte) []byte {
						return g.argument(dst, argument)
					})
				}
				return append(dst, 'e')
			case "q":
				return appendText(dst, methods[method].name)
			case "ro":
				return append(dst, "i0e"...)
			case "t":
				return g.text(dst, 1+g.IntN(34))
			case "v":
				return g.text(dst, 4)
			}
			return appendText(dst, "q")
		})
	}
	return append(dst, 'e')
}

// leavesOut says whether to do without a key that nobody needs: the shorter the query, the larger its reply beside it.
func (g *mutator) leavesOut(key string) bool {
	switch key {
	case "noseed", "ro", "scrape", "seed", "seq", "v", "want":
		return g.IntN(2) == 0
	}
	return false
}

// spoiled appends a key and its value, if it is to be spoiled in one of three ways.
func (g *mutator) spoiled(dst []byte, key string, spoil bool, value func([]byte) []byte) []byte {
	if !spoil {
		return value(appendText(dst, key))
	}
	switch g.IntN(4) {
	case 0:
		return dst
	case 1:
		return g.odd(appendText(value(appendText(dst, key)), key))
	case 2:
		return value(appendText(g.odd(appendText(dst, key)), key))
	}
	return g.odd(appendText(dst, key))
}

func (g *mutator) argument(dst []byte, name string) []byte {
	switch name {
	case "id", "target":
		return g.text(dst, 20)
	case "info_hash":
		if g.IntN(2) == 0 {
			return appendText(dst, string(infohash))
		}
		return g.text(dst, 20)
	case "token":
		return appendText(dst, string(g.token))
	case "want":
		return append(dst, [...]string{"le", "l2:n4e", "l2:n6e", "l2:n42:n6e", "l2:n4i6ele2:n7e"}[g.IntN(5)]...)
	case "k":
		return g.text(dst, 32)
	case "sig":
		return g.text(dst, 64)
	case "v", "vote", "salt":
		return g.text(dst, g.IntN(80))
	case "port":
		return wire.AppendInt(dst, int64(g.IntN(70000)-2000))
	}
	return wire.AppendInt(dst, int64(g.IntN(3)))
}

var odds = []string{
	"i0e", "i1e", "i-1e", "i65536e", "i9223372036854775807e", "i-9223372036854775808e", "le", "de", "lli1eee", "d0:0:e",
	"0:", "1:q", "1:r", "1:e", "1:\x00", "2:qq", "l1:qe", "d1:y1:qe", "d2:id20:aaaaaaaaaaaaaaaaaaaae",
	"19:aaaaaaaaaaaaaaaaaaa", "21:aaaaaaaaaaaaaaaaaaaaa", "33:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
}

// odd appends a well-formed value that is seldom what it should be.
func (g *mutator) odd(dst []byte) []byte { return append(dst, odds[g.IntN(len(odds))]...) }

// monsters are what breaks parsers.
var monsters = []string{
	"99999999999999999999:", "18446744073709551615:", "9223372036854775807:", "4294967295:", "2147483648:", "65536:", "-1:",
	"00:", "01:a", ":", "i99999999999999999999e", "i9223372036854775808e", "i-9223372036854775809e", "i-0e", "i00e", "i-e",
	"ie", "i1", "i+1e", "i 1e", "i1.5e", "e", "ee", "d", "l", "\x00", "d1:ae", "di1ei1ee", "dlelee", "1:y1:q", "1:y1:r",
}

// nested hides a tower of lists or dictionaries in a query, around the depth that is allowed and far beyond.
func (g *mutator) nested(dst []byte) []byte {
	n := 24 + g.IntN(16)
	if g.IntN(4) == 0 {
		n = g.IntN(700)
	}
	dst = append(dst, "d1:q4:ping1:t2:aa1:x"...)
	open, closing := "l", n
	if g.IntN(2) == 0 {
		open = "d1:x"
	}
	for range n {
		dst = append(dst, open...)
	}
	if open != "l" {
		dst = append(dst, "0:"...)
	}
	if g.IntN(8) == 0 {
		closing += g.IntN(3) - 1
	}
	for range closing {
		dst = append(dst, 'e')
	}
	return append(dst, "1:y1:qe"...)
}

// duplicated is a query with one key twice or more, at the top level.
func (g *mutator) duplicated(dst []byte) []byte {
	dst = append(dst, 'd')
	for range 2 + g.IntN(3) {
		m := g.query(nil, g.IntN(len(methods)), -1)
		dst = append(dst, m[1:len(m)-1]...)
	}
	return append(dst, 'e')
}

// padded is a valid query as long as, or longer than, a datagram may be.
func (g *mutator) padded(dst []byte) []byte {
	size := udp.MaxDatagram - 200 + g.IntN(250)
	if g.IntN(8) == 0 {
		size = g.IntN(8 << 10)
	}
	dst = append(dst, "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:x"...)
	dst = g.text(dst, size)
	return append(dst, "1:y1:qe"...)
}

// answer is a response or an error nobody asked for.
func (g *mutator) answer(dst []byte) []byte {
	m := wire.Message{Kind: wire.Response, T: g.random(nil, 4), ID: g.random(nil, 20)}
	switch g.IntN(4) {
	case 0:
		m = wire.Message{Kind: wire.Error, T: m.T, Code: int64(g.IntN(400)), Text: g.random(nil, g.IntN(20))}
	case 1:
		m.Nodes, m.Nodes6 = g.nodes()
	case 2:
		m.Values = wire.AppendPeer(nil, netip.AddrPortFrom(netip.AddrFrom4([4]byte(m.T)), 6881))
	}
	return m.Append(dst)
}

// nodes are some that this machine alone has: the node is not to be talked into bothering others.
func (g *mutator) nodes() (nodes, nodes6 []byte) {
	for range g.IntN(12) {
		addr := netip.AddrFrom4([4]byte{127, byte(g.IntN(256)), byte(g.IntN(256)), byte(g.IntN(256))})
		nodes = wire.AppendNode(nodes, wire.ID(g.random(nil, 20)), netip.AddrPortFrom(addr, uint16(g.IntN(1<<16))))
	}
	nodes6 = wire.AppendNode(nil, wire.ID{}, netip.AddrPortFrom(netip.IPv6Loopback(), uint16(g.IntN(1<<16))))
	return nodes, nodes6
}

// splice joins the head of one message to the tail of another.
func (g *mutator) splice() {
	g.other = g.message(g.other[:0])
	g.out = append(g.out[:g.IntN(len(g.out))], g.other[g.IntN(len(g.other)):]...)
}

// insert puts text somewhere into the datagram.
func (g *mutator) insert(text []byte) {
	at := g.IntN(len(g.out) + 1)
	g.out = append(append(g.out[:at], text...), g.whole[min(at, len(g.whole)):]...)
}

func (g *mutator) random(dst []byte, n int) []byte {
	for ; n >= 8; n -= 8 {
		dst = binary.LittleEndian.AppendUint64(dst, g.Uint64())
	}
	for rest := g.Uint64(); n > 0; n-- {
		dst = append(dst, byte(rest>>(8*n)))
	}
	return dst
}

// text appends a bencoded string of n random bytes.
func (g *mutator) text(dst []byte, n int) []byte {
	return g.random(append(strconv.AppendInt(dst, int64(n), 10), ':'), n)
}

func appendText(dst []byte, s string) []byte {
	return append(append(strconv.AppendInt(dst, int64(len(s)), 10), ':'), s...)
}
