package wire

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// This file holds a second, slow reading of the package's rules: the message is decoded into a tree by plain
// recursion, then the tree is asked for each key. Parse must agree with it on every input.

// A tree is one bencoded value.
type tree struct {
	kind      byte   // 's', 'i', 'l' or 'd'; 0 for no value
	raw       string // as encoded
	str       string
	num       int64
	keys      []string // of a dictionary, in the order of the input
	values    []tree   // of a list or dictionary
	liberties liberty  // taken here or further in
}

// A liberty is something in which a value is not bencode to the letter, but still looks like it.
type liberty uint8

const (
	oddInteger liberty = 1 << iota // anything but an integer of 64 bits in its one spelling
	oddLength                      // a string's length has leading zeros
	oddKey                         // a dictionary's key is no string
	tooDeep                        // beyond MaxDepth
)

// plant decodes the value that s begins with, depth containers below the top, and notes the liberties it takes.
func plant(s string, depth int) (v tree, rest string, ok bool) {
	if s == "" {
		return v, "", false
	}
	switch c := s[0]; {
	case c == 'i':
		text, rest, found := strings.Cut(s[1:], "e")
		v = tree{kind: 'i', raw: s[:len(s)-len(rest)]}
		var err error
		if v.num, err = strconv.ParseInt(text, 10, 64); err != nil || strconv.FormatInt(v.num, 10) != text {
			v.liberties = oddInteger
		}
		return v, rest, found
	case c >= '0' && c <= '9':
		text, rest, found := strings.Cut(s, ":")
		n, err := strconv.Atoi(text)
		if !found || err != nil || n > len(rest) {
			return v, "", false
		}
		v = tree{kind: 's', raw: s[:len(s)-len(rest)+n], str: rest[:n]}
		if strconv.Itoa(n) != text {
			v.liberties = oddLength
		}
		return v, rest[n:], true
	case c == 'l' || c == 'd':
		v.kind, rest = c, s[1:]
		if depth >= MaxDepth {
			v.liberties = tooDeep
		}
		for !strings.HasPrefix(rest, "e") {
			var item tree
			if c == 'd' {
				if item, rest, ok = plant(rest, depth+1); !ok {
					return v, "", false
				}
				v.keys = append(v.keys, item.str)
				v.liberties |= item.liberties
				if item.kind != 's' {
					v.liberties |= oddKey
				}
			}
			if item, rest, ok = plant(rest, depth+1); !ok {
				return v, "", false
			}
			v.values = append(v.values, item)
			v.liberties |= item.liberties
		}
		v.raw = s[:len(s)-len(rest)+1]
		return v, rest[1:], true
	}
	return v, "", false
}

// plantAll is the tree of the one value that s is, liberties and all; the zero tree if it is none.
func plantAll(s string) tree {
	v, rest, ok := plant(s, 0)
	if !ok || rest != "" {
		return tree{}
	}
	return v
}

// get is the first value under key. A missing one, or a tree that is no dictionary, gives the zero tree.
func (v tree) get(key string) tree {
	if i := slices.Index(v.keys, key); i >= 0 {
		return v.values[i]
	}
	return tree{}
}

// bytes is the value of a string that is fit for use; anything else is nil.
func (v tree) bytes(fit func(length int) bool) []byte {
	if v.kind != 's' || !fit(len(v.str)) {
		return nil
	}
	return []byte(v.str)
}

func length(ns ...int) func(int) bool { return func(n int) bool { return slices.Contains(ns, n) } }
func multiple(of int) func(int) bool  { return func(n int) bool { return n%of == 0 } }
func whatever(int) bool               { return true }

// referenceParse is Parse, by way of a tree.
func referenceParse(b []byte) (m Message, err error) {
	top := plantAll(string(b))
	if top.kind != 'd' || top.liberties != 0 {
		return m, ErrBencode
	}
	m.T = top.get("t").bytes(whatever)
	m.Version = top.get("v").bytes(whatever)
	m.IP = top.get("ip").bytes(length(6, 18))
	m.ReadOnly = top.get("ro").num != 0
	switch top.get("y").str {
	case "q":
		m.Kind = Query
		m.Name = top.get("q").bytes(whatever)
		m.Method = Method(max(0, slices.Index(methodNames[1:], string(m.Name))+1))
		referenceBody(top.get("a"), &m)
	case "r":
		m.Kind = Response
		referenceBody(top.get("r"), &m)
	case "e":
		m.Kind = Error
		if e := top.get("e").values; len(e) > 0 && top.get("e").kind == 'l' && e[0].kind == 'i' {
			m.Code = e[0].num
			if len(e) > 1 {
				m.Text = e[1].bytes(whatever)
			}
		}
	default:
		return m, ErrKind
	}
	return m, nil
}

