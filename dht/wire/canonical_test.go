package wire

import (
	"slices"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// canonicalCases are values, and what is wrong with them.
var canonicalCases = []struct {
	in   string
	want bool
}{
	{"0:", true}, {"4:spam", true}, {"i0e", true}, {"i-1e", true}, {"i9223372036854775807e", true}, {"le", true}, {"de", true},
	{"li1eli2eee", true}, {"d1:ai1e1:bi2ee", true}, {"d0:i1e1:a0:e", true}, {"d1:Ai1e1:ai2ee", true}, {"d1:a0:2:aa0:e", true},
	{"d1:ad1:bi1e1:cleee", true}, {"ld1:bi1eed1:ai1eee", true}, {"d1:zd1:ai1eee", true}, {"d1:\x7f0:1:\x800:e", true},

	{"", false}, {"x", false}, {"e", false}, {"i1", false}, {"l", false}, {"d", false}, {"d1:a", false}, {"d1:ae", false},
	{"4:spamx", false}, {"i1ei2e", false}, {"lee", false}, {"4:spa", false},
	{"04:spam", false}, {"00:", false}, {"i01e", false}, {"i-0e", false}, {"i+1e", false}, {"ie", false}, {"i-e", false}, {"i 1e", false},
	{"i9223372036854775808e", false}, {"99999999999999999999:", false},
	{"d1:bi1e1:ai2ee", false}, {"d1:ai1e1:ai2ee", false}, {"d2:aa0:1:a0:e", false}, {"d1:a0:0:0:e", false}, {"d1:ai1e1:Ai2ee", false},
	{"d1:\x800:1:\x7f0:e", false}, {"di1ei2ee", false}, {"dlelee", false}, {"ld1:bi1e1:ai1eee", false}, {"d1:ad1:bi1e1:ai1eee", false},
}

func TestCanonical(t *testing.T) {
	for _, c := range canonicalCases {
		require.Equal(t, c.want, Canonical([]byte(c.in)), "%q", c.in)
	}
	nested := func(n int) []byte { return []byte(strings.Repeat("l", n) + strings.Repeat("e", n)) }
	require.True(t, Canonical(nested(MaxDepth-valueDepth)))
	require.False(t, Canonical(nested(MaxDepth-valueDepth+1)))
}

// TestCanonicalFitsAMessage: as deep as a value may be, Parse still reads it out of a message.
func TestCanonicalFitsAMessage(t *testing.T) {
	for n := range MaxDepth {
		v := []byte(strings.Repeat("l", n) + "0:" + strings.Repeat("e", n))
		q := Message{Kind: Query, Method: Put, T: aa, ID: id20, Value: v}
		require.Equal(t, Parse(q.Append(nil), new(Message)) == nil, Canonical(v), "depth %d", n)
	}
}

// requireCanonical holds Canonical(in) against the reference decoder, and what it accepts against a foreign codec,
// which must write the same bytes again.
func requireCanonical(t tester, in []byte) {
	t.Helper()
	v, rest, ok := plant(string(in), valueDepth)
	want := ok && rest == "" && v.liberties == 0 && ascending(v)
	got := Canonical(in)
	require.Equal(t, want, got, "%q", in)
	if got {
		var value any
		require.NoError(t, bencode.Unmarshal(in, &value), "%q", in)
		out, err := bencode.Marshal(value)
		require.NoError(t, err)
		require.Equal(t, string(in), string(out))
	}
}

func ascending(v tree) bool {
	for i := 1; i < len(v.keys); i++ {
		if v.keys[i-1] >= v.keys[i] {
			return false
		}
	}
	return !slices.ContainsFunc(v.values, func(v tree) bool { return !ascending(v) })
}

// TestCanonicalOfOthers: what a foreign codec writes is canonical.
func TestCanonicalOfOthers(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		leaf := []*rapid.Generator[any]{
			rapid.String().AsAny(), rapid.Int64().AsAny(),
		}
		if depth > 0 {
			inner := value(depth - 1)
			leaf = append(leaf, rapid.SliceOfN(inner, 0, 4).AsAny(), rapid.MapOfN(rapid.String(), inner, 0, 4).AsAny())
		}
		return rapid.OneOf(leaf...)
	}
	rapid.Check(t, func(t *rapid.T) {
		in, err := bencode.Marshal(value(4).Draw(t, "value"))
		require.NoError(t, err)
		require.True(t, Canonical(in), "%q", in)
		requireCanonical(t, in)
	})
}

func FuzzCanonical(f *testing.F) {
	for _, c := range canonicalCases {
		f.Add([]byte(c.in))
	}
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		requireCanonical(t, in)
		require.Zero(t, testing.AllocsPerRun(3, func() { Canonical(in) }))
		for _, key := range []string{"", "a", "ih", "id"} {
			v, rest, ok := plant(string(in), valueDepth)
			var want string
			if ok && rest == "" && v.liberties == 0 && v.kind == 'd' {
				want = v.get(key).raw
			}
			require.Equal(t, want, string(Lookup(in, key)), "%q in %q", key, in)
		}
		if s := String(in); s != nil {
			require.Equal(t, string(in), string(AppendString(nil, s)))
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	in := []byte("d2:ih20:abcdefghij01234567894:listli1ei2ei3ee4:name" + string(AppendString(nil, make([]byte, 900))) + "e")
	require.True(b, Canonical(in))
	b.ReportAllocs()
	for b.Loop() {
		Canonical(in)
	}
}
