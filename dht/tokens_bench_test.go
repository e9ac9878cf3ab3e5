package dht

import (
	"testing"

	"supernode/dht/wire"
)

// BenchmarkToken makes and checks the token of a get_peers and its announce.
func BenchmarkToken(b *testing.B) {
	var t tokens
	t.init([2]uint64{1, 2}, 0)
	var token [tokenSize]byte
	infohash, ip := wire.ID{1, 2, 3}, addr4(1).Addr()
	b.Run("put", func(b *testing.B) {
		for range b.N {
			t.put(&token, 0, ip, infohash[:])
		}
	})
	b.Run("valid", func(b *testing.B) {
		t.put(&token, 0, ip, infohash[:])
		for range b.N {
			if !t.valid(token[:], 0, ip, &infohash) {
				b.Fatal("not valid")
			}
		}
	})
}
