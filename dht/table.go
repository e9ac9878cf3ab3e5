package dht

import (
	"encoding/binary"
	"math/bits"

	"supernode/dht/wire"
)

const (
	// K is how many nodes a reply names (BEP 5).
	K = 8

	// blockNodes is the number of nodes stored side by side, so that answering a query reads memory in one run.
	blockNodes = 8

	// bucketMean is what a bucket of a full table holds on average, at most; half of it is the least. Fewer nodes a
	// bucket waste more of its last block, more take longer to look through. A small table has minBuckets, with
	// fewer in each.
	bucketMean = 2 * blockNodes
	minBuckets = 2 * 64 // a multiple of the bitmap's words

	// bucketNodes bounds a bucket. Ids of honest nodes are uniform, so that only someone placing ids ever meets
	// this bound.
	bucketNodes = 48

	// bucketSubnet bounds the nodes of one /24 (IPv6: /48) in one bucket, hostNodes those of one host in the
	// whole table. A host is an IPv4 address or an IPv6 /64. For bounds on subnets in the whole table see subnets.
	bucketSubnet = 2
	hostNodes4   = 1
	hostNodes6   = 4

	// maxFails is how many queries in a row a node may leave unanswered before it is dropped (BEP 5: "bad").
	maxFails = 2

	chunkBlocks = 1024 // blocks allocated at a time, at most
	firstBlocks = 16   // and at first: a small node is a small thing
)

// table is the routing table of one address family: verified nodes only, found by nearness to any target.
//
// An ordinary node keeps a tree of buckets that is fine near its own id and coarse elsewhere. This one is to
// answer well for every target, so its buckets are all the same size: bucket b holds the nodes whose ids begin
// with the bits of b. In XOR distance from a target with prefix p, all of bucket p comes before all of bucket p^1,
// then p^2, p^3 and so on. The closest nodes are therefore found by walking buckets in that order, skipping
// empty ones with a bitmap, until K nodes are in hand: exactly the K closest, usually from one or two buckets.
//
// Nodes lie in blocks of eight, each block's ids and addresses ("blobs", as they go into a reply) side by
// side. A bucket is a chain of blocks of which only the first may be partly filled.
//
// Memory for an IPv4 node in a full table: 26 bytes of blob and 6 of bookkeeping at a block fill of 70 to 80 %, its
// place in the index of hosts, 12 to 23 bytes, and one byte of bucket heads and subnet counters. TestTableMemory
// holds it to 64 bytes a node for the default of a million.
type table struct {
	family   family
	blobSize int
	limit    int // of count
	count    int

	shift   uint     // id>>shift is the bucket, for the top 64 bits of an id
	heads   []uint32 // by bucket: number of its first block, plus one; zero is an empty bucket
	filled  []uint64 // bitmap: buckets that are not empty
	filled2 []uint64 // bitmap: words of filled that are not zero

	meta      [][]blockMeta // chunks
	blobs     [][]byte      // chunks, the same blocks in each as in meta
	blocks    uint32        // ever allocated
	maxBlocks uint32        // that limit nodes can take: every bucket may have one block partly filled
	free      uint32        // chain of freed blocks, plus one

	hosts   index // host hash to bucket
	key     hashKey
	subnets subnets

	onlySecure bool // take in only nodes whose ids comply with BEP 42
}

// blockMeta is what a block knows about its nodes beside the blobs.
type blockMeta struct {
	seen  [blockNodes]uint32 // second of the last answer
	fails [blockNodes]uint8  // queries unanswered since
	next  uint32             // next block of the bucket, plus one
	n     uint32             // nodes in the block
}

// slot is where a node is stored: block*blockNodes + position.
type slot uint32

func newTable(f family, limit int, key hashKey) *table {
	prefix := bits.Len(uint(max(minBuckets, (limit+bucketMean-1)/bucketMean) - 1))
	words := 1 << (prefix - 6)
	return &table{
		family: f, blobSize: nodeSize[f], limit: limit,
		shift:   uint(64 - prefix),
		heads:   make([]uint32, 1<<prefix),
		filled:  make([]uint64, words),
		filled2: make([]uint64, (words+63)/64),
		hosts:   newIndex(),
		key:     key,
		subnets: newSubnets(limit, key),

		maxBlocks: uint32(limit/blockNodes + 1<<prefix),
	}
}

func (t *table) bucketOf(id []byte) uint32 { return uint32(binary.BigEndian.Uint64(id) >> t.shift) }

func (t *table) block(b uint32) *blockMeta { return &t.meta[b/chunkBlocks][b%chunkBlocks] }

// blob is the compact node at s: a view into the table.
func (t *table) blob(s slot) []byte {
	chunk, i := uint32(s)/(chunkBlocks*blockNodes), int(uint32(s)%(chunkBlocks*blockNodes))*t.blobSize
	return t.blobs[chunk][i : i+t.blobSize : i+t.blobSize]
}

