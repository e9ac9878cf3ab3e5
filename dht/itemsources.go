package dht

import (
	"encoding/binary"
	"net/netip"
)

// A source is where puts come from: an IPv4 address, or a /64 of IPv6, which one host can have for itself. There are
// itemSources cells that sources are hashed to, under a secret key: strangers that meet in one share what it may hold
// and ask for, and nobody can choose whom to meet.
type itemSource struct {
	items  int32  // stored ones that came from here first
	checks int32  // of signatures in the last second that had one
	second uint32 // that second
}

const (
	itemSources = 1 << 12

	// nobody is the source of items that came out of a file. It is not bounded.
	nobody = 0

	// A source may hold one part in shareOfSource of the store, or shareAtLeast items: to fill a store takes many
	// addresses.
	shareOfSource = 32
	shareAtLeast  = 1024

	// Checking a signature takes some 55 µs, as long as a hundred other queries: checksASecond bounds what
	// puts can take from a core to a twentieth, and checksOfSource what one source can take from the others.
	checksASecond  = 1000
	checksOfSource = 250
)

func (s *itemStore) sourceOf(ip netip.Addr) uint16 {
	var word uint64
	if ip.Is4() {
		a := ip.As4()
		word = uint64(binary.BigEndian.Uint32(a[:]))
	} else {
		a := ip.As16()
		word = binary.BigEndian.Uint64(a[:])
	}
	return uint16(1 + s.key.hash64(word)%(itemSources-1))
}

// share is how many items a source may hold.
func (s *itemStore) share() int32 { return int32(max(shareAtLeast, s.limit/shareOfSource)) }

// account is the cell of a source.
func (s *itemStore) account(source uint16) *itemSource {
	if s.sources == nil {
		s.sources = make([]itemSource, itemSources)
	}
	return &s.sources[source]
}

// mayCheck takes a check of a signature from the budgets of a source and of all, if both have one left. A source that
// has used up its own leaves the others theirs.
func (s *itemStore) mayCheck(now Instant, source uint16) bool {
	a := s.account(source)
	if second := now.seconds(); second != a.second {
		a.second, a.checks = second, 0
	}
	if a.checks == checksOfSource {
		return false
	}
	a.checks++
	return s.checks.pass(now)
}
