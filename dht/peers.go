package dht

import (
	"net/netip"
	"time"
	"unsafe"

	"supernode/dht/wire"
)

const (
	// peerLifetime is how long a peer is handed out after its last announce (BEP 5).
	peerLifetime = 30 * time.Minute

	// swarmPeers bounds the peers of one info_hash and address family. A reply holds at most a hundred.
	swarmPeers = 1024

	// networkPeers bounds the peers of one info_hash in one IPv6 /64, which is one household, with as many addresses
	// as it likes.
	networkPeers = 4
)

// peerStore keeps who announced which info_hash (BEP 5). It is bounded by a number of peers, by the memory that as
// many peers usually take, and by what one source may hold of it (see shares).
//
// A swarm is all that is known about one info_hash: for each family one array of peer records sorted by IP, so
// that a second announce of a host finds the first. Swarms, like the arrays of an arena, are always the first
// ones of their numbers: the last moves into the place of one that goes.
//
// Memory for an IPv4 peer: 8 bytes in an array that is at least two thirds full, plus its share of 4 bytes for
// the array, 36 for the swarm and 12 to 23 in the index: 16 bytes in swarms of ten.
type peerStore struct {
	limit  int // of count
	budget int // of bytes()
	count  int

	index      index // info_hash to swarm number
	key        hashKey
	swarms     []*[chunkSwarms]swarm
	swarmCount int

	pages  pages
	arenas [families]arena
	shares shares
	hand   sweepHand

	scrapes scrapes
}

// peerBytes and storeBytes bound the memory of a store: so much for each peer, and so much for any store, which is
// what one unfilled page of each class and the spare ones take. IPv4 peers need this much only if most are
// alone in their swarm, IPv6 peers if there are not more than two or three to a swarm; a store of such is full
// before it has as many peers as it may.
const (
	peerBytes  = 48
	storeBytes = 4 << 20
)

// chunkSwarms is how many swarms are allocated at a time: a size the allocator adds nothing to.
const chunkSwarms = 2048

type swarm struct {
	infohash wire.ID
	lists    [families]peerList
}

// peerList says where a swarm's sorted records of one family are: n of them at the front of an array.
type peerList struct {
	array place
	n     uint16
	class uint8
}

// classCapacity is how many records a list's array of each class holds. Steps of at most 3/2 keep the unused part
// of a growing array under a third.
var classCapacity = [...]int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024}

// classFor is the smallest class that holds n records.
func classFor(n int) uint8 {
	for class, capacity := range classCapacity {
		if capacity >= n {
			return uint8(class)
		}
	}
	panic("dht: no array is that large")
}

// peerPage is the size of a page of peer lists.
const peerPage = 64 << 10

func newPeerStore(limit int, key hashKey) *peerStore {
	p := &peerStore{
		limit: limit, budget: storeBytes + peerBytes*limit,
		index: newIndex(), key: key, pages: pages{size: peerPage},
	}
	for f := range p.arenas {
		var sizes [len(classCapacity)]int
		for class, capacity := range classCapacity {
			sizes[class] = ownerSize + peerSize[f]*capacity
		}
		p.arenas[f] = newArena(sizes[:], &p.pages)
	}
	p.shares = newShares(limit, sourceFloor, &p.key)
	return p
}

// bytes is the memory the store takes.
func (p *peerStore) bytes() int {
	return int(unsafe.Sizeof(*p)) + p.pages.bytes() + p.arenas[v4].lists + p.arenas[v6].lists +
		len(p.swarms)*chunkBytes + 8*cap(p.swarms) + p.index.bytes() + p.shares.bytes() + p.scrapes.bytes()
}

const chunkBytes = chunkSwarms * int(unsafe.Sizeof(swarm{}))

// free is for how many more peers there is room: as many as may be, or as the memory left is for, if the next one
// should make the store take another page, chunk and segment first.
func (p *peerStore) free() int {
	left := p.budget - p.bytes() - peerPage - chunkBytes - p.index.step()
	return max(0, min(p.limit-p.count, left/peerBytes))
}

// full reports that no further peer would be taken.
func (p *peerStore) full() bool { return p.free() == 0 }