func referenceBody(body tree, m *Message) {
	m.ID = body.get("id").bytes(length(20))
	m.Target = body.get("target").bytes(length(20))
	m.InfoHash = body.get("info_hash").bytes(length(20))
	m.Token = body.get("token").bytes(whatever)
	m.Nodes = body.get("nodes").bytes(multiple(26))
	m.Nodes6 = body.get("nodes6").bytes(multiple(38))
	m.Samples = body.get("samples").bytes(multiple(20))
	m.BFsd = body.get("BFsd").bytes(length(256))
	m.BFpe = body.get("BFpe").bytes(length(256))
	m.Key = body.get("k").bytes(whatever)
	m.Sig = body.get("sig").bytes(whatever)
	m.Salt = body.get("salt").bytes(whatever)
	m.ImpliedPort = body.get("implied_port").num != 0
	m.Seed = body.get("seed").num != 0
	m.NoSeed = body.get("noseed").num != 0
	m.Scrape = body.get("scrape").num != 0
	for _, f := range []struct {
		key   string
		has   Has
		field *int64
	}{
		{"port", HasPort, &m.Port}, {"seq", HasSeq, &m.Seq}, {"cas", HasCAS, &m.CAS},
		{"interval", HasInterval, &m.Interval}, {"num", HasNum, &m.Num},
	} {
		if v := body.get(f.key); v.kind == 'i' {
			m.Has |= f.has
			*f.field = v.num
		}
	}
	if v := body.get("v"); v.kind != 0 {
		m.Value = []byte(v.raw)
	}
	if v := body.get("values"); v.kind == 'l' {
		m.Values = []byte(v.raw[1 : len(v.raw)-1])
	}
	if want := body.get("want"); want.kind == 'l' {
		for _, v := range want.values {
			switch {
			case v.kind == 's' && v.str == "n4":
				m.Want |= Want4
			case v.kind == 's' && v.str == "n6":
				m.Want |= Want6
			}
		}
	}
}

// A tester is a *testing.T, *testing.F or *rapid.T.
type tester interface {
	require.TestingT
	Helper()
}

// fields are the byte slices of m, by name.
func fields(m *Message) map[string][]byte {
	all := map[string][]byte{}
	v := reflect.ValueOf(*m)
	for _, f := range reflect.VisibleFields(v.Type()) {
		if b, ok := v.FieldByIndex(f.Index).Interface().([]byte); ok {
			all[f.Name] = b
		}
	}
	return all
}

// requireViews fails unless every slice of m lies inside b and cannot grow over what follows it.
func requireViews(t tester, b []byte, m *Message) {
	t.Helper()
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	for name, f := range fields(m) {
		if f == nil {
			continue
		}
		at := uintptr(unsafe.Pointer(unsafe.SliceData(f)))
		require.True(t, at >= start && at+uintptr(len(f)) <= start+uintptr(len(b)), "%s is not a view", name)
		require.Equal(t, len(f), cap(f), "append to %s would overwrite the datagram", name)
	}
}

// meaning is m without the one distinction the wire cannot carry: an error's text is there, even if empty.
func meaning(m Message) Message {
	if m.Kind == Error && m.Text == nil {
		m.Text = []byte{}
	}
	return m
}

// requireSortedKeys fails unless b is a message whose keys, at the top and in "a" and "r", ascend strictly.
func requireSortedKeys(t tester, b []byte) {
	t.Helper()
	top := plantAll(string(b))
	require.Zero(t, top.liberties, "not bencode: %q", b)
	require.Equal(t, byte('d'), top.kind, "not a dictionary: %q", b)
	for _, dict := range []tree{top, top.get("a"), top.get("r")} {
		ascending := slices.IsSorted(dict.keys) && len(slices.Compact(slices.Clone(dict.keys))) == len(dict.keys)
		require.True(t, ascending, "keys %q of %q", dict.keys, b)
	}
}
