package dht

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"supernode/dht/wire"
)

// Messages in scripts are bencode that can be read. A dictionary is {key:value key:value}, a list [value value], an
// integer #42, and everything else a string:
//
//	word, "quoted"      its bytes
//	@A                  an id of twenty times that character; @me is the node's own
//	1.2.3.4:6881        a compact address, [2003::1]:6881 too
//	(@A 1.2.3.4:6881)   compact nodes, any number of pairs
//	$1                  the transaction id of the first query the node sent in this script, and so on
//	$token              the last token the node gave
//	$one.target         of the item that a script calls one; its $one.k and $one.sig
//	<2.0>               a Bloom filter of probably that many addresses (shown only)
//	(@A @B)             the info_hashes in samples (shown only)
//
// A script writes what it sends in this notation, and the node's datagrams are shown in it.
type notation struct {
	me      wire.ID
	tids    [][]byte
	token   []byte
	names   []named // longer strings
	pending string  // rest of the text being encoded
}

type named struct {
	name string // as in "$one.k"
	is   []byte
}

var errNotation = errors.New("not a message in the notation of the scripts")

// encode turns a line of notation into bencode.
func (n *notation) encode(text string) (out []byte, err error) {
	n.pending = strings.TrimSpace(text)
	defer func() {
		if recover() != nil { // the end of the text, where something was expected
			err = fmt.Errorf("%w: %s", errNotation, text)
		}
	}()
	out = n.value(nil)
	if n.pending != "" {
		return nil, fmt.Errorf("%w: %q is left over", errNotation, n.pending)
	}
	return out, nil
}

func (n *notation) take(c byte) bool {
	n.pending = strings.TrimLeftFunc(n.pending, unicode.IsSpace)
	if n.pending[0] == c {
		n.pending = n.pending[1:]
		return true
	}
	return false
}

// word is the text up to the next of stops.
func (n *notation) word(stops string) string {
	i := strings.IndexAny(n.pending+" ", stops)
	w := n.pending[:i]
	n.pending = n.pending[i:]
	return w
}

func (n *notation) value(dst []byte) []byte {
	switch {
	case n.take('{'):
		dst = append(dst, 'd')
		for !n.take('}') {
			dst = wire.AppendString(dst, []byte(n.word(":")))
			n.take(':')
			dst = n.value(dst)
		}
		return append(dst, 'e')
	case n.take('('):
		var nodes []byte
		for !n.take(')') {
			id := wire.ID(n.str())
			n.take(' ')
			nodes = append(append(nodes, id[:]...), n.str()...)
		}
		return wire.AppendString(dst, nodes)
	case n.pending[0] == '[' && !isAddr(n.pending):
		n.take('[')
		dst = append(dst, 'l')
		for !n.take(']') {
			dst = n.value(dst)
		}
		return append(dst, 'e')
	case n.take('#'):
		return append(append(append(dst, 'i'), n.word(" ]}")...), 'e')
	}
	return wire.AppendString(dst, n.str())
}

// isAddr tells an IPv6 address in brackets from a list.
func isAddr(s string) bool {
	end := strings.Index(s, "]:")
	return end > 0 && !strings.ContainsAny(s[:end], " ")
}

func (n *notation) str() []byte {
	if n.pending[0] == '"' {
		quoted, err := strconv.QuotedPrefix(n.pending)
		if err != nil {
			panic(err)
		}
		n.pending = n.pending[len(quoted):]
		s, _ := strconv.Unquote(quoted)
		return []byte(s)
	}
	stops := " ]})"
	if n.pending[0] == '[' {
		stops = " })"
	}
	w := n.word(stops)
	if a, err := netip.ParseAddrPort(w); err == nil {
		return wire.AppendAddr(nil, a)
	}
	for _, name := range n.names {
		if w == name.name {
			return name.is
		}
	}
	switch {
	case w == "@me":
		return n.me[:]
	case w == "$token":
		return n.token
	case len(w) == 2 && w[0] == '@':
		return bytes.Repeat([]byte(w[1:]), 20)
	case len(w) > 1 && w[0] == '$':
		i, _ := strconv.Atoi(w[1:])
		return n.tids[i-1]
	}
	return []byte(w)
}

// decode shows a message, in which keys and their order are as they were sent.
func (n *notation) decode(b []byte) string {
	var out strings.Builder
	rest := n.show(&out, b, "")
	if len(rest) > 0 {
		fmt.Fprintf(&out, " and %q", rest)
	}
	return out.String()
}

func (n *notation) show(out *strings.Builder, b []byte, key string) (rest []byte) {
	switch b[0] {
	case 'i':
		end := bytes.IndexByte(b, 'e')
		fmt.Fprintf(out, "#%s", b[1:end])
		return b[end+1:]
	case 'd', 'l':
		isDict := b[0] == 'd'
		brackets := "[]"
		if isDict {
			brackets = "{}"
		}
		out.WriteByte(brackets[0])
		b = b[1:]
		for i := 0; b[0] != 'e'; i++ {
			if i > 0 {
				out.WriteByte(' ')
			}
			if isDict {
				var name []byte
				name, b = cutString(b)
				key = string(name)
				out.WriteString(key + ":")
			}
			b = n.show(out, b, key)
		}
		out.WriteByte(brackets[1])
		return b[1:]
	}
	s, rest := cutString(b)
	out.WriteString(n.showString(s, key))
	return rest
}

func cutString(b []byte) (s, rest []byte) {
	colon := bytes.IndexByte(b, ':')
	length, err := strconv.Atoi(string(b[:colon]))
	if err != nil {
		panic(err)
	}
	b = b[colon+1:]
	return b[:length], b[length:]
}

func (n *notation) showString(s []byte, key string) string {
	for _, name := range n.names {
		if bytes.Equal(s, name.is) {
			return name.name
		}
	}
	switch key {
	case "id", "target", "info_hash":
		return n.showID(s)
	case "ip", "values":
		return wire.Addr(s).String()
	case "nodes", "nodes6":
		size := wire.CompactNode4
		if key == "nodes6" {
			size = wire.CompactNode6
		}
		var nodes []string
		for id, addr := range wire.NodeList(s, size) {
			nodes = append(nodes, n.showID(id[:])+" "+addr.String())
		}
		return "(" + strings.Join(nodes, " ") + ")"
	case "BFpe", "BFsd":
		return fmt.Sprintf("<%.1f>", ptr(Bloom(s)).Estimate())
	case "samples":
		var ids []string
		for id := range slices.Chunk(s, 20) {
			ids = append(ids, n.showID(id))
		}
		return "(" + strings.Join(ids, " ") + ")"
	case "token":
		if bytes.Equal(s, n.token) {
			return "$token"
		}
	case "t":
		if i := slices.IndexFunc(n.tids, func(tid []byte) bool { return bytes.Equal(tid, s) }); i >= 0 {
			return "$" + strconv.Itoa(i+1)
		}
	}
	plain := len(s) > 0
	for _, c := range s {
		plain = plain && (c == '_' || c < 0x80 && unicode.In(rune(c), unicode.Letter, unicode.Digit))
	}
	if plain {
		return string(s)
	}
	return strconv.Quote(string(s))
}

func (n *notation) showID(s []byte) string {
	switch {
	case bytes.Equal(s, n.me[:]):
		return "@me"
	case len(s) == 20 && bytes.Equal(s, bytes.Repeat(s[:1], 20)) && s[0] > ' ' && s[0] < 0x7f:
		return "@" + string(s[:1])
	}
	return "@random"
}
