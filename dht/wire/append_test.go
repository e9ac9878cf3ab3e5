package wire

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendString(t *testing.T) {
	for n := range 1200 {
		s := strings.Repeat("s", n)
		require.Equal(t, fmt.Sprintf("x%d:%s", n, s), string(AppendString([]byte("x"), []byte(s))))
	}
}

func TestAppendInt(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 9, 10, 99, 100, 6881, 65535, math.MaxInt64, math.MinInt64} {
		require.Equal(t, fmt.Sprintf("xi%de", n), string(AppendInt([]byte("x"), n)))
	}
}

// TestAppendKind: what does not belong to a kind is not written.
func TestAppendKind(t *testing.T) {
	full := Message{Method: Ping, Name: []byte("x"), T: aa, ID: id20, Code: 201, Text: []byte("no")}
	for kind, want := range map[Kind]string{
		Query:    "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
		Response: "d1:rd2:id20:abcdefghij0123456789e1:t2:aa1:y1:re",
		Error:    "d1:eli201e2:noe1:t2:aa1:y1:ee",
	} {
		full.Kind = kind
		require.Equal(t, want, string(full.Append(nil)))
	}
}

// TestAppendEmpty: nil is absent, empty is empty.
func TestAppendEmpty(t *testing.T) {
	for want, m := range map[string]Message{
		"d1:ade1:y1:qe":                               {Kind: Query},
		"d1:ade1:q0:1:t0:1:v0:1:y1:qe":                {Kind: Query, Name: []byte{}, T: []byte{}, Version: []byte{}},
		"d1:rde1:y1:re":                               {Kind: Response, Value: []byte{}}, // nothing is no bencoded value
		"d1:rd5:nodes0:7:samples0:6:valueslee1:y1:re": {Kind: Response, Nodes: []byte{}, Samples: []byte{}, Values: []byte{}},
		"d1:rd8:intervali0e3:numi0ee1:y1:re":          {Kind: Response, Has: HasInterval | HasNum},
		"d1:eli0e0:e1:y1:ee":                          {Kind: Error},
	} {
		require.Equal(t, want, string(m.Append(nil)))
	}
}

// TestAppendID: an id of another length than 20 would make a message that no one reads; it is left out.
func TestAppendID(t *testing.T) {
	for n := range 30 {
		b := make([]byte, n)
		m := Message{Kind: Query, ID: b, Target: b, InfoHash: b, Token: b}
		got := mustParse(t, string(m.Append(nil)))
		require.Equal(t, n == 20, got.ID != nil)
		require.Equal(t, n == 20, got.Target != nil)
		require.Equal(t, n == 20, got.InfoHash != nil)
		require.Len(t, got.Token, n)
	}
}

// TestAppendBehind: Append leaves what dst holds, grows it if it must, and does not if it need not.
func TestAppendBehind(t *testing.T) {
	for _, s := range samples() {
		p := s.msg.Append(nil)
		requireSortedKeys(t, p)
		require.Equal(t, "before"+string(p), string(s.msg.Append([]byte("before"))), s.name)

		exact := make([]byte, 3, 3+len(p))
		out := s.msg.Append(exact)
		require.Same(t, &exact[0], &out[0], "%s moved out of a buffer it fits into", s.name)

		for room := range len(p) { // too little, by any amount
			require.Equal(t, p, s.msg.Append(make([]byte, 0, room)), s.name)
		}
	}
}

// TestAllocations: not one, in either direction, for any message a node sees.
func TestAllocations(t *testing.T) {
	buf := make([]byte, 0, 2000)
	var got Message
	for _, s := range samples() {
		p := s.msg.Append(nil)
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = Parse(p, &got) }), "Parse %s", s.name)
		require.Zero(t, testing.AllocsPerRun(100, func() { s.msg.Append(buf) }), "Append %s", s.name)
	}
	for _, class := range malformed {
		for _, in := range class.in {
			p := []byte(in)
			require.Zero(t, testing.AllocsPerRun(10, func() { _ = Parse(p, &got) }), "%q", in)
		}
	}
}
