package main

import (
	"encoding/binary"

	"supernode/dht/wire"
)

// mixBits is the finaliser of splitmix64 (Steele, Lea and Flood, 2014): a bijection of 64-bit words that
// leaves no pattern of its input to be seen.
func mixBits(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

const golden = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio

// derive fills id with the number-th id of a kind. Two numbers never share an id, as the first eight bytes
// are a bijection of the number.
func derive(id *wire.ID, seed, kind uint64, number uint32) {
	base := mixBits(seed+kind*golden) + uint64(number)*golden
	binary.BigEndian.PutUint64(id[0:], mixBits(base))
	binary.BigEndian.PutUint64(id[8:], mixBits(base^0x5851f42d4c957f2d))
	binary.BigEndian.PutUint32(id[16:], uint32(mixBits(base^0x14057b7ef767814f)))
}

// Kinds of derived ids.
const (
	kindFlow     = 1 // a flow's node id
	kindInfoHash = 2
	kindMissing  = 3 // an info_hash that is asked for and never announced
)
