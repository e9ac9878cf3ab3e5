package wire

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// seeds is where every fuzz target of messages starts: what the tables hold. Inputs that a fuzzer found
// interesting stand in testdata/fuzz.
func seeds(f *testing.F) (in [][]byte) {
	for _, s := range samples() {
		in = append(in, s.msg.Append(nil))
	}
	for _, v := range vectors {
		in = append(in, []byte(v.in))
	}
	for _, class := range malformed {
		for _, s := range class.in {
			in = append(in, []byte(s))
		}
	}
	if len(in) == 0 {
		f.Fatal("no seeds: a fuzz target that starts from nothing finds nothing")
	}
	return in
}

// FuzzParse: whatever is accepted is made of views, can be written with the same meaning, and is written the
// same ever after; none of it allocates.
func FuzzParse(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		var m Message
		err := Parse(in, &m)
		require.Equal(t, before, in, "Parse writes into its input")
		if err != nil {
			require.True(t, err == ErrBencode || err == ErrKind)
			return
		}
		requireViews(t, in, &m)
		for range m.Peers() { // must end, and not panic
		}

		out := m.Append(nil)
		requireSortedKeys(t, out)
		var again Message
		require.NoError(t, Parse(out, &again), "%q", out)
		require.Equal(t, meaning(m), again)
		require.Equal(t, out, again.Append(nil))

		buf := make([]byte, 0, len(out))
		require.Zero(t, testing.AllocsPerRun(5, func() {
			_ = Parse(in, &m)
			m.Append(buf)
		}))
	})
}

// FuzzReference: Parse accepts what a plain recursive decoder accepts, reads it the same, and passes over any
// value just as that decoder does.
func FuzzReference(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var m Message
		err := Parse(in, &m)
		want, wantErr := referenceParse(in)
		require.Equal(t, wantErr, err)
		if err == nil {
			require.Equal(t, want, m)
		}
		for _, depth := range []int{0, 1, MaxDepth - 1, MaxDepth} {
			d := decoder{in}
			end := d.skip(0, depth)
			want, rest, wantOK := plant(string(in), depth)
			require.Equal(t, wantOK && want.liberties == 0, end != 0, "depth %d", depth)
			if end != 0 {
				require.Equal(t, len(in)-len(rest), end, "depth %d", depth)
			}
		}
	})
}

// FuzzCompact: compact addresses and lists of them survive a round trip, whatever their bytes and lengths.
func FuzzCompact(f *testing.F) {
	lists := [][]byte{nil, nodes(1, addr4), nodes(3, addr4), nodes(1, addr6), nodes(3, addr6), []byte("6:axje.u6:idhtnm"),
		AppendPeer(AppendPeer(nil, addr4), addr6), []byte("6:axje.ulei1e3:abc18:abcdefghijklmnopqr"), []byte("9:"), []byte("x"),
		AppendAddr(nil, addr4), AppendAddr(nil, addr6), []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x04\x00\x01")}
	for _, l := range lists {
		f.Add(l)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		requireSameAddr(t, in)
		for _, size := range []int{CompactNode4, CompactNode6} {
			var out []byte
			for id, a := range NodeList(in, size) {
				require.True(t, a.IsValid())
				if a.Addr().Is4In6() { // would be written as IPv4
					out = append(out, in[len(out):len(out)+size]...)
				} else {
					out = AppendNode(out, id, a)
				}
			}
			require.Equal(t, string(in[:len(in)/size*size]), string(out))
		}
		// Peers reads what AppendPeer wrote of what Peers read.
		m := Message{Values: in}
		var peers, again []netip.AddrPort
		for a := range m.Peers() {
			require.True(t, a.IsValid())
			peers = append(peers, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
		}
		m.Values = nil
		for _, a := range peers {
			m.Values = AppendPeer(m.Values, a)
		}
		for a := range m.Peers() {
			again = append(again, a)
		}
		require.Equal(t, peers, again)
	})
}

// requireSameAddr: b is a compact address if it has the length of one, and then it is written as it was read.
func requireSameAddr(t tester, b []byte) {
	t.Helper()
	a := Addr(b)
	require.Equal(t, len(b) == CompactAddr4 || len(b) == CompactAddr6, a.IsValid())
	switch {
	case !a.IsValid():
		require.Empty(t, AppendAddr(nil, a))
	case a.Addr().Is4In6():
		require.Equal(t, b[12:], AppendAddr(nil, a))
	default:
		require.Equal(t, b, AppendAddr(nil, a))
	}
}
