package dht

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
	"supernode/dht/wire"
)

// TestPutErrors is every code a put can be refused with, and what is just right beside it. All have a good token.
func TestPutErrors(t *testing.T) {
	long := strings.Repeat("s", MaxSalt)
	with := func(m wire.Message, change func(*wire.Message)) wire.Message {
		change(&m)
		return m
	}
	stored := mutablePut(1, "", 5, []byte("1:v"))
	for _, c := range []struct {
		name string
		m    wire.Message
		code int64
	}{
		{"immutable", wire.Message{Value: []byte("1:v")}, 0},
		{"immutable, 1000 bytes", wire.Message{Value: valueOf(1000)}, 0},
		{"immutable, 1001 bytes", wire.Message{Value: valueOf(1001)}, 205},
		{"no value", wire.Message{}, 203},
		{"keys out of order", wire.Message{Value: []byte("d1:b0:1:a0:e")}, 203},
		{"a key twice", wire.Message{Value: []byte("d1:a0:1:a0:e")}, 203},
		{"mutable", mutablePut(2, "", 1, []byte("1:v")), 0},
		{"mutable, seq 0", mutablePut(2, "", 0, []byte("1:v")), 0},
		{"mutable, the largest seq", mutablePut(2, "", 1<<63-1, []byte("1:v")), 0},
		{"mutable, a negative seq", mutablePut(2, "", -1, []byte("1:v")), 203},
		{"mutable, 1000 bytes, salt of 64", mutablePut(2, long, 1, valueOf(1000)), 0},
		{"mutable, 1001 bytes", mutablePut(2, "", 1, valueOf(1001)), 205},
		{"mutable, 1001 bytes, salt of 65", mutablePut(2, long+"s", 1, valueOf(1001)), 205},
		{"mutable, salt of 65", mutablePut(2, long+"s", 1, []byte("1:v")), 207},
		{"immutable, salt of 65", wire.Message{Value: []byte("1:v"), Salt: []byte(long + "s")}, 207},
		{"mutable, not canonical", mutablePut(2, "", 1, []byte("d1:b0:1:a0:e")), 203},
		{"no sig", with(mutablePut(2, "", 1, []byte("1:v")), func(m *wire.Message) { m.Sig = nil }), 203},
		{"no seq", with(mutablePut(2, "", 1, []byte("1:v")), func(m *wire.Message) { m.Has = 0 }), 203},
		{"no k", with(mutablePut(2, "", 1, []byte("1:v")), func(m *wire.Message) { m.Key = nil }), 203},
		{"k of 31 bytes, no sig", wire.Message{Value: []byte("1:v"), Key: publicOf(keyPair(2))[1:], Has: wire.HasSeq}, 203},
		{"sig of 63 bytes", with(mutablePut(2, "", 1, []byte("1:v")), func(m *wire.Message) { m.Sig = m.Sig[1:] }), 203},
		{"k alone", wire.Message{Value: []byte("1:v"), Key: publicOf(keyPair(2))}, 203},
		{"salt alone", wire.Message{Value: []byte("1:v"), Salt: []byte("s")}, 203},
		{"cas alone", wire.Message{Value: []byte("1:v"), Has: wire.HasCAS}, 203},
		{"seq alone", wire.Message{Value: []byte("1:v"), Has: wire.HasSeq, Seq: -7}, 0},
		{"another's signature", with(mutablePut(2, "", 1, []byte("1:v")), func(m *wire.Message) { m.Sig[3]++ }), 206},
		{"signed with another seq", with(mutablePut(2, "", 1, []byte("1:v")), func(m *wire.Message) { m.Seq++ }), 206},
		{"signed with another salt", with(mutablePut(2, "s", 1, []byte("1:v")), func(m *wire.Message) { m.Salt = []byte("t") }), 206},
		{"signed with a salt, sent without", with(mutablePut(2, "s", 1, []byte("1:v")), func(m *wire.Message) { m.Salt = nil }), 206},
		{"signed without a salt, sent with an empty one", with(mutablePut(2, "", 1, []byte("1:v")), func(m *wire.Message) { m.Salt = []byte{} }), 0},
		{"cas where nothing is stored", with(mutablePut(2, "", 1, []byte("1:v")), func(m *wire.Message) { m.Has |= wire.HasCAS; m.CAS = 9 }), 0},

		{"the same again", stored, 0},
		{"the same again, cas", with(stored, func(m *wire.Message) { m.Has |= wire.HasCAS; m.CAS = 5 }), 0},
		{"the same again, wrong cas", with(stored, func(m *wire.Message) { m.Has |= wire.HasCAS; m.CAS = 4 }), 301},
		{"lower seq", mutablePut(1, "", 4, []byte("1:v")), 302},
		{"lower seq, wrong cas", with(mutablePut(1, "", 4, []byte("1:v")), func(m *wire.Message) { m.Has |= wire.HasCAS; m.CAS = 4 }), 301},
		{"equal seq, other value", mutablePut(1, "", 5, []byte("1:w")), 302},
		{"higher seq", mutablePut(1, "", 6, []byte("1:w")), 0},
		{"higher seq, cas", with(mutablePut(1, "", 6, []byte("1:w")), func(m *wire.Message) { m.Has |= wire.HasCAS; m.CAS = 5 }), 0},
		{"higher seq, wrong cas", with(mutablePut(1, "", 6, []byte("1:w")), func(m *wire.Message) { m.Has |= wire.HasCAS; m.CAS = 6 }), 301},
		{"higher seq, forged", with(mutablePut(1, "", 6, []byte("1:w")), func(m *wire.Message) { m.Sig = stored.Sig }), 206},
		{"the same again, forged", with(stored, func(m *wire.Message) { m.Sig = append([]byte{1}, m.Sig[1:]...) }), 206},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, Config{})
			require.Zero(t, ask(t, n, 0, addr4(9000), withToken(n, 0, v4, stored)).Code)
			before := n.items.count
			it := item{value: c.m.Value, key: c.m.Key, salt: c.m.Salt}
			target := it.target()
			held, _, known := n.items.get(0, &target)
			heldValue, heldSeq := string(held.value), held.seq

			now := Instant(time.Minute)
			c.m.Method = wire.Put
			require.Equal(t, c.code, ask(t, n, now, addr4(9000), withToken(n, now, v4, c.m)).Code)
			got, _, ok := n.items.get(now, &target)
			switch {
			case c.code == 0:
				require.True(t, ok)
				require.Equal(t, c.m.Value, got.value)
				_, _, ok = n.items.get(now.Add(itemLifetime)-1, &target)
				require.True(t, ok, "lives on")
			case known:
				require.Equal(t, heldValue, string(got.value))
				require.Equal(t, heldSeq, got.seq)
				_, _, ok = n.items.get(now.Add(itemLifetime)-1, &target)
				require.False(t, ok, "lives no longer than without")
			default:
				require.Equal(t, before, n.items.count, "stored nevertheless")
			}
		})
	}
}