// takes says whether an announce of infohash from ip would be stored, which is who gets a token. What is in the
// store already may stay, however full it is.
func (p *peerStore) takes(infohash *wire.ID, ip netip.Addr) bool {
	var buf [maxPeerSize]byte
	f, record := familyOf(ip), appendPeerRecord(buf[:0], netip.AddrPortFrom(ip, 0), 0)
	if free := p.free(); free > 0 && !p.shares.over(sourceIn(f, record), free) {
		return true
	}
	i, found := p.find(infohash)
	if found {
		_, found = p.search(f, p.list(i, f), record)
	}
	return found
}

// announce stores or refreshes one peer. It reports false if the peer is new, and the store is full or the peer's
// source has its share of it.
func (p *peerStore) announce(now Instant, infohash *wire.ID, peer netip.AddrPort, seed bool) bool {
	return p.put(infohash, peer, newStamp(now.Add(peerLifetime), seed))
}

// put is announce for a peer that expires at end.
func (p *peerStore) put(infohash *wire.ID, peer netip.AddrPort, end stamp) bool {
	var buf [maxPeerSize]byte
	f, record := familyOf(peer.Addr()), appendPeerRecord(buf[:0], peer, end)
	i, known := p.find(infohash)
	if known {
		l := p.list(i, f)
		at, found := p.search(f, l, record)
		if found {
			copy(p.record(f, l, at), record)
			return true
		}
		if from, to := p.network(f, l, at, record); to-from >= networkPeers {
			p.replace(i, f, p.soonest(f, l, from, to), record)
			return true
		}
	}
	free := p.free()
	if p.shares.over(sourceIn(f, record), free) {
		return false
	}
	if known && p.list(i, f).n >= swarmPeers {
		p.replace(i, f, p.soonest(f, p.list(i, f), 0, swarmPeers), record)
		return true
	}
	if free == 0 {
		return false
	}
	if !known {
		if i, known = p.addSwarm(infohash); !known {
			return false
		}
	}
	at, _ := p.search(f, p.list(i, f), record)
	p.insertAt(i, f, at, record)
	return true
}

func (p *peerStore) swarm(i uint32) *swarm { return &p.swarms[i/chunkSwarms][i%chunkSwarms] }

func (p *peerStore) list(i uint32, f family) *peerList { return &p.swarm(i).lists[f] }

func (p *peerStore) hash(infohash *wire.ID) uint32 {
	return uint32(p.key.hash20((*[20]byte)(infohash)))
}

func (p *peerStore) find(infohash *wire.ID) (i uint32, ok bool) {
	probe := p.index.probe(p.hash(infohash))
	for i, ok := probe.next(); ok; i, ok = probe.next() {
		if p.swarm(i).infohash == *infohash {
			return i, true
		}
	}
	return 0, false
}

func (p *peerStore) addSwarm(infohash *wire.ID) (uint32, bool) {
	i := uint32(p.swarmCount)
	if p.swarmCount >= p.limit || !p.index.insert(p.hash(infohash), i) {
		return 0, false
	}
	if int(i/chunkSwarms) == len(p.swarms) {
		p.swarms = append(p.swarms, new([chunkSwarms]swarm))
	}
	*p.swarm(i) = swarm{infohash: *infohash}
	p.swarmCount++
	return i, true
}

// entry is the index entry of swarm i, as a probe that has just returned it.
func (p *peerStore) entry(i uint32) probe {
	return p.index.entry(p.hash(&p.swarm(i).infohash), i)
}

// removeSwarm forgets a swarm without peers. The last swarm takes its number.
func (p *peerStore) removeSwarm(i uint32) {
	gone := p.entry(i)
	gone.remove()
	last := uint32(p.swarmCount - 1)
	if i != last {
		moved := p.entry(last)
		moved.set(i)
		s := p.swarm(i)
		*s = *p.swarm(last)
		for f := range p.arenas {
			if l := &s.lists[f]; l.n > 0 {
				p.arenas[f].setOwner(l.array, i)
			}
		}
	}
	p.swarmCount--
	if n := len(p.swarms) - 1; p.swarmCount <= (n-1)*chunkSwarms { // one unused chunk stays for the next swarm
		p.swarms[n] = nil
		p.swarms = p.swarms[:n]
	}
}
