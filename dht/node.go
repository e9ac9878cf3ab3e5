package dht

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"supernode/dht/wire"
)

// Instant is a point in time in nanoseconds on the embedder's monotonic clock, whose zero is of no meaning.
type Instant int64

// Add is the instant d after t.
func (t Instant) Add(d time.Duration) Instant { return t + Instant(d) }

// seconds is t in whole seconds, the resolution the stores keep.
func (t Instant) seconds() uint32 { return uint32(t / Instant(time.Second)) }

// Limits on configuration, and what zero stands for.
const (
	DefaultMaxNodes = 1_000_000
	DefaultMaxPeers = 2_000_000
	DefaultMaxItems = 100_000
	MaxMaxNodes     = 1 << 27
	MaxMaxPeers     = 1 << 30
	MaxMaxItems     = 1 << 24
)

// Config is what a node is made of. The zero value of every field but Seed is a usable default.
type Config struct {
	// Seed is the source of all the node's randomness: its id, transaction ids, token secrets, choices among
	// peers. It must come from a cryptographic source outside of simulations; whoever knows it forges tokens.
	Seed [32]byte

	// ID is the node's id; the zero ID means: choose one at random. ID6 is its id among IPv6 nodes; the zero ID
	// means: the same. They differ on a host with two public addresses, since BEP 42 derives an id from an
	// address; see SecureID.
	ID, ID6 wire.ID

	// Version is the four bytes of "v" in every message.
	Version [4]byte

	// MaxNodes bounds the routing table of each address family, and with it the pace of the node's own queries;
	// MaxPeers bounds all stored peers together, and their memory, which is 4 MiB and 48 bytes for each: the store is
	// full when either is reached. Ten IPv4 peers to an info_hash take 16 bytes each, IPv4 peers without company 65.
	MaxNodes, MaxPeers int

	// Own lists the addresses the node is bound to. A node on a loopback or private address may talk to
	// others of that kind; unspecified addresses say nothing and are ignored.
	Own []netip.Addr

	// MaxItems bounds the stored items of BEP 44, and their memory: 582 bytes for each, and 40 kB. An item takes as much
	// as it is long, up to 1,349 bytes; the store is full when it has the items or the bytes.
	MaxItems int

	// AllowPrivate lets the node talk to private, loopback, link-local and reserved addresses.
	AllowPrivate bool

	// RateLimit is how many queries a second one source may ask, which is an IPv4 address or an IPv6 /64; after a
	// rest, four seconds' worth at once. The sources of an IPv6 /48 together may ask 16 times as many. What is more
	// gets silence (DropLimited). Loopback addresses have no limit; zero: nobody has. MaxRateLimit at most.
	RateLimit int

	// EnforceSecure keeps nodes whose ids do not follow from their addresses (BEP 42) out of the routing table, and
	// what they announce out of the stores. Their queries are answered otherwise.
	EnforceSecure bool

	// ReadOnly marks the node's queries so that others do not take it for a node to ask (BEP 43): for programs that
	// run for a moment, or cannot be reached from outside. Queries that reach it are answered all the same.
	ReadOnly bool

	// Start is the current time.
	Start Instant

	// Share, if not nil, is a node whose stored peers, items and tokens the new one serves as well, as the nodes on several
	// addresses of one host do (BEP 45): each has its own id and routing table. MaxPeers, MaxItems and RateLimit are then
	// that node's. Nodes that share belong to one goroutine at a time, together.
	Share *Node
}

// Node is a DHT node. See the package documentation for how to drive one.
type Node struct {
	id, id6 wire.ID // among IPv4 and IPv6 nodes
	version [4]byte
	rng     *rand.ChaCha8
	reach   reach
	quiet   bool // Config.ReadOnly

	*store
	tables  [families]*table
	limit   *limiter // nil: none
	pending pending
	probes  probes
	seeds   [families]seeds
	votes   [families]votes
	upkeep  upkeep
	lookups lookups
	growth  [families]growth
	heard   [families]heard
	ahead   foresight

	// Scratch space for one reply, so that the packet path needs no memory of its own.
	scratch struct {
		ip     [wire.CompactAddr6]byte
		token  [tokenSize]byte
		tid    [4]byte
		nodes  [K * wire.CompactNode4]byte
		nodes6 [K * wire.CompactNode6]byte
		values [maxReply]byte
	}
}

