package dht

import (
	"encoding/binary"
	"iter"
	"math/bits"

	"supernode/dht/wire"
)

const (
	// K is how many nodes a reply names (BEP 5).
	K = 8

	// bucketMean is what a bucket of a full table holds on average, at most; half of it is the least. A small table has
	// minBuckets, with fewer in each.
	bucketMean = 16
	minBuckets = 2 * 64 // a multiple of the bitmap's words

	// bucketNodes bounds a bucket. Ids of honest nodes are uniform, so that only someone placing ids ever meets
	// this bound.
	bucketNodes = 48 // of at most 64, the bits of fails

	// bucketSubnet bounds the nodes of one /24 (IPv6: /48) in one bucket, hostNodes those of one host in the
	// whole table. A host is an IPv4 address or an IPv6 /64. For bounds on subnets in the whole table see subnets.
	bucketSubnet = 2
	hostNodes4   = 1
	hostNodes6   = 4

	// maxFails is how many queries in a row a node may leave unanswered before it is dropped (BEP 5: "bad"): a bucket
	// has one bit a node for the first.
	maxFails = 2

	// tablePage is the size of a page of buckets: small enough that the unfilled last pages of all sizes of buckets are
	// little even in a small table.
	tablePage = 8 << 10
)

// table is the routing table of one address family: verified nodes only, found by nearness to any target.
//
// An ordinary node keeps a tree of buckets that is fine near its own id and coarse elsewhere. This one is to
// answer well for every target, so its buckets are all the same size: bucket b holds the nodes whose ids begin
// with the bits of b. In XOR distance from a target with prefix p, all of bucket p comes before all of bucket p^1,
// then p^2, p^3 and so on. The closest nodes are therefore found by walking buckets in that order, skipping
// empty ones with a bitmap, until K nodes are in hand: exactly the K closest, usually from one or two buckets.
//
// How a bucket stores its nodes, bucket.go says.
//
// Memory for an IPv4 node in a full table: 26 bytes of blob and 4 of its last answer, in arrays of which a tenth is
// header and room, its place in the index of hosts, 12 to 23 bytes, and one byte of bucket heads and subnet counters.
// TestTableMemory holds it to 64 bytes a node for the default of a million.
type table struct {
	family      family
	record      int // bytes of a node in a bucket
	bucketAhead int // bytes of a bucket to fetch ahead: what nearly all have
	limit       int // of count
	count       int

	shift uint     // id>>shift is the bucket, for the top 64 bits of an id
	heads []uint32 // by bucket: place of its array, plus one; zero is an empty bucket
	directory
	pages pages
	arena arena

	hosts   index // host hash to bucket
	key     hashKey
	subnets subnets

	onlySecure bool // take in only nodes whose ids comply with BEP 42
}

// slot is where a node is stored: its bucket, and its position there.
type slot struct {
	bucket uint32
	i      int
}

func newTable(f family, limit int, key hashKey) *table {
	prefix := bits.Len(uint(max(minBuckets, (limit+bucketMean-1)/bucketMean) - 1))
	t := &table{
		family: f, record: nodeSize[f] + seenSize, limit: limit,
		bucketAhead: bucketHeader + bucketMean*(nodeSize[f]+seenSize),
		shift:       uint(64 - prefix),
		heads:       make([]uint32, 1<<prefix),
		directory:   newDirectory(1 << prefix),
		pages:       pages{size: tablePage},
		hosts:       newIndex(),
		key:         key,
		subnets:     newSubnets(limit, key),
	}
	t.arena = newArena(bucketSizes(t.record), &t.pages)
	return t
}

func (t *table) bucketOf(id []byte) uint32 { return uint32(binary.BigEndian.Uint64(id) >> t.shift) }

// bucket is a view of a bucket, valid until a node enters or leaves the table.
func (t *table) bucket(number uint32) bucket {
	head := t.heads[number]
	if head == 0 {
		return nil
	}
	return bucket(t.arena.at(place(head - 1)))
}

// at is the bucket and the record of the node at s: views into the table.
func (t *table) at(s slot) (b bucket, record []byte) {
	b = t.bucket(s.bucket)
	from := bucketHeader + s.i*t.record
	return b, b[from : from+t.record : from+t.record]
}

// blob is the compact node at s: a view into the table.
func (t *table) blob(s slot) []byte {
	_, record := t.at(s)
	return record[:len(record)-seenSize]
}

// seen is the second of the last answer of the node at s.
func (t *table) seen(s slot) uint32 {
	_, record := t.at(s)
	return binary.LittleEndian.Uint32(record[len(record)-seenSize:])
}

// isFailing says whether the node at s has left a query unanswered since.
func (t *table) isFailing(s slot) bool { return t.bucket(s.bucket).failing(s.i) }

// host identifies who answers for a node's behaviour: its source.
func (t *table) host(addr []byte) uint64 { return sourceIn(t.family, addr) }

