package wire

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// optional is nil, or bytes of one of the lengths.
func optional(t *rapid.T, label string, lengths ...int) []byte {
	if !rapid.Bool().Draw(t, label+"?") {
		return nil
	}
	n := rapid.SampledFrom(lengths).Draw(t, label+" length")
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, label)
}

// anyBencode is one bencoded value, not always canonical: its dictionaries are neither sorted nor free of
// repeated keys.
func anyBencode(t *rapid.T, depth int) []byte {
	kinds := 4
	if depth == 0 {
		kinds = 2
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "type") {
	case 0:
		return AppendString(nil, rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "string"))
	case 1:
		return AppendInt(nil, rapid.Int64().Draw(t, "integer"))
	case 2:
		b := []byte("l")
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			b = append(b, anyBencode(t, depth-1)...)
		}
		return append(b, 'e')
	}
	b := []byte("d")
	for range rapid.IntRange(0, 3).Draw(t, "keys") {
		b = AppendString(b, rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "key"))
		b = append(b, anyBencode(t, depth-1)...)
	}
	return append(b, 'e')
}

// anyMessage is a message as Parse could return it.
func anyMessage(t *rapid.T) (m Message) {
	m.Kind = rapid.SampledFrom([]Kind{Query, Response, Error}).Draw(t, "kind")
	m.T = optional(t, "t", 0, 1, 2, 4, 20, 200)
	m.Version = optional(t, "v", 0, 4, 7)
	m.IP = optional(t, "ip", 6, 18)
	m.ReadOnly = rapid.Bool().Draw(t, "ro")
	switch m.Kind {
	case Error:
		m.Code = rapid.Int64().Draw(t, "code")
		m.Text = rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "text")
		return m
	case Query:
		if m.Method = Method(rapid.IntRange(0, int(Methods)-1).Draw(t, "method")); m.Method != Unknown {
			m.Name = []byte(m.Method.String())
		} else if m.Name = optional(t, "q", 0, 1, 9, 12); MethodByName(m.Name) != Unknown {
			m.Name = nil
		}
	}
	m.ID = optional(t, "id", 20)
	m.Target = optional(t, "target", 20)
	m.InfoHash = optional(t, "info_hash", 20)
	m.Token = optional(t, "token", 0, 1, 8, 20)
	m.Nodes = optional(t, "nodes", 0, 26, 8*26)
	m.Nodes6 = optional(t, "nodes6", 0, 38, 8*38)
	m.Samples = optional(t, "samples", 0, 20, 400)
	m.BFsd = optional(t, "BFsd", 256)
	m.BFpe = optional(t, "BFpe", 256)
	m.Key = optional(t, "k", 32)
	m.Sig = optional(t, "sig", 64)
	m.Salt = optional(t, "salt", 0, 1, 64)
	if rapid.Bool().Draw(t, "value?") {
		m.Value = anyBencode(t, 4)
	}
	if rapid.Bool().Draw(t, "values?") {
		m.Values = []byte{}
		for range rapid.IntRange(0, 4).Draw(t, "peers") {
			if n := rapid.SampledFrom([]int{0, 6, 18}).Draw(t, "peer length"); n > 0 {
				m.Values = AppendString(m.Values, rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "peer"))
			} else {
				m.Values = append(m.Values, anyBencode(t, 2)...)
			}
		}
	}
	m.Has = Has(rapid.IntRange(0, 31).Draw(t, "has"))
	for bit, field := range []*int64{&m.Port, &m.Seq, &m.CAS, &m.Interval, &m.Num} {
		if m.Has&(1<<bit) != 0 {
			*field = rapid.Int64().Draw(t, "integer")
		}
	}
	m.Want = Want(rapid.IntRange(0, 3).Draw(t, "want"))
	m.ImpliedPort = rapid.Bool().Draw(t, "implied_port")
	m.Seed = rapid.Bool().Draw(t, "seed")
	m.NoSeed = rapid.Bool().Draw(t, "noseed")
	m.Scrape = rapid.Bool().Draw(t, "scrape")
	return m
}

// TestRoundTrip: any message that Parse could return is written so that Parse returns it.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage(t)
		out := m.Append(nil)
		var got Message
		require.NoError(t, Parse(out, &got), "%q", out)
		require.Equal(t, m, got)
		require.Equal(t, out, got.Append(nil))
		want, err := referenceParse(out)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.LessOrEqual(t, len(out), cap(out))
	})
}

// TestOrderDoesNotMatter: shuffling a message's keys, repeating them behind, and sprinkling unknown ones among
// them changes nothing.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage(t)
		top := plantAll(string(m.Append(nil)))
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "shuffle"), 0))
		for i, key := range top.keys {
			if key == "a" || key == "r" {
				top.values[i].raw = string(disturb(t, rng, top.values[i]))
			}
		}
		var got Message
		in := disturb(t, rng, top)
		require.NoError(t, Parse(in, &got), "%q", in)
		require.Equal(t, m, got, "%q", in)
	})
}

// disturb writes the dictionary v with its keys in any order, unknown keys between them, and some repeated.
func disturb(t *rapid.T, rng *rand.Rand, v tree) []byte {
	b := []byte("d")
	order := rng.Perm(len(v.keys))
	repeated := order[:rng.IntN(len(order)+1)]
	for _, i := range order {
		if rapid.Bool().Draw(t, "unknown key?") {
			b = append(b, bstr(rapid.StringMatching(`x[a-z]{0,12}|[A-D]|.{20}`).Draw(t, "unknown key"))...)
			b = append(b, anyBencode(t, 3)...)
		}
		b = append(append(b, bstr(v.keys[i])...), v.values[i].raw...)
	}
	for _, i := range slices.Backward(repeated) {
		b = append(append(b, bstr(v.keys[i])...), anyBencode(t, 1)...)
	}
	return append(b, 'e')
}
