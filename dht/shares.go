package dht

const (
	// sourceShare bounds what one source may hold of a store: a 256th of the places that are still free. The
	// bound falls as the store fills, so that however many places it has, N greedy sources never take more of them
	// than N/(N+256) together, and everybody else finds room. One network may hold as much as networkSources of
	// its sources.
	sourceShare    = 256
	networkSources = 16

	// sourceFloor is what a source may always hold of a store that is not tiny. A host announces a torrent at eight of
	// millions of nodes, and even the hundreds behind one NAT leave a handful of entries with any of them.
	sourceFloor = 64
)

// shares counts the entries that each source has in a store, and each network, which here is a source's subnet: an IPv4
// /24 or an IPv6 /48.
//
// The counts lie in two rows of fixed length under two hashes of the source, and the smaller of its two is taken
// for its count (a count-min sketch): it is never too small, and too large only for a source that meets others in
// both rows. The hashes are keyed, so nobody can choose whom to meet. Every entry is counted when it is stored and
// discounted when it goes.
type shares struct {
	key   *hashKey
	mask  uint32
	rows  [2][]uint32
	floor int // what a source may always hold
}

// newShares makes rows in whose counts 32 entries meet on average in a store full of limit entries, each counted for
// its source and its network.
func newShares(limit, floor int, key *hashKey) shares {
	n := powerOfTwo(max(256, limit/16))
	return shares{key: key, mask: uint32(n - 1), rows: [2][]uint32{make([]uint32, n), make([]uint32, n)}, floor: floor}
}

func (s *shares) bytes() int { return 2 * 4 * int(s.mask+1) }

// nobody is the source of what has none.
const nobody = 0

// networkOf is the number of the network of a source. It is no source's, nor another network's: those of IPv6 take 48
// bits of which the first four are 2 or 3, those of IPv4 take 41.
func networkOf(source uint64) uint64 {
	if source < 1<<32 {
		return 1<<40 | source>>8
	}
	return source >> 16
}

// of is the two counts of a source or network.
func (s *shares) of(number uint64) (a, b *uint32) {
	h := s.key.hash64(number)
	return &s.rows[0][uint32(h)&s.mask], &s.rows[1][uint32(h>>32)&s.mask]
}

// fetch asks for the memory that over will read as a rule, and does not wait for it.
func (s *shares) fetch(source uint64) {
	a, _ := s.of(source)
	b, _ := s.of(networkOf(source))
	fetch(a, 4)
	fetch(b, 4)
}

func (s *shares) add(source uint64)    { s.count(source, 1) }
func (s *shares) remove(source uint64) { s.count(source, ^uint32(0)) }

// count adds by to what a source and its network have.
func (s *shares) count(source uint64, by uint32) {
	for _, number := range [...]uint64{source, networkOf(source)} {
		a, b := s.of(number)
		*a += by
		*b += by
	}
}

// over says whether a source or its network has all it may have while so many places are free. Loopback addresses are
// exempt: they are this host's own programs. So is nobody.
func (s *shares) over(source uint64, free int) bool {
	if source == nobody || source>>24 == 127 {
		return false
	}
	most := uint32(max(s.floor, free/sourceShare))
	a, b := s.of(source)
	c, d := s.of(networkOf(source))
	return *a >= most && *b >= most || *c >= networkSources*most && *d >= networkSources*most
}
