package dht

import "encoding/binary"

const (
	// sourceShare bounds what one source may hold of the store: a 256th of the places that are still free. The
	// bound falls as the store fills, so that however many places it has, N greedy sources never take more of them
	// than N/(N+256) together, and everybody else finds room.
	sourceShare = 256

	// sourceFloor is what a source may always hold. A host announces a torrent at eight of millions of nodes, and
	// even the hundreds behind one NAT leave a handful of entries with any of them.
	sourceFloor = 64
)

// shares counts the peers that each source has in the store. A source is an IPv4 address or an IPv6 /64, which is what
// one host or household has to itself.
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

// newShares makes rows that at most 16 entries share on average in a store full of limit peers.
func newShares(limit int, key *hashKey) shares {
	n := uint32(256)
	for int(n) < limit/16 {
		n *= 2
	}
	return shares{key: key, mask: n - 1, rows: [2][]uint32{make([]uint32, n), make([]uint32, n)}}
}

func (s *shares) bytes() int { return 2 * 4 * int(s.mask+1) }

// of is the two counts of the source that a record or compact address of the family belongs to.
func (s *shares) of(f family, record []byte) (a, b *uint32) {
	source := uint64(0)
	if f == v4 {
		source = uint64(binary.BigEndian.Uint32(record))
	} else {
		source = binary.BigEndian.Uint64(record) // global addresses do not begin with 32 zero bits, as IPv4 does here
	}
	h := s.key.hash64(source)
	return &s.rows[0][uint32(h)&s.mask], &s.rows[1][uint32(h>>32)&s.mask]
}

func (s *shares) add(f family, record []byte) {
	a, b := s.of(f, record)
	*a++
	*b++
}

func (s *shares) remove(f family, record []byte) {
	a, b := s.of(f, record)
	*a--
	*b--
}

// over says whether a record's source has all it may have while so many places are free. Loopback addresses are
// exempt: they are this host's own programs.
func (s *shares) over(f family, record []byte, free int) bool {
	a, b := s.of(f, record)
	most := uint32(max(sourceFloor, free/sourceShare))
	return *a >= most && *b >= most && realmOf(addrIn(f, record)) != loopback
}