// TestPutCollision: a key and salt can be chosen so that their bytes are a value. Neither kind of item may take
// the place of the other.
func TestPutCollision(t *testing.T) {
	n := newNode(t, Config{})
	signed := mutablePut(1, strings.Repeat("s", MaxSalt), 1, []byte("1:v"))
	target := MutableTarget(signed.Key, signed.Salt)
	plain := item{value: []byte("1:v")} // as if its hash were this
	require.True(t, n.items.put(0, 0, &target, &plain, nobody))
	require.EqualValues(t, 203, ask(t, n, 0, addr4(9000), withToken(n, 0, v4, signed)).Code)
	it, _, ok := n.items.get(0, &target)
	require.True(t, ok)
	require.Nil(t, it.key)
}

// TestPutChecksAreBounded counts signatures that are looked at: per source, and of all.
func TestPutChecksAreBounded(t *testing.T) {
	n := newNode(t, Config{})
	forged := mutablePut(1, "", 1, []byte("1:v"))
	forged.Sig[0]++
	target := MutableTarget(forged.Key, nil)
	try := func(now Instant, source int) int64 {
		var token [tokenSize]byte
		n.tokens.put(&token, now, addr4(source).Addr(), target[:])
		m := forged
		m.Token = token[:]
		return ask(t, n, now, addr4(source), m).Code
	}
	for range checksOfSource / falseCheck {
		require.EqualValues(t, 206, try(0, 1))
	}
	require.EqualValues(t, 202, try(0, 1))
	require.EqualValues(t, 206, try(0, 2), "another source has its own budget")
	require.EqualValues(t, 206, try(Instant(time.Second), 1), "a second later there is a new one")

	checked := 0
	now := Instant(10 * time.Second)
	for source := range 3 * checksASecond {
		if try(now, source) == 206 {
			checked++
		}
	}
	require.Equal(t, checksASecond, checked)
	require.EqualValues(t, 206, try(now.Add(time.Second), 1))
}

