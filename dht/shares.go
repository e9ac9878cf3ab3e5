package dht

import "encoding/binary"

const (
	// sourceShare bounds what one source may hold of the store: a 256th of the places that are still free. The
	// bound falls as the store fills, so that however many places it has, N greedy sources never take more of them
	// than N/(N+256) together, and everybody else finds room. One network may hold as much as networkSources of
	// its sources.
	sourceShare    = 256
	networkSources = 16

	// sourceFloor is what a source may always hold. A host announces a torrent at eight of millions of nodes, and
	// even the hundreds behind one NAT leave a handful of entries with any of them.
	sourceFloor = 64
)

// shares counts the peers that each source has in the store, and each network. A source is an IPv4 address or an IPv6
// /64, which is what one host or household has to itself; a network is an IPv4 /24 or an IPv6 /48, which is what
// one customer of a hoster or a provider may have.
//
// The counts lie in two rows of fixed length under two hashes of the source, and the smaller of its two is taken
// for its count (a count-min sketch): it is never too small, and too large only for a source that meets others in
// both rows. The hashes are keyed, so nobody can choose whom to meet. Every entry is counted when it is stored and
// discounted when it goes.
type shares struct {
	key  *hashKey
	mask uint32
	rows [2][]uint32
}

// newShares makes rows in whose counts 32 entries meet on average in a store full of limit peers, each counted for its
// source and its network.
func newShares(limit int, key *hashKey) shares {
	n := uint32(256)
	for int(n) < limit/16 {
		n *= 2
	}
	return shares{key: key, mask: n - 1, rows: [2][]uint32{make([]uint32, n), make([]uint32, n)}}
}

func (s *shares) bytes() int { return 2 * 4 * int(s.mask+1) }

// origin is the source and the network that a record or compact address of the family belongs to. No two of these
// numbers are the same: a global IPv6 address begins with one of 2 or 3 in its first four bits, an IPv4 address ends
// up in 32 bits, and an IPv4 network in 41.
func origin(f family, record []byte) (source, network uint64) {
	if f == v4 {
		source = uint64(binary.BigEndian.Uint32(record))
		return source, 1<<40 | source>>8
	}
	source = binary.BigEndian.Uint64(record)
	return source, source >> 16
}

// of is the two counts of a source or network.
func (s *shares) of(number uint64) (a, b *uint32) {
	h := s.key.hash64(number)
	return &s.rows[0][uint32(h)&s.mask], &s.rows[1][uint32(h>>32)&s.mask]
}

func (s *shares) add(f family, record []byte)    { s.count(f, record, 1) }
func (s *shares) remove(f family, record []byte) { s.count(f, record, ^uint32(0)) }

// count adds by to what a record's source and network have.
func (s *shares) count(f family, record []byte, by uint32) {
	source, network := origin(f, record)
	for _, number := range [...]uint64{source, network} {
		a, b := s.of(number)
		*a += by
		*b += by
	}
}

// over says whether a record's source or network has all it may have while so many places are free. Loopback
// addresses are exempt: they are this host's own programs.
func (s *shares) over(f family, record []byte, free int) bool {
	most := uint32(max(sourceFloor, free/sourceShare))
	source, network := origin(f, record)
	a, b := s.of(source)
	c, d := s.of(network)
	return (*a >= most && *b >= most || *c >= networkSources*most && *d >= networkSources*most) &&
		realmOf(addrIn(f, record)) != loopback
}
