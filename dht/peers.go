package dht

import (
	"bytes"
	"net/netip"
	"time"

	"supernode/dht/wire"
)

const (
	// peerLifetime is how long a peer is handed out after its last announce (BEP 5).
	peerLifetime = 30 * time.Minute

	// swarmPeers bounds the peers of one info_hash and address family. A reply holds at most a hundred.
	swarmPeers = 1024

	// sweepPeriod is how long one pass over all swarms takes that drops the expired: expired peers are never
	// handed out, but for so long their memory may wait. sweepSteps bounds the swarms of one call.
	sweepPeriod = Instant(5 * time.Minute)
	sweepSteps  = 512
)

// peerStore keeps who announced which info_hash (BEP 5), bounded by a number of peers.
//
// A swarm is all that is known about one info_hash: for each family one array of peer records sorted by IP, so
// that a second announce of a host finds the first.
//
// Memory for an IPv4 peer: 8 bytes in an array that is at least half full, plus its share of the swarm's 48
// bytes and of the index's 10 to 21.
type peerStore struct {
	limit int // of count
	count int

	index      index // info_hash to swarm number
	key        hashKey
	swarms     [][]swarm // chunks
	swarmCount int
	allocated  uint32 // swarms ever made
	free       uint32 // chain of freed swarms through free, plus one

	arenas [families]arena
	hand   sweepHand
}

const (
	chunkSwarms = 1024 // allocated at a time, at most
	firstSwarms = 16   // and at first: a small node is a small thing
)

type swarm struct {
	infohash wire.ID
	lists    [families]peerList
	next     uint32 // in the chain of free swarms, plus one
	used     bool
}

// peerList says where a swarm's sorted records of one family are: n of them at the front of an array.
type peerList struct {
	array uint32
	n     uint16
	class uint8
}

func newPeerStore(limit int, key hashKey) *peerStore {
	p := &peerStore{limit: limit, index: newIndex(), key: key}
	for f := range p.arenas {
		p.arenas[f] = newArena(peerSize[f], limit)
	}
	return p
}

// full reports that no further peer would be taken.
func (p *peerStore) full() bool { return p.count >= p.limit }

func (p *peerStore) swarm(i uint32) *swarm { return &p.swarms[i/chunkSwarms][i%chunkSwarms] }

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

// announce stores or refreshes one peer. It reports false if the store is full and the peer is new.
func (p *peerStore) announce(now Instant, infohash *wire.ID, peer netip.AddrPort, seed bool) bool {
	var buf [maxPeerSize]byte
	record := appendPeerRecord(buf[:0], peer, newStamp(now.Add(peerLifetime), seed))
	i, known := p.find(infohash)
	if !known {
		if p.full() {
			return false
		}
		if i, known = p.addSwarm(infohash); !known {
			return false
		}
	}
	f := familyOf(peer.Addr())
	list := &p.swarm(i).lists[f]
	at, found := p.search(f, list, record)
	switch {
	case found:
		copy(p.record(f, list, at), record)
	case list.n >= swarmPeers:
		p.removeAt(f, list, p.soonest(f, list))
		at, _ = p.search(f, list, record)
		p.insertAt(f, list, at, record)
	case p.full():
		return false
	default:
		p.insertAt(f, list, at, record)
	}
	return true
}

// appendValues appends up to room bytes of peers for infohash in the form of wire.Message.Values behind dst:
// a random choice of the swarm's peers that have not expired, in time that depends on what is returned.
func (p *peerStore) appendValues(dst []byte, now Instant, infohash *wire.ID, f family, random uint64, room int) []byte {
	i, ok := p.find(infohash)
	if !ok {
		return dst
	}
	list := &p.swarm(i).lists[f]
	n := int(list.n)
	if n == 0 {
		return dst
	}
	records := p.records(f, list)
	size, clock := peerSize[f], newStamp(now, false)
	fit := room / valueSize[f]
	k, stride := int(random>>8%uint64(n)), strides[random%uint64(len(strides))]
	for taken, visited := 0, 0; visited < n && taken < fit; visited++ {
		r := records[k*size : (k+1)*size]
		if !stampOf(r).expired(clock) {
			dst = append(dst, valuePrefix[f]...)
			dst = append(dst, r[:addrSize[f]]...)
			taken++
		}
		k = (k + stride) % n
	}
	return dst
}

// strides are primes above swarmPeers: stepping by one of them from anywhere visits every record of a swarm
// once, in an order that leaves neighbours in the address space apart.
var strides = [...]int{1031, 1097, 1373, 1723, 2003, 2473, 3067, 4093}

// valuePrefix and valueSize are how a compact address stands in a list.
var (
	valuePrefix = [families]string{"6:", "18:"}
	valueSize   = [families]int{2 + wire.CompactAddr4, 3 + wire.CompactAddr6}
)

func (p *peerStore) addSwarm(infohash *wire.ID) (uint32, bool) {
	i := p.free - 1
	if p.free == 0 {
		i = p.allocated
	}
	if !p.index.insert(p.hash(infohash), i) {
		return 0, false
	}
	if p.free != 0 {
		p.free = p.swarm(i).next
	} else {
		p.growSwarms(int(i))
		p.allocated++
	}
	*p.swarm(i) = swarm{infohash: *infohash, used: true}
	p.swarmCount++
	return i, true
}

