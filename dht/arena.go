package dht

import "encoding/binary"

// arena keeps many little arrays of fixed-size records in pages without a pointer in them, so that millions of
// arrays are nothing to the garbage collector. An array belongs to a class, which says how many records it holds,
// and is known by its number within the class.
//
// The arrays of a class are always the first ones: when one is released the last of its class takes its place,
// and whoever owns that one is told. So no memory is stranded, whatever comes and goes in whatever order: of all
// the pages of a class only the last one is not full, and a page that empties serves any other class.
type arena struct {
	record  int // bytes
	pages   *pages
	lists   int // bytes taken by the lists of pages
	classes [len(classCapacity)]arenaClass
}

type arenaClass struct {
	size  uint32 // bytes of an array, its owner included
	per   uint32 // arrays in a page
	count uint32 // arrays in use
	pages []*page
}

// classCapacity is how many records an array of each class holds. Steps of at most 3/2 keep the unused part
// of a growing array under a third.
var classCapacity = [...]int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024}

// ownerSize is what stands in front of each array: the number of its owner.
const ownerSize = 4

// newArena makes an arena for records of so many bytes. A page must hold at least one array of the largest class.
func newArena(record int, p *pages) arena {
	a := arena{record: record, pages: p}
	for class, capacity := range classCapacity {
		size := uint32(ownerSize + record*capacity)
		a.classes[class] = arenaClass{size: size, per: pageBytes / size}
	}
	return a
}

// classFor is the smallest class that holds n records.
func classFor(n int) uint8 {
	for class, capacity := range classCapacity {
		if capacity >= n {
			return uint8(class)
		}
	}
	panic("dht: no array is that large")
}

// whole is array number i with its owner in front.
func (a *arena) whole(class uint8, i uint32) []byte {
	c := &a.classes[class]
	start := i % c.per * c.size
	return c.pages[i/c.per][start : start+c.size : start+c.size]
}

// array is the memory of array number i: a view that is valid until an array of the class is released.
func (a *arena) array(class uint8, i uint32) []byte { return a.whole(class, i)[ownerSize:] }

// setOwner changes whom release names when array number i moves.
func (a *arena) setOwner(class uint8, i, owner uint32) {
	binary.LittleEndian.PutUint32(a.whole(class, i), owner)
}

// allocate returns the number of an array whose content is arbitrary.
func (a *arena) allocate(class uint8, owner uint32) uint32 {
	c := &a.classes[class]
	i := c.count
	if i%c.per == 0 {
		before := cap(c.pages)
		c.pages = append(c.pages, a.pages.take())
		a.lists += 8 * (cap(c.pages) - before)
	}
	c.count++
	a.setOwner(class, i, owner)
	return i
}

// release gives array number i back. If another array takes its place, and with it the number i, moved is true
// and owner is whose it is.
func (a *arena) release(class uint8, i uint32) (owner uint32, moved bool) {
	c := &a.classes[class]
	last := c.count - 1
	if i != last {
		hole := a.whole(class, i)
		copy(hole, a.whole(class, last))
		owner, moved = binary.LittleEndian.Uint32(hole), true
	}
	c.count = last
	if last%c.per == 0 {
		n := len(c.pages) - 1
		a.pages.give(c.pages[n])
		c.pages[n] = nil
		c.pages = c.pages[:n]
	}
	return owner, moved
}

// pageBytes is large against most arrays and a size the allocator adds nothing to. sparePages bounds the empty
// pages kept for the next use; beyond it they go to the garbage collector.
const (
	pageBytes  = 64 << 10
	sparePages = 16
)

type page [pageBytes]byte

// pages is where arenas get their memory from and leave what they no longer need to each other.
type pages struct {
	used  int // handed out
	spare []*page
}

// bytes is what all pages take, used and spare.
func (p *pages) bytes() int { return (p.used + len(p.spare)) * pageBytes }

func (p *pages) take() *page {
	p.used++
	n := len(p.spare) - 1
	if n < 0 {
		return new(page)
	}
	taken := p.spare[n]
	p.spare[n] = nil
	p.spare = p.spare[:n]
	return taken
}

func (p *pages) give(empty *page) {
	p.used--
	if p.spare == nil {
		p.spare = make([]*page, 0, sparePages)
	}
	if len(p.spare) < sparePages {
		p.spare = append(p.spare, empty)
	}
}