// TestForgersLeaveChecks lets some put as many false signatures as they can: they have a few looked at, whatever
// number of addresses each network has, and true ones of others and even of their neighbours are still stored.
func TestForgersLeaveChecks(t *testing.T) {
	for name, c := range map[string]struct {
		source     func(i int) netip.Addr
		most       int // signatures looked at
		stillTaken netip.Addr
	}{
		"four sources": {func(i int) netip.Addr { return addr4(i % 4).Addr() }, 4 * checksOfSource / falseCheck, addr4(5).Addr()},
		"a /48": {func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 3, 6: byte(i >> 8), 7: byte(i), 15: 1})
		}, checksOfNetwork / falseCheck, addr6(5).Addr()},
		"a /24": {func(i int) netip.Addr {
			return netip.AddrFrom4([4]byte{60, 1, 1, byte(i)})
		}, checksOfNetwork / falseCheck, netip.MustParseAddr("60.1.2.1")},
	} {
		n := newNode(t, Config{})
		forged, honest := mutablePut(1, "", 1, []byte("1:v")), mutablePut(2, "", 1, []byte("1:v"))
		forged.Sig[0]++
		put := func(m wire.Message, ip netip.Addr) int64 {
			target := MutableTarget(m.Key, nil)
			var token [tokenSize]byte
			n.tokens.put(&token, 0, ip, target[:])
			m.Token = token[:]
			return ask(t, n, 0, netip.AddrPortFrom(ip, 6881), m).Code
		}
		looked := 0
		for i := range 4 * checksOfSource {
			if put(forged, c.source(i)) == 206 {
				looked++
			}
		}
		require.Equal(t, c.most, looked, name)
		require.Zero(t, put(honest, c.stillTaken), name)
	}
}

// TestPutIsNotCheckedTwice: what is stored costs no signature, so it is refreshed at any pace.
func TestPutIsNotCheckedTwice(t *testing.T) {
	n := newNode(t, Config{})
	m := withToken(n, 0, v4, mutablePut(1, "", 1, []byte("1:v")))
	for range 3 * checksOfSource {
		require.Zero(t, ask(t, n, 0, addr4(9000), m).Code)
	}
	require.EqualValues(t, 1, n.items.budget(0, sourceOf(addr4(9000).Addr())).count)
}

// TestPutAgainstModel sends puts of few keys, salts, numbers and values, true and forged, in any order, to a node and
// to the rules of BEP 44 as a person would apply them.
func TestPutAgainstModel(tb *testing.T) {
	type held struct {
		value string
		seq   int64
		until Instant
	}
	rapid.Check(tb, func(t *rapid.T) {
		n := newNode(tb, Config{})
		now := Instant(0)
		model := map[wire.ID]held{}
		for range rapid.IntRange(1, 60).Draw(t, "puts") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 60, 3600}).Draw(t, "seconds")) * time.Second)
			n.items.sweep(now)
			value := rapid.SampledFrom([]string{"1:a", "1:b", "d1:b0:1:a0:e"}).Draw(t, "value")
			m := wire.Message{Method: wire.Put, Value: []byte(value)}
			forged := false
			if rapid.IntRange(0, 3).Draw(t, "mutable") > 0 {
				m = mutablePut(rapid.ByteRange(1, 2).Draw(t, "key"), rapid.SampledFrom([]string{"", "s"}).Draw(t, "salt"),
					rapid.Int64Range(0, 4).Draw(t, "seq"), m.Value)
				if forged = rapid.IntRange(0, 4).Draw(t, "forged") == 0; forged {
					m.Sig[rapid.IntRange(0, 63).Draw(t, "byte")] ^= 1
				}
				if rapid.IntRange(0, 2).Draw(t, "has cas") == 0 {
					m.Has |= wire.HasCAS
					m.CAS = rapid.Int64Range(0, 4).Draw(t, "cas")
				}
			}
			target := (&item{value: m.Value, key: m.Key, salt: m.Salt}).target()
			m = withToken(n, now, v4, m)
			goodToken := rapid.IntRange(0, 9).Draw(t, "token") > 0
			if !goodToken {
				m.Token[0] ^= 1
			}

			old, known := model[target]
			known = known && old.until > now
			want := int64(0)
			switch {
			case !goodToken || value[0] == 'd':
				want = 203
			case known && m.Has&wire.HasCAS != 0 && m.CAS != old.seq:
				want = 301
			case known && (m.Seq < old.seq || m.Seq == old.seq && value != old.value):
				want = 302
			case forged:
				want = 206
			default:
				model[target] = held{value, m.Seq, now.Add(itemLifetime)}
			}
			if got := ask(tb, n, now, addr4(9000), m).Code; got != want {
				t.Fatalf("%+v over %+v: %d, want %d", m, old, got, want)
			}
			for target, want := range model {
				it, _, ok := n.items.get(now, &target)
				if ok != (want.until > now) || ok && (string(it.value) != want.value || it.seq != want.seq) {
					t.Fatalf("stored %+v, want %+v", it, want)
				}
			}
		}
	})
}
