package dht

import (
	"net/netip"
	"time"

	"supernode/dht/wire"
)

const (
	// itemLifetime is how long an item is handed out after its last put (BEP 44).
	itemLifetime = 2 * time.Hour

	// itemLinks is how many links of a chain the store sets aside for the average item. Items in use are mostly pointers, to
	// torrents (BEP 46) or hosts, which take two or three. The largest takes ten.
	itemLinks = 4
)

// item is one item, on its way in or out. Its slices are views: into the datagram that brought it, or into the
// store's scratch space, where they are valid until the store is used again, or somebody else's (see Node.holdItems).
type item struct {
	value []byte // bencoded
	key   []byte // ed25519 public key [32]; nil: the item is immutable, and has nothing but a value
	sig   []byte // [64]
	salt  []byte
	seq   int64
}

// target is where the item is stored.
func (it *item) target() wire.ID {
	if it.key == nil {
		return ImmutableTarget(it.value)
	}
	return MutableTarget(it.key, it.salt)
}

// verify does all the checks there are on an item from an unknown hand.
func (it *item) verify() bool {
	if it.key == nil {
		return len(it.value) <= MaxValue && wire.Canonical(it.value)
	}
	return VerifyItem(it.key, it.salt, it.seq, it.value, it.sig)
}

// size is the length of the item's chain, in bytes.
func (it *item) size() int { return len(it.key) + len(it.sig) + len(it.salt) + len(it.value) }

// itemStore keeps items (BEP 44), verified by whoever puts them in. It is bounded three times: by a number of items;
// by a number of bytes, itemLinks links for each of these; and for each source and network by a share of what is free.
//
// An item is a slot, and a chain that holds its key, signature, salt and value one behind the other. There is no
// pointer in either, so the garbage collector passes them by.
//
// Memory for an item: a slot of 48 bytes, 10 to 21 in the index, one to ten links of 128, and up to one byte for the
// shares. A pointer to a torrent takes two links, 326 bytes in all. The whole store takes at most limit times 48+21+512+1
// bytes, and some 40 kB for the budgets of checks: 58 MB for 100,000 items.
type itemStore struct {
	limit     int // of count
	count     int
	index     index // target to slot number
	key       hashKey
	slots     [][]itemSlot // chunks
	allocated uint32       // slots ever made
	free      uint32       // chain of freed slots through first, plus one

	chains  chainPool
	shares  shares // see held
	budgets []checked
	checks  pace
	hand    sweepHand
	scratch *[maxItemSize]byte
}

const maxItemSize = 32 + 64 + MaxSalt + MaxValue

type itemSlot struct {
	target  wire.ID
	expires uint32 // in seconds, see Instant.seconds; wraps around
	seq     int64
	source  uint64
	first   uint32 // link of the chain
	value   uint16 // length; zero: the slot is free
	salt    uint8  // length
	mutable bool
}

const chunkSlots = 1024 // allocated at a time, at most

func newItemStore(limit int, key hashKey, now Instant) *itemStore {
	s := &itemStore{limit: limit, index: newIndex(), key: key, scratch: new([maxItemSize]byte)}
	s.chains.limit = limit*itemLinks + linksFor(maxItemSize)
	s.checks = newPace(checksASecond, checksASecond, now)
	s.hand.last = now
	return s
}

// full reports that an item that is not stored yet might not be taken, whoever brings it.
func (s *itemStore) full() bool {
	return s.count >= s.limit || s.chains.used+linksFor(maxItemSize) > s.chains.limit
}

// takes reports whether there is room for what ip might put under target. What is stored already may always be
// refreshed.
func (s *itemStore) takes(target *wire.ID, ip netip.Addr) bool {
	if _, known := s.find(target); known {
		return true
	}
	return !s.full() && !s.held().over(sourceOf(ip), s.room())
}

func (s *itemStore) slot(i uint32) *itemSlot { return &s.slots[i/chunkSlots][i%chunkSlots] }

func (s *itemStore) hash(target *wire.ID) uint32 {
	return uint32(s.key.hash20((*[20]byte)(target)))
}

