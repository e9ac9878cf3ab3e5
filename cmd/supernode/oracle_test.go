package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fate is what a datagram deserves, by the rules of the protocol.
type fate int

const (
	deservesReply fate = iota // a query: some reply or error, with its "t"
	hasBadT                   // a query whose "t" is missing, or not 1 to 32 bytes
	isAnswer                  // "y" is "r" or "e"
	isRubbish                 // anything else
	fates
)

// oracle judges a datagram by itself: it shares no code with the node's codec, builds a tree, and is in no hurry.
// The transaction id is given if a reply is deserved.
func oracle(datagram []byte) (f fate, t string) {
	value, rest, ok := readValue(string(datagram), 1)
	top, isDictionary := value.(dictionary)
	if !ok || rest != "" || !isDictionary {
		return isRubbish, ""
	}
	switch y, _ := top.first("y").(string); y {
	case "r", "e":
		return isAnswer, ""
	case "q":
		if t, _ = top.first("t").(string); len(t) < 1 || len(t) > 32 {
			return hasBadT, ""
		}
		return deservesReply, t
	}
	return isRubbish, ""
}

// dictionary keeps keys as they came: unsorted, repeated.
type dictionary []entry

type entry struct {
	key   string
	value any
}

// first returns the value of a key, nil if there is none.
func (d dictionary) first(key string) any {
	for _, e := range d {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

const deepest = 32

// readValue reads one bencoded value in front of s: string, int64, []any or dictionary.
func readValue(s string, depth int) (value any, rest string, ok bool) {
	if s == "" {
		return nil, s, false
	}
	switch s[0] {
	case 'i':
		digits, rest, found := strings.Cut(s[1:], "e")
		n, err := strconv.ParseInt(digits, 10, 64)
		return n, rest, found && err == nil && strconv.FormatInt(n, 10) == digits
	case 'l', 'd':
		if depth > deepest {
			return nil, s, false
		}
		return readContainer(s[1:], s[0] == 'd', depth)
	}
	return readBytes(s)
}

func readContainer(s string, isDictionary bool, depth int) (value any, rest string, ok bool) {
	var list []any
	var dict dictionary
	for s != "" && s[0] != 'e' {
		key := ""
		if isDictionary {
			if key, s, ok = readBytes(s); !ok {
				return nil, s, false
			}
		}
		var element any
		if element, s, ok = readValue(s, depth+1); !ok {
			return nil, s, false
		}
		if isDictionary {
			dict = append(dict, entry{key, element})
		} else {
			list = append(list, element)
		}
	}
	if s == "" {
		return nil, s, false
	}
	if isDictionary {
		return dict, s[1:], true
	}
	return list, s[1:], true
}

func readBytes(s string) (text, rest string, ok bool) {
	digits, rest, found := strings.Cut(s, ":")
	n, err := strconv.ParseUint(digits, 10, 31)
	if !found || err != nil || strconv.FormatUint(n, 10) != digits || int(n) > len(rest) {
		return "", s, false
	}
	return rest[:n], rest[n:], true
}

func TestOracle(t *testing.T) {
	nested := func(n int) string { return "d1:x" + strings.Repeat("l", n) + strings.Repeat("e", n) + "1:t1:t1:y1:qe" }
	for datagram, want := range map[string]fate{
		"d1:t2:aa1:y1:qe":                  deservesReply,
		"d1:y1:q1:t2:aae":                  deservesReply,
		"d1:y1:q1:t2:aa1:y1:re":            deservesReply,
		"d1:y1:r1:t2:aa1:y1:qe":            isAnswer,
		"d1:yi1e1:t2:aa1:y1:qe":            isRubbish,
		"d1:t0:1:y1:qe":                    hasBadT,
		"d1:ti1e1:y1:qe":                   hasBadT,
		"d1:y1:ee":                         isAnswer,
		"d1:y1:ze":                         isRubbish,
		"d1:y1:qee":                        isRubbish,
		"d1:y1:q":                          isRubbish,
		"d1:xi-0e1:y1:qe":                  isRubbish,
		"d1:xi9223372036854775808e1:y1:qe": isRubbish,
		"d1:x01:a1:y1:qe":                  isRubbish,
		"d1:x4294967297:a1:y1:qe":          isRubbish,
		"d1:x-1:a1:y1:qe":                  isRubbish,
		"di1ei2e1:y1:qe":                   isRubbish,
		"l1:y1:qe":                         isRubbish,
		"":                                 isRubbish,
		nested(31):                         deservesReply,
		nested(32):                         isRubbish,
	} {
		have, _ := oracle([]byte(datagram))
		require.Equal(t, want, have, "%q", datagram)
	}
}
