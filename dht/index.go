package dht

import "unsafe"

// index maps 32-bit hashes to numbers. Several numbers may share a hash, and the index keeps no keys: whoever
// asks checks each number it is offered against what it stands for.
//
// It is an extendible hash table: a directory over fixed-size segments with linear probing inside. A full
// segment is split alone, which moves at most a couple of hundred entries, so that no insertion ever stalls
// the packet path to rehash a large table. The hash is all an entry needs to find its place again, so splits
// and deletions touch nothing but the segment.
//
// Memory: 9 bytes an entry, at a fill of 39 to 78 %: 12 to 23 bytes. Segments are never given back: an index stays as
// large as its largest number of entries made it.
type index struct {
	directory []*segment // by the hash's top depth bits
	depth     uint
	segments  int // different ones
}

const (
	segmentSlots = 256
	segmentLimit = 200 // entries at which a segment is split: 78 %
)

// segment holds entries of hash<<32 | number+1; zero is a free slot. An entry sits at the slot of its hash's low
// bits or behind it, with no free slot between.
type segment struct {
	depth uint // of the directory bits all its entries share
	used  int
	slots [segmentSlots]uint64
}

// segmentBytes is what the allocator takes for a segment: its next larger size.
const segmentBytes = 2304

// bytes is the memory the index takes.
func (x *index) bytes() int {
	return x.segments*segmentBytes + 8*cap(x.directory)
}

// step is by how much one insertion may make the index grow: a doubled directory, and a few splits.
func (x *index) step() int {
	return 4*segmentBytes + 8*cap(x.directory)
}

func newIndex() index {
	return index{directory: []*segment{new(segment)}, segments: 1}
}

func (x *index) segment(hash uint32) *segment {
	return x.directory[uint64(hash)>>(32-x.depth)]
}

// fetch asks for the memory that probe will read, and does not wait for it.
func (x *index) fetch(hash uint32) {
	fetchIn(x.segment(hash), unsafe.Offsetof(segment{}.slots)+8*uintptr(hash%segmentSlots), 8)
}

// probe walks the numbers stored under one hash.
type probe struct {
	seg  *segment
	hash uint32
	slot uint32
}

func (x *index) probe(hash uint32) probe { return probe{x.segment(hash), hash, hash - 1} }

// next is the next number under the hash. ok is false when there are no more.
func (p *probe) next() (number uint32, ok bool) {
	for {
		p.slot = (p.slot + 1) % segmentSlots
		e := p.seg.slots[p.slot]
		if e == 0 {
			return 0, false
		}
		if uint32(e>>32) == p.hash {
			return uint32(e) - 1, true
		}
	}
}

// set gives the entry that next has just returned another number.
func (p *probe) set(number uint32) {
	p.seg.slots[p.slot] = uint64(p.hash)<<32 | uint64(number+1)
}

// entry is the probe that has just returned number under hash, where it must be.
func (x *index) entry(hash, number uint32) probe {
	p := x.probe(hash)
	for {
		if n, ok := p.next(); n == number || !ok {
			return p
		}
	}
}

// remove deletes the entry that next has just returned. The probe is of no further use.
func (p *probe) remove() {
	s := p.seg
	hole := p.slot
	s.slots[hole] = 0
	s.used--
	// Close the gap: an entry behind the hole moves into it unless its home lies between the two.
	for i := (hole + 1) % segmentSlots; s.slots[i] != 0; i = (i + 1) % segmentSlots {
		home := uint32(s.slots[i]>>32) % segmentSlots
		if (i-home)%segmentSlots >= (i-hole)%segmentSlots {
			s.slots[hole], s.slots[i] = s.slots[i], 0
			hole = i
		}
	}
}

// maxDepth keeps directory bits and slot bits of a hash apart; beyond it a segment just fills up.
const maxDepth = 24

// insert adds number under hash. It reports false when there is no room, which takes 2^24 times a segment's
// entries, or that many equal hashes.
func (x *index) insert(hash, number uint32) bool {
	s := x.segment(hash)
	for s.used >= segmentLimit && s.depth < maxDepth {
		x.split(hash)
		s = x.segment(hash)
	}
	if s.used == segmentSlots-1 { // one slot stays free, to end every walk
		return false
	}
	s.insert(uint64(hash)<<32 | uint64(number+1))
	return true
}

func (s *segment) insert(entry uint64) {
	i := uint32(entry>>32) % segmentSlots
	for s.slots[i] != 0 {
		i = (i + 1) % segmentSlots
	}
	s.slots[i] = entry
	s.used++
}

// split divides hash's segment in two by one more bit of the hash, and doubles the directory first if that bit
// is beyond it.
func (x *index) split(hash uint32) {
	old := x.segment(hash)
	if old.depth == x.depth {
		doubled := make([]*segment, 2*len(x.directory))
		for i, s := range x.directory {
			doubled[2*i], doubled[2*i+1] = s, s
		}
		x.directory = doubled
		x.depth++
	}
	depth := old.depth + 1
	lower, upper := segment{depth: depth}, &segment{depth: depth}
	for _, e := range old.slots {
		if e == 0 {
			continue
		}
		if e>>(64-depth)&1 == 0 {
			lower.insert(e)
		} else {
			upper.insert(e)
		}
	}
	// The directory's entries for the old segment are one aligned run; its upper half now goes to upper.
	width := 1 << (x.depth - depth)
	first := int(uint64(hash)>>(32-x.depth)) &^ (2*width - 1)
	*old = lower
	x.segments++
	for i := first + width; i < first+2*width; i++ {
		x.directory[i] = upper
	}
}