// find looks for the node at compact address addr. When there is none it still says how many nodes the
// address's host has, and where the one of them is that deserves its place least.
func (t *table) find(addr []byte) (at slot, found bool, ofHost int) {
	host := t.host(addr)
	p := t.hosts.probe(uint32(t.key.hash64(host)))
	var checked [2 * hostNodes6]uint32 // buckets seen: several nodes of a host may share one
	buckets := 0
next:
	for bucket, ok := p.next(); ok; bucket, ok = p.next() {
		for _, b := range checked[:buckets] {
			if b == bucket {
				continue next
			}
		}
		if buckets < len(checked) {
			checked[buckets] = bucket
			buckets++
		}
		for s := range t.inBucket(bucket) {
			a := t.blob(s)[20:]
			if string(a) == string(addr) {
				return s, true, ofHost + 1
			}
			if t.host(a) == host {
				if ofHost == 0 || t.standing(s) < t.standing(at) {
					at = s
				}
				ofHost++
			}
		}
	}
	return at, false, ofHost
}

// has says whether there is a node at compact address addr.
func (t *table) has(addr []byte) bool {
	_, found, _ := t.find(addr)
	return found
}

// inBucket walks the nodes of a bucket.
func (t *table) inBucket(number uint32) iter.Seq[slot] {
	return func(yield func(slot) bool) {
		for i := range t.bucket(number).len() {
			if !yield(slot{number, i}) {
				return
			}
		}
	}
}

// answered records that the node with this id answered a query of ours from addr (compact). It reports whether
// the table now holds the node.
func (t *table) answered(id *wire.ID, addr []byte, now uint32) bool {
	at, found, ofHost := t.find(addr)
	if found {
		if string(t.blob(at)[:20]) != string(id[:]) {
			t.remove(at) // a node that changes its id is not one to rely on
			return false
		}
		b, record := t.at(at)
		b.setFailing(at.i, false)
		binary.LittleEndian.PutUint32(record[len(record)-seenSize:], now)
		return true
	}
	if t.onlySecure && !secureOK(id[:], addr) {
		return false
	}
	if ofHost < hostLimit[t.family] {
		return t.admit(id, addr, now, nil)
	}
	return t.admit(id, addr, now, &at)
}

var hostLimit = [families]int{hostNodes4, hostNodes6}

// insert adds a node for which there is room.
func (t *table) insert(id *wire.ID, addr []byte, now uint32) bool {
	number := t.bucketOf(id[:])
	if !t.hosts.insert(uint32(t.key.hash64(t.host(addr))), number) {
		return false
	}
	b := t.bucket(number)
	n := b.len()
	if class := t.classFor(n + 1); n == 0 || class > t.classOf(number) {
		b = t.resize(number, class)
	}
	var buf [wire.CompactNode6 + seenSize]byte
	b.add(binary.LittleEndian.AppendUint32(append(append(buf[:0], id[:]...), addr...), now))
	t.subnets.add(t.family, addr)
	t.count++
	return true
}

// classFor is the smallest class of arrays that hold n nodes.
func (t *table) classFor(n int) uint8 {
	size := bucketHeader + n*t.record
	for class := range t.arena.classes {
		if t.arena.classes[class].size >= size {
			return uint8(class)
		}
	}
	panic("dht: no bucket is that large")
}

// classOf is the class of the array of a bucket that is not empty.
func (t *table) classOf(number uint32) uint8 { return t.arena.classOf(place(t.heads[number] - 1)) }

// resize moves a bucket to an array of another class, which must hold its nodes.
func (t *table) resize(number uint32, class uint8) bucket {
	to := t.arena.allocate(class, number)
	b := bucket(t.arena.at(to))
	if old := t.bucket(number); old == nil {
		clear(b[ownerSize:bucketHeader])
		t.directory.set(number)
	} else {
		copy(b[ownerSize:], old[ownerSize:bucketHeader+old.len()*t.record])
		t.release(number)
	}
	t.heads[number] = uint32(to) + 1
	return bucket(t.arena.at(to))
}

// release gives a bucket's array back, and tells the owner of the array that moved into its place.
func (t *table) release(number uint32) {
	at := t.heads[number]
	if owner, moved := t.arena.release(place(at - 1)); moved {
		t.heads[owner] = at
	}
	t.heads[number] = 0
}

// failed records that the node at compact address addr left a query unanswered. It reports whether the node is
// in the table still and deserves another try.
func (t *table) failed(addr []byte) bool {
	at, found, _ := t.find(addr)
	if !found {
		return false
	}
	b, _ := t.at(at)
	if b.failing(at.i) {
		t.remove(at)
		return false
	}
	b.setFailing(at.i, true)
	return true
}

// forget deletes the node at compact address addr, if there is one.
func (t *table) forget(addr []byte) {
	if at, found, _ := t.find(addr); found {
		t.remove(at)
	}
}

// remove deletes the node at s. Slots of its bucket are not valid afterwards.
func (t *table) remove(s slot) {
	addr := t.blob(s)[20:]
	entry := t.hosts.entry(uint32(t.key.hash64(t.host(addr))), s.bucket)
	entry.remove()
	t.subnets.remove(t.family, addr)
	b := t.bucket(s.bucket)
	b.remove(s.i, t.record)
	if n := b.len(); n == 0 {
		t.release(s.bucket)
		t.directory.clear(s.bucket)
	} else if class := t.classFor(n); class+1 < t.classOf(s.bucket) { // not at once: the next node may come soon
		t.resize(s.bucket, class)
	}
	t.count--
}
