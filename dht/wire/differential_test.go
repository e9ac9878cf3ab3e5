//go:build !386 && !arm && !mips && !mipsle

package wire

import (
	"reflect"
	"testing"

	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// readings are our reading of in and the oracle's, each nil if it refuses.
func readings(in []byte) (ours, theirs *Message) {
	var m Message
	if Parse(in, &m) == nil {
		ours = &m
	}
	if msg, err := oracleParse(in); err == nil {
		m := fromOracle(msg)
		theirs = &m
	}
	return ours, theirs
}

// agree: both refuse, or both read the same, blind spots but one aside.
func agree(ours, theirs *Message, except string) bool {
	if ours == nil || theirs == nil {
		return ours == theirs
	}
	return reflect.DeepEqual(covered(*ours, except), covered(*theirs, except))
}

// requireAgreement fails unless a known difference covers in, or there is none.
func requireAgreement(t tester, in []byte) {
	t.Helper()
	if knownDifference(string(in)) != "" {
		return
	}
	if ours, theirs := readings(in); !agree(ours, theirs, "") {
		require.Equal(t, theirs, ours, "a new difference: %q", in)
	}
}

// TestDifferences: every known difference and every blind spot is still one.
func TestDifferences(t *testing.T) {
	for _, d := range differences {
		require.Equal(t, d.name, knownDifference(d.example), "%s: the example shows another", d.name)
		ours, theirs := readings([]byte(d.example))
		require.False(t, agree(ours, theirs, ""), "%s: no difference any more", d.name)
	}
	for _, s := range blindSpots {
		require.Empty(t, knownDifference(s.example), "%s: the example shows a difference", s.name)
		ours, theirs := readings([]byte(s.example))
		require.NotNil(t, ours, s.name)
		require.NotNil(t, theirs, s.name)
		require.True(t, agree(ours, theirs, ""), "%s: not covered", s.name)
		require.False(t, agree(ours, theirs, s.name), "%s: no blind spot any more", s.name)
	}
}

// TestOracleReadsOurs: what we write, the oracle reads with the same meaning.
func TestOracleReadsOurs(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			p := s.msg.Append(nil)
			require.Empty(t, knownDifference(string(p)), "a sample must be compared")
			requireAgreement(t, p)
		})
	}
	for _, v := range vectors {
		requireAgreement(t, []byte(v.in))
	}
	for _, class := range malformed {
		for _, in := range class.in {
			requireAgreement(t, []byte(in))
		}
	}
}

// TestOracleReadsAny is the same for messages of all shapes.
func TestOracleReadsAny(t *testing.T) {
	total, compared := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage(t)
		p := m.Append(nil)
		total++
		if knownDifference(string(p)) == "" {
			compared++
		}
		requireAgreement(t, p)
	})
	require.Greater(t, compared, total/2, "too many messages are excused")
}

// TestOursReadsOracle: what the oracle writes, we read with the meaning it gave it.
func TestOursReadsOracle(t *testing.T) {
	requireRead := func(t tester, msg krpc.Msg) {
		in, err := bencode.Marshal(msg)
		require.NoError(t, err)
		require.Empty(t, knownDifference(string(in)), "%q", in)
		var ours Message
		require.NoError(t, Parse(in, &ours), "%q", in)
		require.Equal(t, covered(fromOracle(msg), ""), covered(ours, ""), "%q", in)
	}
	for _, msg := range oracleSamples() {
		requireRead(t, msg)
	}
	rapid.Check(t, func(rt *rapid.T) { requireRead(t, anyOracle(rt)) })
}

// FuzzDifferential: there are no differences but the known ones.
func FuzzDifferential(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	for _, d := range differences {
		f.Add([]byte(d.example))
	}
	for _, s := range blindSpots {
		f.Add([]byte(s.example))
	}
	for _, msg := range oracleSamples() {
		f.Add(bencode.MustMarshal(msg))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if claimsHugeString(in) { // the oracle would make room for it before it looks
			return
		}
		requireAgreement(t, in)
	})
}

// claimsHugeString: in holds what could be read as a string's length of seven digits or more.
func claimsHugeString(in []byte) bool {
	digits := 0
	for _, c := range in {
		switch {
		case isDigit(c):
			digits++
		case c == ':' && digits > 6:
			return true
		default:
			digits = 0
		}
	}
	return false
}
