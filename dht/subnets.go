package dht

import (
	"supernode/dht/wire"
)

const (
	// subnetNodes bounds the nodes of one /24 (IPv6: /48) in a whole table. A /24 is what somebody rents who wants
	// many addresses; 16 of a million nodes are no use to him, and a network whose users really are so many loses
	// nothing, since others keep them.
	subnetNodes = 16

	// A network, an IPv4 /16 or an IPv6 /32 (what a provider is given), may have one in netShare of the nodes that a
	// table has room for, or netNodes if that is more. In a large IPv4 table it never comes to that: 256 times
	// subnetNodes are 4,096.
	netShare = 16
	netNodes = 256
)

// subnets counts the nodes of a table by where their addresses belong, to bound what one operator can have there. Its
// memory is fixed, about half a byte for each node of a full table: counters are found by a keyed hash, and
// subnets that share one share the bound. With a million nodes a counter of a /24 has two on average, so that few
// are refused on account of others, and nobody can choose whom that hits.
//
// Addresses that are not public are not counted: a lab is one subnet, and not after anybody.
type subnets struct {
	near      []uint8  // by /24 or /48, a power of two
	far       []uint32 // by /16 or /32, a power of two
	nearLimit uint8
	farLimit  uint32
	key       hashKey
}

func newSubnets(limit int, key hashKey) subnets {
	return subnets{
		near:      make([]uint8, powerOfTwo(max(limit/2, 64))),
		far:       make([]uint32, powerOfTwo(min(max(limit/16, 128), 4096))),
		nearLimit: subnetNodes, farLimit: uint32(max(netNodes, limit/netShare)),
		key: key,
	}
}

// counters are those of a compact address, nil for one that is not counted.
func (s *subnets) counters(f family, addr []byte) (near *uint8, far *uint32) {
	if realmOf(wire.Addr(addr[:addrSize[f]]).Addr()) != public {
		return nil, nil
	}
	near = &s.near[s.key.hash64(subnetOf(f, addr))&uint64(len(s.near)-1)]
	far = &s.far[s.key.hash64(netOf(f, addr))&uint64(len(s.far)-1)]
	return near, far
}

// full says which of the bounds leave no room for one more node at addr.
func (s *subnets) full(f family, addr []byte) (near, far bool) {
	n, m := s.counters(f, addr)
	return n != nil && *n >= s.nearLimit, m != nil && *m >= s.farLimit
}

func (s *subnets) add(f family, addr []byte) {
	if near, far := s.counters(f, addr); near != nil {
		*near++
		*far++
	}
}

func (s *subnets) remove(f family, addr []byte) {
	if near, far := s.counters(f, addr); near != nil {
		*near--
		*far--
	}
}
