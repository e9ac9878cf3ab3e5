//go:build !386 && !arm && !mips && !mipsle

package wire

import (
	"maps"
	"slices"
	"strings"
)

// A difference is a way in which the oracle is known to read a message otherwise than we do, or not at all.
type difference struct {
	name    string
	reason  string
	example string          // a message it shows on
	is      func(tree) bool // of the message; the zero tree if it does not even look like bencode
}

// differences are all that are known: a message that none of them covers must be read alike.
var differences = []difference{
	{"integers", "where it has no field it takes integers beyond 64 bits, and anything at all for a truth value",
		"d2:roixe1:t1:a1:y1:qe", func(top tree) bool { return top.liberties&oddInteger != 0 }},
	{"lengths", "it keeps \"v\" of a reply unread, however lengths are spelt in it",
		"d1:rd1:v01:ae1:t1:a1:y1:re", func(top tree) bool { return top.liberties&oddLength != 0 }},
	{"keys", "it takes a list of one string for a key", "dl1:te1:a1:y1:qe",
		func(top tree) bool { return top.liberties&oddKey != 0 }},
	{"depth", "it nests as deep as the message does", "d1:t1:a1:x" + strings.Repeat("l", 40) + strings.Repeat("e", 40) + "1:y1:qe",
		func(top tree) bool { return top.liberties&tooDeep != 0 }},
	{"list of one", "it takes a list of one message for a message", "ld1:t1:a1:y1:qee",
		func(top tree) bool { return top.kind == 'l' && len(top.values) == 1 }},
	{"kind", "it does not ask for \"y\"", "d1:t1:ae",
		func(top tree) bool {
			return top.kind == 'd' && !slices.Contains([]string{"q", "r", "e"}, top.get("y").str)
		}},
	{"repeated keys", "of a repeated key the last counts", "d1:q4:ping1:q3:get1:t1:a1:y1:qe",
		func(top tree) bool {
			return repeats(top, oracleTop) || repeats(top.get("a"), oracleArgs) || repeats(top.get("r"), oracleReturn)
		}},
	{"unsorted values", "a dictionary that it has no struct for must be sorted", "d1:t1:a1:xd1:bi1e1:ai1ee1:y1:qe", unsortedInside},
	{"types", "a value of the wrong type spoils the message", "d1:ad4:port1:xe1:q4:ping1:t1:a1:y1:qe",
		func(top tree) bool {
			return wrongType(top, oracleTop) || wrongType(top.get("a"), oracleArgs) || wrongType(top.get("r"), oracleReturn)
		}},
	{"lengths of strings", "a string too short spoils the message; a longer one is cut to size",
		"d1:ad2:id21:abcdefghij0123456789Xe1:q4:ping1:t1:a1:y1:qe",
		func(top tree) bool { return wrongLength(top) || wrongLength(top.get("a")) || wrongLength(top.get("r")) }},
	{"short peers", "it panics on an address of less than two bytes", "d1:rd6:valuesl1:aee1:t1:a1:y1:re",
		func(top tree) bool {
			return slices.ContainsFunc(top.get("r").get("values").values, func(v tree) bool { return len(v.str) < 2 })
		}},
	{"errors", "it needs both parts of an error", "d1:eli201ee1:t1:a1:y1:ee",
		func(top tree) bool {
			e := top.get("e")
			return e.kind == 'l' && (len(e.values) < 2 || e.values[0].kind != 'i' || e.values[1].kind != 's')
		}},
}

// knownDifference is the name of the first difference that covers in, or empty.
func knownDifference(in string) string {
	top := plantAll(in)
	for _, d := range differences {
		if d.is(top) {
			return d.name
		}
	}
	return ""
}

// What the oracle wants of the keys it knows: a string, an integer, a list of strings (L), a list, a
// dictionary, or any value (*). A list of another length than oracleLengths says is not to its liking either.
var (
	oracleTop    = types("s t y q v ip", "i ro", "d a r", "l e")
	oracleArgs   = types("s id info_hash target token k salt sig", "i port implied_port noseed scrape seq cas", "L want", "* v")
	oracleReturn = types("s id nodes nodes6 token BFsd BFpe samples k sig", "i interval num seq", "L values", "* v")

	oracleLengths = map[string]func(int) bool{"ip": length(6, 18), "id": length(20), "info_hash": length(20),
		"target": length(20), "nodes": multiple(26), "nodes6": multiple(38),
		"samples": multiple(20), "BFsd": length(256), "BFpe": length(256)}
)

// types reads a list of types, each with the keys of that type behind it.
func types(lists ...string) map[string]byte {
	all := map[string]byte{}
	for _, list := range lists {
		words := strings.Fields(list)
		for _, key := range words[1:] {
			all[key] = words[0][0]
		}
	}
	return all
}

// repeats: dict has a key that the oracle knows more than once.
func repeats(dict tree, known map[string]byte) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(known)), func(key string) bool {
		first := slices.Index(dict.keys, key)
		return first >= 0 && slices.Contains(dict.keys[first+1:], key)
	})
}

// unsorted: v or something in it is a dictionary whose keys do not ascend strictly.
func unsorted(v tree) bool {
	return !slices.IsSorted(v.keys) || len(slices.Compact(slices.Clone(v.keys))) < len(v.keys) || slices.ContainsFunc(v.values, unsorted)
}

// unsortedInside: there is such a dictionary where the oracle does not know what to expect.
func unsortedInside(top tree) bool {
	for i, v := range top.values {
		switch {
		case top.kind == 'd' && v.kind == 'd' && top.keys[i] == "a":
			if slices.ContainsFunc(v.values, unsorted) {
				return true
			}
		case top.kind == 'd' && v.kind == 'd' && top.keys[i] == "r":
			for j, w := range v.values {
				if v.keys[j] != "v" && unsorted(w) { // "v" of a reply it keeps unread
					return true
				}
			}
		case unsorted(v):
			return true
		}
	}
	return false
}

func wrongType(dict tree, known map[string]byte) bool {
	for i, key := range dict.keys {
		want, ok := known[key]
		v := dict.values[i]
		switch {
		case !ok || want == '*':
		case want == 'L':
			if v.kind != 'l' || slices.ContainsFunc(v.values, func(v tree) bool { return v.kind != 's' }) {
				return true
			}
		case want != v.kind:
			return true
		}
	}
	return false
}

func wrongLength(dict tree) bool {
	for i, key := range dict.keys {
		if fits, ok := oracleLengths[key]; ok && !fits(len(dict.values[i].str)) {
			return true
		}
	}
	return false
}
