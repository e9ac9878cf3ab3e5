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
	MaxWorkers      = 64
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

	// Workers is how many goroutines work for the node at a time, 1 if zero: see Node.Workers. Several share what is stored
	// in parts, at most eight for each of them: MaxPeers is divided among these, and each may take 4 MiB of memory besides.
	Workers int

	// Share, if not nil, is a node whose stored peers, items and tokens the new one serves as well, as the nodes on several
	// addresses of one host do (BEP 45): each has its own id and routing table. MaxPeers, MaxItems and RateLimit are then
	// that node's, and Workers must be as many. Nodes that share belong to one goroutine at a time, together; of several
	// workers, the first of one node to the same goroutine as the first of the other, and so on.
	Share *Node
}

// Node is a DHT node, or rather what one worker has of it. See the package documentation for how to drive one.
type Node struct {
	*core
	worker int // number of this one
	rng    *rand.ChaCha8

	// Every query comes by here, so that each worker has its own. Sources that keep to one worker have one budget.
	limit     *limiter // nil: none
	newcomers newcomers
	tokens    tokens // the same ones with all
	ahead     foresight

	// Scratch space for one reply, so that the packet path needs no memory of its own.
	scratch struct {
		id      wire.ID
		ip      [wire.CompactAddr6]byte
		token   [tokenSize]byte
		tid     [4]byte
		nodes   [K * wire.CompactNode4]byte
		nodes6  [K * wire.CompactNode6]byte
		values  [maxReply]byte
		item    [maxItemSize]byte
		filters [2]Bloom
	}
}

// core is what the workers of a node share. To read what may change, a worker is inside the gate; to change it, it closes
// the gate. The store has its own locks.
type core struct {
	id, id6 wire.ID // among IPv4 and IPv6 nodes
	version [4]byte
	reach   reach
	quiet   bool // Config.ReadOnly

	*store
	tables  [families]*table
	workers []*Node
	gate    gate

	_ [128]byte // what follows changes often, and must not take the cache lines of the above with it

	pending pending
	probes  probes
	seeds   [families]seeds
	votes   [families]votes
	upkeep  upkeep
	lookups lookups
	growth  [families]growth
	heard   [families]heard
}

// enter lets the worker read what others may change, until leave.
func (n *Node) enter() { n.gate.enter(n.worker) }

func (n *Node) leave() { n.gate.leave(n.worker) }

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
	if c.Workers == 0 {
		c.Workers = 1
	}
	if c.Workers < 1 || c.Workers > MaxWorkers {
		return nil, fmt.Errorf("Workers %d: must be 1 to %d", c.Workers, MaxWorkers)
	}
	if c.Share != nil && len(c.Share.workers) != c.Workers {
		return nil, fmt.Errorf("Workers %d: must be %d, as of the node in Share", c.Workers, len(c.Share.workers))
	}
	if c.Seed == [32]byte{} {
		return nil, errors.New("all-zero Seed: fill it from a cryptographic random source")
	}
	n := &Node{rng: rand.NewChaCha8(c.Seed)}
	n.core = &core{
		id: c.ID, id6: c.ID6, version: c.Version, reach: newReach(c.Own, c.AllowPrivate), quiet: c.ReadOnly,
		gate: newGate(c.Workers),
	}
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
		n.store, n.tokens = c.Share.store, c.Share.tokens
	} else {
		n.store = newStore(c, n.rng)
		n.tokens.init([2]uint64{n.rng.Uint64(), n.rng.Uint64()}, c.Start)
	}
	n.pending.init(c.MaxNodes)
	n.employ(c)
	n.probes.init(c.MaxNodes, c.Start)
	n.upkeep.init(c.Start)
	n.lookups.init(len(n.pending.order), c.Start)
	for f := range families {
		n.growth[f].init(c.Start)
	}
	return n, nil
}

// employ makes the workers, of which n is the first.
func (n *Node) employ(c Config) {
	n.workers = make([]*Node, c.Workers)
	n.workers[0] = n
	for i := range n.workers[1:] {
		var seed [32]byte
		n.rng.Read(seed[:])
		n.workers[1+i] = &Node{core: n.core, worker: 1 + i, rng: rand.NewChaCha8(seed), tokens: n.tokens}
	}
	for i, w := range n.workers {
		switch {
		case c.Share != nil:
			w.limit = c.Share.workers[i].limit
		case c.RateLimit > 0:
			w.limit = newLimiter(c.RateLimit, newHashKey(w.rng), c.Start)
		}
		w.newcomers.init(c.MaxNodes, newHashKey(w.rng), c.Start)
	}
}

// Workers are as many views of the node as Config.Workers says, the first of which is the one that New returned. Each is
// for one goroutine, at the same time as the others: what is announced to one is found by all.
//
// Each gives a source its own Config.RateLimit, and pings a stranger who asks it. So whoever embeds the node sees to it
// that the datagrams of a source, an IPv4 address or an IPv6 /48, always come to the same worker.
func (n *Node) Workers() []*Node { return n.workers }

// ID is the node's own id, among IPv4 nodes if it has two. It changes when others agree on the node's address and the
// id does not follow from it as BEP 42 demands; see External.
func (n *Node) ID() wire.ID { return n.idIn(v4) }

// ID6 is the node's own id among IPv6 nodes. It changes as ID does, by votes of its own.
func (n *Node) ID6() wire.ID { return n.idIn(v6) }

func (n *Node) idIn(f family) wire.ID {
	n.enter()
	defer n.leave()
	return *n.idFor(f)
}

// idFor is the node's own id among nodes of a family. The worker must be inside the gate.
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

// Counts reads the sizes of the stores, in constant time: with several workers that is a microsecond for each.
func (n *Node) Counts() (c Counts) {
	n.enter()
	c.Nodes4, c.Nodes6, c.Pending = n.tables[v4].count, n.tables[v6].count, n.pending.count
	n.leave()
	c.Peers, c.Infohashes, c.Items = n.stored()
	return c
}