func (t *table) metaOf(s slot) (*blockMeta, uint32) {
	return t.block(uint32(s) / blockNodes), uint32(s) % blockNodes
}

// slots walks the nodes of a bucket, last block first filled, until yield returns false.
func (t *table) slots(bucket uint32, yield func(slot) bool) {
	for b := t.heads[bucket]; b != 0; b = t.block(b - 1).next {
		for i := range t.block(b - 1).n {
			if !yield(slot((b-1)*blockNodes + i)) {
				return
			}
		}
	}
}

// nextFilled is the first bucket that is not empty from bucket from on, going round. The table must not be empty.
func (t *table) nextFilled(from uint32) uint32 {
	word := from / 64
	if w := t.filled[word] >> (from % 64); w != 0 {
		return from + uint32(bits.TrailingZeros64(w))
	}
	word = (word + 1) % uint32(len(t.filled))
	top := word / 64
	words := t.filled2[top] >> (word % 64) << (word % 64)
	for words == 0 {
		top = (top + 1) % uint32(len(t.filled2))
		words = t.filled2[top]
	}
	word = top*64 + uint32(bits.TrailingZeros64(words))
	return word*64 + uint32(bits.TrailingZeros64(t.filled[word]))
}

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

func (t *table) inBucket(bucket uint32) func(func(slot) bool) {
	return func(yield func(slot) bool) { t.slots(bucket, yield) }
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
		meta, i := t.metaOf(at)
		meta.seen[i], meta.fails[i] = now, 0
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
	bucket := t.bucketOf(id[:])
	if !t.hosts.insert(uint32(t.key.hash64(t.host(addr))), bucket) {
		return false
	}
	head := t.heads[bucket]
	if head == 0 || t.block(head-1).n == blockNodes {
		fresh := t.allocate()
		t.block(fresh).next = head
		head = fresh + 1
		t.heads[bucket] = head
		t.filled[bucket/64] |= 1 << (bucket % 64)
		t.filled2[bucket/64/64] |= 1 << (bucket / 64 % 64)
	}
	meta := t.block(head - 1)
	i := meta.n
	meta.n++
	meta.seen[i], meta.fails[i] = now, 0
	b := t.blob(slot((head-1)*blockNodes + i))
	copy(b[copy(b, id[:]):], addr)
	t.subnets.add(t.family, addr)
	t.count++
	return true
}

// failed records that the node at compact address addr left a query unanswered. It reports whether the node is
// in the table still and deserves another try.
func (t *table) failed(addr []byte) bool {
	at, found, _ := t.find(addr)
	if !found {
		return false
	}
	meta, i := t.metaOf(at)
	meta.fails[i]++
	if meta.fails[i] >= maxFails {
		t.remove(at)
		return false
	}
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
	bucket := t.bucketOf(t.blob(s))
	entry := t.hosts.entry(uint32(t.key.hash64(t.host(t.blob(s)[20:]))), bucket)
	entry.remove()
	t.subnets.remove(t.family, t.blob(s)[20:])
	// The last node of the bucket's first block fills the hole.
	head := t.heads[bucket] - 1
	first := t.block(head)
	last := slot(head*blockNodes + first.n - 1)
	meta, i := t.metaOf(s)
	lastMeta, j := t.metaOf(last)
	meta.seen[i], meta.fails[i] = lastMeta.seen[j], lastMeta.fails[j]
	copy(t.blob(s), t.blob(last))
	first.n--
	if first.n == 0 {
		t.heads[bucket] = first.next
		first.next = t.free
		t.free = head + 1
		if t.heads[bucket] == 0 {
			t.filled[bucket/64] &^= 1 << (bucket % 64)
			if t.filled[bucket/64] == 0 {
				t.filled2[bucket/64/64] &^= 1 << (bucket / 64 % 64)
			}
		}
	}
	t.count--
}

// allocate returns the number of an empty block.
func (t *table) allocate() uint32 {
	if t.free != 0 {
		b := t.free - 1
		t.free = t.block(b).next
		*t.block(b) = blockMeta{}
		return b
	}
	switch size := min(t.blocks, chunkBlocks); {
	case t.blocks%chunkBlocks == 0:
		size = min(max(size, firstBlocks), t.maxBlocks-t.blocks)
		t.meta = append(t.meta, make([]blockMeta, size))
		t.blobs = append(t.blobs, make([]byte, int(size)*blockNodes*t.blobSize))
	case t.blocks == uint32(len(t.meta[0])): // the first chunk is full, but not of full size
		size = min(2*size, chunkBlocks, t.maxBlocks)
		t.meta[0] = append(make([]blockMeta, 0, size), t.meta[0]...)[:size]
		blobs := int(size) * blockNodes * t.blobSize
		t.blobs[0] = append(make([]byte, 0, blobs), t.blobs[0]...)[:blobs]
	}
	t.blocks++
	return t.blocks - 1
}