// growSwarms makes room for swarm i, if it is the first that has none.
func (p *peerStore) growSwarms(i int) {
	switch {
	case i%chunkSwarms == 0:
		p.swarms = append(p.swarms, make([]swarm, min(max(i, firstSwarms), chunkSwarms, p.limit-i)))
	case i == len(p.swarms[0]): // the first chunk is full, but not of full size
		size := min(2*i, chunkSwarms, p.limit)
		p.swarms[0] = append(make([]swarm, 0, size), p.swarms[0]...)[:size]
	}
}

func (p *peerStore) removeSwarm(i uint32) {
	s := p.swarm(i)
	probe := p.index.probe(p.hash(&s.infohash))
	for j, ok := probe.next(); ok; j, ok = probe.next() {
		if j == i {
			probe.remove()
			break
		}
	}
	*s = swarm{next: p.free}
	p.free = i + 1
	p.swarmCount--
}

// records is the used part of a list's array.
func (p *peerStore) records(f family, l *peerList) []byte {
	if l.n == 0 {
		return nil
	}
	return p.arenas[f].array(l.class, l.array)[:int(l.n)*peerSize[f]]
}

func (p *peerStore) record(f family, l *peerList, i int) []byte {
	return p.records(f, l)[i*peerSize[f] : (i+1)*peerSize[f]]
}

// search finds the place of record's IP in the list, and whether it is there.
func (p *peerStore) search(f family, l *peerList, record []byte) (at int, found bool) {
	records, size, ip := p.records(f, l), peerSize[f], record[:addrSize[f]-2]
	low, high := 0, int(l.n)
	for low < high {
		middle := (low + high) / 2
		switch bytes.Compare(records[middle*size:middle*size+len(ip)], ip) {
		case 0:
			return middle, true
		case -1:
			low = middle + 1
		default:
			high = middle
		}
	}
	return low, false
}

// insertAt makes room at position at and writes record there, moving to a larger array if need be.
func (p *peerStore) insertAt(f family, l *peerList, at int, record []byte) {
	a, size, n := &p.arenas[f], peerSize[f], int(l.n)
	if n == 0 || n == classCapacity[l.class] {
		p.resize(f, l, classFor(n+1))
	}
	array := a.array(l.class, l.array)
	copy(array[(at+1)*size:(n+1)*size], array[at*size:n*size])
	copy(array[at*size:], record)
	l.n++
	p.count++
}

// removeAt deletes the record at position at, leaving the array as large as it is.
func (p *peerStore) removeAt(f family, l *peerList, at int) {
	records, size := p.records(f, l), peerSize[f]
	copy(records[at*size:], records[(at+1)*size:])
	l.n--
	p.count--
	if l.n == 0 {
		p.arenas[f].release(l.class, l.array)
	}
}

// resize moves a list to an array of another class, which must hold its records.
func (p *peerStore) resize(f family, l *peerList, class uint8) {
	a := &p.arenas[f]
	moved := a.allocate(class)
	if l.n > 0 {
		copy(a.array(class, moved), p.records(f, l))
		a.release(l.class, l.array)
	}
	l.array, l.class = moved, class
}

// soonest is the position of the record that expires first.
func (p *peerStore) soonest(f family, l *peerList) int {
	best := 0
	for i := 1; i < int(l.n); i++ {
		if stampOf(p.record(f, l, i)).before(stampOf(p.record(f, l, best))) {
			best = i
		}
	}
	return best
}

// sweep drops expired peers from the swarms whose turn it is, and swarms without peers.
func (p *peerStore) sweep(now Instant) {
	if p.swarmCount == 0 {
		p.hand.last = now
		return
	}
	clock := newStamp(now, false)
	p.hand.turn(now, int(p.allocated), sweepPeriod)
	for range min(int(p.hand.owed), sweepSteps) {
		i := p.hand.position
		p.hand.move(1, int(p.allocated))
		s := p.swarm(uint32(i))
		if !s.used {
			continue
		}
		for f := range family(families) {
			p.dropExpired(f, &s.lists[f], clock)
		}
		if s.lists[v4].n == 0 && s.lists[v6].n == 0 {
			p.removeSwarm(uint32(i))
		}
	}
}

// sweepAt is when sweep has work to do next; ok is false if there is none.
func (p *peerStore) sweepAt() (t Instant, ok bool) {
	if p.swarmCount == 0 {
		return 0, false
	}
	return p.hand.when(1, int(p.allocated), sweepPeriod), true
}

func (p *peerStore) dropExpired(f family, l *peerList, clock stamp) {
	before, size := int(l.n), peerSize[f]
	records := p.records(f, l)
	kept := 0
	for i := range before {
		r := records[i*size : (i+1)*size]
		if !stampOf(r).expired(clock) {
			copy(records[kept*size:], r)
			kept++
		}
	}
	if kept == before {
		return
	}
	l.n = uint16(kept)
	p.count -= before - kept
	if kept == 0 {
		p.arenas[f].release(l.class, l.array)
	} else if class := classFor(kept); class+1 < l.class {
		p.resize(f, l, class)
	}
}
