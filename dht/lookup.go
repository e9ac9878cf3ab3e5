package dht

import (
	"errors"
	"fmt"
	"net/netip"

	"supernode/dht/wire"
)

const (
	// MaxSearches bounds the searches of an embedder that run at a time; the node's own come on top.
	MaxSearches = 64

	// maxFound bounds the distinct peers that one search remembers and delivers, maxToken a token that is
	// worth keeping, in bytes.
	maxFound = 1 << 14
	maxToken = 64
)

// ErrTooManySearches is what Search returns while MaxSearches run: try again after one is done.
var ErrTooManySearches = errors.New("too many searches: wait until one is done")

// Search is an iterative lookup: it asks the nodes nearest to a target for nodes that are nearer, until the K
// nearest have answered, and collects what they have.
//
// The functions are called from inside Handle (Peer, Item) and Poll (Put, Done). They must not call these two,
// but may start another search; with several workers they must not call the node at all, and the first two are called
// by any of them. Those that are nil are not called. Slices in it must not change before Done.
type Search struct {
	// Method is wire.FindNode, wire.GetPeers or wire.Get, and Target the id, info_hash or BEP 44 target.
	Method wire.Method
	Target wire.ID

	// Want is the set of address families to search in; zero means both. A family of which the node knows
	// nobody, and has no bootstrap addresses (yet), is searched in vain, and at once.
	Want wire.Want

	// Peer is given each distinct peer that a get_peers search finds, as soon as it is found, up to 16,384 of them.
	Peer func(netip.AddrPort)

	// NoSeed asks for peers that still download, Scrape for the size of the swarm (BEP 33).
	NoSeed, Scrape bool

	// Announce, if not nil, ends a get_peers search by announcing the embedder as a peer.
	Announce *Announce

	// Salt belongs to a mutable item: it is part of what its target was made of (BEP 44).
	Salt []byte

	// Item is given an item that a get search finds once it is verified, and again whenever a newer one is found.
	Item func(Item)

	// Put, if not nil, ends a get search: it is given the newest item found, or nil, and returns what to store
	// with the nodes nearest to the target, or nil for nothing.
	Put func(newest *Item) *Put

	// Done is called once, at the end. Every search ends, after a minute at most, and a few seconds more if it
	// stores something.
	Done func(Result)
}

// Announce says what peer to announce: the node's own address as others see it, with Port or, if Implied is set,
// the port that the node's queries come from: give Port as well if it is known, for nodes that do not know better.
// Seed marks one who has all of it (BEP 33). Nodes forget a peer after half an hour: announce again before.
type Announce struct {
	Port    uint16
	Implied bool
	Seed    bool
}

// Responder is a node that answered a search.
type Responder struct {
	ID    wire.ID
	Addr  netip.AddrPort
	Token []byte // nil if it gave none
}

// Result is what a search came to. Its slices belong to whom it is given.
type Result struct {
	// Closest are the nodes that answered, nearest to the target first, at most K of each family.
	Closest []Responder

	// Hops is the number of queries one after the other that led to the nearest of them: 1 if the node knew
	// it before.
	Hops int

	Asked, Answered int // queries of the lookup itself
	Peers           int // distinct peers delivered

	// Swarm is what a Scrape found out.
	Swarm Swarm

	// Item is the newest item found, or nil.
	Item *Item

	// Stored is how many nodes confirmed the announce or the put, of those Offered it. StoreError says why
	// nothing was offered although there was something to put.
	Stored, Offered int
	StoreError      error
}

// Search starts a lookup, which Handle and Poll then drive. Errors name the field that makes no sense, or are
// ErrTooManySearches.
func (n *Node) Search(now Instant, s Search) error {
	if err := s.check(); err != nil {
		return err
	}
	n.gate.close()
	defer n.gate.open()
	return n.search(now, s, false)
}

func (s *Search) check() error {
	switch {
	case s.Method != wire.FindNode && s.Method != wire.GetPeers && s.Method != wire.Get:
		return fmt.Errorf("search: Method %v: must be find_node, get_peers or get", s.Method)
	case s.Announce != nil && s.Method != wire.GetPeers:
		return fmt.Errorf("search: Announce: needs Method get_peers, not %v", s.Method)
	case s.Announce != nil && s.Announce.Port == 0 && !s.Announce.Implied:
		return errors.New("search: Announce: Port must not be 0 unless Implied is set")
	case s.Put != nil && s.Method != wire.Get:
		return fmt.Errorf("search: Put: needs Method get, not %v", s.Method)
	case len(s.Salt) > MaxSalt:
		return fmt.Errorf("search: Salt of %d bytes: must not be longer than %d", len(s.Salt), MaxSalt)
	}
	return nil
}