// New makes a node that knows nobody. Errors name the field that is out of range.
func New(c Config) (*Node, error) {
	if c.MaxNodes == 0 {
		c.MaxNodes = DefaultMaxNodes
	}
	if c.MaxPeers == 0 {
		c.MaxPeers = DefaultMaxPeers
	}
	if c.MaxItems == 0 {
		c.MaxItems = DefaultMaxItems
	}
	if c.MaxNodes < 1 || c.MaxNodes > MaxMaxNodes {
		return nil, fmt.Errorf("MaxNodes %d: must be 1 to %d", c.MaxNodes, MaxMaxNodes)
	}
	if c.MaxPeers < 1 || c.MaxPeers > MaxMaxPeers {
		return nil, fmt.Errorf("MaxPeers %d: must be 1 to %d", c.MaxPeers, MaxMaxPeers)
	}
	if c.MaxItems < 1 || c.MaxItems > MaxMaxItems {
		return nil, fmt.Errorf("MaxItems %d: must be 1 to %d", c.MaxItems, MaxMaxItems)
	}
	if c.RateLimit < 0 || c.RateLimit > MaxRateLimit {
		return nil, fmt.Errorf("RateLimit %d: must be 0, for none, to %d", c.RateLimit, MaxRateLimit)
	}
	if c.Seed == [32]byte{} {
		return nil, errors.New("all-zero Seed: fill it from a cryptographic random source")
	}
	n := &Node{id: c.ID, id6: c.ID6, version: c.Version, rng: rand.NewChaCha8(c.Seed), reach: newReach(c.Own, c.AllowPrivate), quiet: c.ReadOnly}
	if n.id == (wire.ID{}) {
		n.rng.Read(n.id[:])
	}
	if n.id6 == (wire.ID{}) {
		n.id6 = n.id
	}
	n.tables[v4] = newTable(v4, c.MaxNodes, newHashKey(n.rng))
	n.tables[v6] = newTable(v6, c.MaxNodes, newHashKey(n.rng))
	for _, t := range n.tables {
		t.onlySecure = c.EnforceSecure
	}
	if c.Share != nil {
		n.store, n.limit = c.Share.store, c.Share.limit
	} else {
		n.store = newStore(c, n.rng)
		if c.RateLimit > 0 {
			n.limit = newLimiter(c.RateLimit, newHashKey(n.rng), c.Start)
		}
	}
	n.pending.init(c.MaxNodes)
	n.probes.init(c.MaxNodes, newHashKey(n.rng), c.Start)
	n.upkeep.init(c.Start)
	n.lookups.init(len(n.pending.order), c.Start)
	for f := range families {
		n.growth[f].init(c.Start)
	}
	return n, nil
}

// ID is the node's own id, among IPv4 nodes if it has two. It changes when others agree on the node's address and the
// id does not follow from it as BEP 42 demands; see External.
func (n *Node) ID() wire.ID { return n.id }

// ID6 is the node's own id among IPv6 nodes. It changes as ID does, by votes of its own.
func (n *Node) ID6() wire.ID { return n.id6 }

// idFor is the node's own id among nodes of a family.
func (n *Node) idFor(f family) *wire.ID {
	if f == v6 {
		return &n.id6
	}
	return &n.id
}

// Counts says how much the node holds.
type Counts struct {
	Nodes4, Nodes6 int // verified nodes in the routing tables
	Peers          int // stored peers, some of which may have expired and not yet been swept
	Infohashes     int // info_hashes with at least one stored peer
	Items          int // stored items of BEP 44, some of which may likewise have expired
	Pending        int // queries of ours without an answer yet
}

// Counts reads the sizes of the stores, in constant time.
func (n *Node) Counts() Counts {
	return Counts{
		Nodes4: n.tables[v4].count, Nodes6: n.tables[v6].count,
		Peers: n.peers.count, Infohashes: n.peers.swarmCount, Items: n.items.count, Pending: n.pending.count,
	}
}
