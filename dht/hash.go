package dht

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// hashKey makes the hashes of this package unpredictable to whoever chooses what is hashed: ids, info_hashes and
// addresses all come from strangers, and a table whose collisions can be computed is a table that can be
// stalled.
type hashKey [4]uint64

func newHashKey(rng *rand.ChaCha8) (k hashKey) {
	for i := range k {
		k[i] = rng.Uint64()
	}
	return k
}

// mix folds the 128-bit product of two keyed words, the step that wyhash and its relatives are built on.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hash20 hashes an id or info_hash.
func (k *hashKey) hash20(id *[20]byte) uint64 {
	h := mix(binary.LittleEndian.Uint64(id[0:])^k[0], binary.LittleEndian.Uint64(id[8:])^k[1])
	return mix(h^k[2], uint64(binary.LittleEndian.Uint32(id[16:]))^k[3])
}

// hash64 hashes one word.
func (k *hashKey) hash64(x uint64) uint64 { return mix(mix(x^k[0], k[1])^k[2], k[3]) }

// powerOfTwo is the least one that is not below n, which is positive: the length of a table that a masked hash indexes.
func powerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }
