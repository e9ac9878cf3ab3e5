package dht

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(tb, err)
	return b
}

// bep44Key is the public key of the test vectors in BEP 44.
const bep44Key = "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548"

// TestBEP44Vectors are the three examples of the BEP, its value being the string "Hello World!".
func TestBEP44Vectors(t *testing.T) {
	v, k := []byte("12:Hello World!"), unhex(t, bep44Key)
	for _, c := range []struct{ name, salt, signed, sig, target string }{
		{"mutable", "", "3:seqi1e1:v12:Hello World!",
			"305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01",
			"4a533d47ec9c7d95b1ad75f576cffc641853b750"},
		{"mutable with salt", "foobar", "4:salt6:foobar3:seqi1e1:v12:Hello World!",
			"6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17ddf9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08",
			"411eba73b6f087ca51a3795d9c8c938d365e32c1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			salt, sig := []byte(c.salt), unhex(t, c.sig)
			require.Equal(t, c.signed, string(appendSigned(nil, salt, 1, v)))
			require.Equal(t, c.target, fmt.Sprintf("%x", MutableTarget(k, salt)))
			require.True(t, VerifyItem(k, salt, 1, v, sig))
			require.False(t, VerifyItem(k, salt, 2, v, sig))
			require.False(t, VerifyItem(k, append(salt, 'x'), 1, v, sig))
			require.False(t, VerifyItem(k, salt, 1, []byte("12:Hello World?"), sig))
		})
	}
	require.Equal(t, "e5f96f6f38320f0f33959cb4d3d656452117aadb", fmt.Sprintf("%x", ImmutableTarget(v)))
}

// TestBEP46Vectors are the two examples of the BEP: from a magnet link's key and salt to a target.
func TestBEP46Vectors(t *testing.T) {
	k := unhex(t, "8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e")
	require.Equal(t, "cc3f9d90b572172053626f9980ce261a850d050b", fmt.Sprintf("%x", MutableTarget(k, nil)))
	require.Equal(t, "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f", fmt.Sprintf("%x", MutableTarget(k, unhex(t, "6e"))))
}

func TestMutableTorrent(t *testing.T) {
	infohash := filledID('h')
	v := AppendMutableTorrent([]byte("before"), infohash)
	require.Equal(t, "befored2:ih20:"+string(infohash[:])+"e", string(v))
	got, ok := ParseMutableTorrent(v[len("before"):])
	require.True(t, ok)
	require.Equal(t, infohash, got)

	ih := "2:ih20:" + string(infohash[:])
	got, ok = ParseMutableTorrent([]byte("d1:ai1e" + ih + "4:name0:e"))
	require.True(t, ok, "other keys are ignored")
	require.Equal(t, infohash, got)
	for _, v := range []string{"", "de", "le", "i1e", ih, "d" + ih, "d" + ih + "ee", "d4:name0:" + ih + "e", "d" + ih + ih + "e",
		"d2:ih19:" + string(infohash[1:]) + "e", "d2:ihi20ee", "d2:ihl20:" + string(infohash[:]) + "ee", "l" + ih + "e"} {
		_, ok := ParseMutableTorrent([]byte(v))
		require.False(t, ok, "%q", v)
	}
}

// keyPair is a key pair made from a number.
func keyPair(i byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{i}, ed25519.SeedSize))
}

func publicOf(priv ed25519.PrivateKey) ed25519.PublicKey { return priv.Public().(ed25519.PublicKey) }

// valueOf is a bencoded string of n bytes, its length included.
func valueOf(n int) []byte {
	for length := n; length >= 0; length-- {
		if v := wire.AppendString(nil, bytes.Repeat([]byte("v"), length)); len(v) == n {
			return v
		}
	}
	panic(n)
}

// TestVerifyItem is every way in which an item is none, the signature being right.
func TestVerifyItem(t *testing.T) {
	priv := keyPair(1)
	for _, c := range []struct {
		name    string
		salt, v string
		seq     int64
		want    bool
	}{
		{"all well", "salt", "1:v", 0, true},
		{"the largest", strings.Repeat("s", MaxSalt), string(valueOf(MaxValue)), 1<<63 - 1, true},
		{"negative seq", "", "1:v", -1, false},
		{"salt too long", strings.Repeat("s", MaxSalt+1), "1:v", 0, false},
		{"v too long", "", string(valueOf(MaxValue + 1)), 0, false},
		{"no v", "", "", 0, false},
		{"v not canonical", "", "d1:b0:1:a0:e", 0, false},
	} {
		sig := SignItem(priv, []byte(c.salt), c.seq, []byte(c.v))
		require.Equal(t, c.want, VerifyItem(publicOf(priv), []byte(c.salt), c.seq, []byte(c.v), sig), c.name)
	}
	sig := SignItem(priv, nil, 1, []byte("1:v"))
	require.True(t, VerifyItem(publicOf(priv), []byte{}, 1, []byte("1:v"), sig), "an empty salt is none")
	require.False(t, VerifyItem(publicOf(priv)[1:], nil, 1, []byte("1:v"), sig))
	require.False(t, VerifyItem(nil, nil, 1, []byte("1:v"), sig))
	require.False(t, VerifyItem(publicOf(priv), nil, 1, []byte("1:v"), sig[1:]))
	require.False(t, VerifyItem(publicOf(keyPair(2)), nil, 1, []byte("1:v"), sig))
}
