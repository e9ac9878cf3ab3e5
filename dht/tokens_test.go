package dht

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTokenLifetime(t *testing.T) {
	ip, target := netip.MustParseAddr("1.2.3.4"), filledID('h')
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.SampledFrom(starts).Draw(t, "start").Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "offset")))
		age := time.Duration(rapid.Int64Range(0, int64(15*time.Minute)).Draw(t, "age"))
		var k tokens
		k.init([2]uint64{1, 2}, start)
		var token [tokenSize]byte
		k.put(&token, start, ip, target[:])
		for between := range rapid.IntRange(0, 3).Draw(t, "uses between") {
			k.turn(start.Add(age * time.Duration(between) / 3))
		}
		valid := k.valid(token[:], start.Add(age), ip, &target)
		if age <= 5*time.Minute && !valid {
			t.Fatalf("made at %d, not valid after %v", start, age)
		}
		if age >= 10*time.Minute && valid {
			t.Fatalf("made at %d, still valid after %v", start, age)
		}
		var again [tokenSize]byte
		k.put(&again, start.Add(age), ip, target[:])
		if age >= 5*time.Minute && again == token {
			t.Fatalf("the secret of %d is still in use after %v", start, age)
		}
	})
}

func TestTokenIsBound(t *testing.T) {
	for _, start := range starts {
		var k, other tokens
		k.init([2]uint64{1, 2}, start)
		other.init([2]uint64{1, 3}, start)
		ip, target := netip.MustParseAddr("1.2.3.4"), filledID('h')
		var token [tokenSize]byte
		k.put(&token, start, ip, target[:])
		require.True(t, k.valid(token[:], start, ip, &target))
		require.False(t, other.valid(token[:], start, ip, &target), "another node's secret")
		require.False(t, k.valid(token[:], start, netip.MustParseAddr("1.2.3.5"), &target), "another address")
		require.False(t, k.valid(token[:], start, netip.MustParseAddr("2003::102:304"), &target), "another family")
		require.False(t, k.valid(token[:], start, ip, new(filledID('i'))), "another info_hash")
		require.False(t, k.valid(nil, start, ip, &target))
		require.False(t, k.valid(token[:7], start, ip, &target))
		require.False(t, k.valid(append(token[:], 0), start, ip, &target))
		for bit := range 64 {
			forged := token
			forged[bit/8] ^= 1 << (bit % 8)
			require.False(t, k.valid(forged[:], start, ip, &target), "bit %d is not checked", bit)
		}
		// A secret that was never drawn must not be good for anything.
		var zero tokens
		require.NotEqual(t, zero.current, k.current)
		require.NotEqual(t, zero.last, k.last)
	}
}