func (s *itemStore) find(target *wire.ID) (i uint32, ok bool) {
	probe := s.index.probe(s.hash(target))
	for i, ok := probe.next(); ok; i, ok = probe.next() {
		if s.slot(i).target == *target {
			return i, true
		}
	}
	return 0, false
}

// get is the item under target and its slot, unless there is none, or it has expired.
func (s *itemStore) get(now Instant, target *wire.ID) (it item, i uint32, ok bool) {
	i, ok = s.find(target)
	if !ok || s.slot(i).expired(now) {
		return item{}, 0, false
	}
	return s.read(i), i, true
}

// size is the length of the item's chain, in bytes.
func (t *itemSlot) size() int {
	n := int(t.salt) + int(t.value)
	if t.mutable {
		n += 32 + 64
	}
	return n
}

func (t *itemSlot) expired(now Instant) bool { return int32(t.expires-now.seconds()) <= 0 }

// read collects an item from its chain in the scratch space.
func (s *itemStore) read(i uint32) (it item) {
	t := s.slot(i)
	b := s.scratch[:t.size()]
	s.chains.read(b, t.first)
	value := len(b) - int(t.value)
	if t.mutable {
		it.key, it.sig, it.salt = b[:32:32], b[32:96:96], b[96:value:value]
		it.seq = t.seq
	}
	it.value = b[value:]
	return it
}

// put stores an item that was verified, in place of what was there under its target, for the lifetime that is left
// at an age. It reports false if there is no room. What replaces an item stays on the account of its first source.
func (s *itemStore) put(now Instant, age time.Duration, target *wire.ID, it *item, source uint64) bool {
	i, known := s.find(target)
	freed := 0
	if known {
		freed = linksFor(s.slot(i).size())
	} else if s.count >= s.limit || s.held().over(source, s.room()) {
		return false
	}
	if s.chains.used-freed+linksFor(it.size()) > s.chains.limit {
		return false
	}
	if !known {
		if i, known = s.add(target, source); !known {
			return false
		}
	} else {
		s.chains.release(s.slot(i).first)
	}
	t := s.slot(i)
	t.expires = now.Add(itemLifetime - age).seconds()
	t.seq, t.mutable = it.seq, it.key != nil
	t.value, t.salt = uint16(len(it.value)), uint8(len(it.salt))
	t.first = s.chains.store(it.key, it.sig, it.salt, it.value)
	return true
}

// refresh makes an item live as long as a new one.
func (s *itemStore) refresh(now Instant, i uint32) {
	s.slot(i).expires = now.Add(itemLifetime).seconds()
}

func (s *itemStore) add(target *wire.ID, source uint64) (uint32, bool) {
	i := s.free - 1
	if s.free == 0 {
		i = s.allocated
	}
	if !s.index.insert(s.hash(target), i) {
		return 0, false
	}
	if s.free != 0 {
		s.free = s.slot(i).first
	} else {
		if i%chunkSlots == 0 {
			s.slots = append(s.slots, make([]itemSlot, min(chunkSlots, s.limit-int(i))))
		}
		s.allocated++
	}
	*s.slot(i) = itemSlot{target: *target, source: source}
	s.held().add(source)
	s.count++
	return i, true
}

func (s *itemStore) remove(i uint32) {
	t := s.slot(i)
	entry := s.index.entry(s.hash(&t.target), i)
	entry.remove()
	s.chains.release(t.first)
	s.held().remove(t.source)
	*t = itemSlot{first: s.free}
	s.free = i + 1
	s.count--
}

// sweep drops expired items from the slots whose turn it is.
func (s *itemStore) sweep(now Instant) {
	if s.count == 0 {
		s.hand.last = now
		return
	}
	s.hand.turn(now, int(s.allocated), sweepPeriod)
	for range min(int(s.hand.owed), sweepSteps) {
		i := uint32(s.hand.position)
		s.hand.move(1, int(s.allocated))
		if t := s.slot(i); t.value > 0 && t.expired(now) {
			s.remove(i)
		}
	}
}

// sweepAt is when sweep has work to do next; ok is false if there is none.
func (s *itemStore) sweepAt() (t Instant, ok bool) {
	if s.count == 0 {
		return 0, false
	}
	return s.hand.when(1, int(s.allocated), sweepPeriod), true
}
