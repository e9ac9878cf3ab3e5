package dht

import "encoding/binary"

// arena keeps many little arrays in pages without a pointer in them, so that millions of arrays are nothing to the
// garbage collector. An array belongs to a class, which says how many bytes it has, and is known by its place.
//
// The arrays of a class lie side by side: when one is released the last of its class moves into its place, and whoever
// owns that one is told. So no memory is stranded, whatever comes and goes in whatever order: of all the pages of a
// class only the last one is not full, and a page that empties serves any other class.
type arena struct {
	pages   *pages
	bits    uint // of a place that say where in its page it is
	lists   int  // bytes taken by the lists of pages
	classes []arenaClass
	numbers []numbered // by page number
	free    []uint32   // page numbers that are not in use
}

type arenaClass struct {
	size  int      // bytes of an array, its owner included: a multiple of arenaUnit
	per   int      // arrays in a page
	pages []uint32 // their numbers
	last  int      // arrays in the last one
}

// numbered is a page that is in use, and whose arrays it holds.
type numbered struct {
	page  []byte
	class uint8
}

// place says where an array is: the number of its page, and its offset there in units of arenaUnit. It is what an
// owner keeps, so that its array is found in one step.
type place uint32

const (
	arenaUnit = 4
	ownerSize = 4 // what stands in front of each array: the number of its owner
)

// newArena makes an arena with a class for each of the sizes, in bytes with the owner. A page must hold at least one array
// of the largest.
func newArena(sizes []int, p *pages) arena {
	a := arena{pages: p, classes: make([]arenaClass, len(sizes))}
	for p.size>>a.bits > arenaUnit {
		a.bits++
	}
	for class, size := range sizes {
		a.classes[class] = arenaClass{size: size, per: p.size / size}
	}
	return a
}

// at is the memory from the array at p on, its owner in front, to the end of its page.
func (a *arena) at(p place) []byte {
	return a.numbers[p>>a.bits].page[p&(1<<a.bits-1)*arenaUnit:]
}

// array is the array at p, of that class: a view that is valid until an array of the class is released.
func (a *arena) array(class uint8, p place) []byte {
	size := a.classes[class].size
	return a.at(p)[ownerSize:size:size]
}

// classOf is the class of the array at p.
func (a *arena) classOf(p place) uint8 { return a.numbers[p>>a.bits].class }

// setOwner changes whom release names when the array at p moves.
func (a *arena) setOwner(p place, owner uint32) { binary.LittleEndian.PutUint32(a.at(p), owner) }

// allocate returns the place of an array whose content is arbitrary.
func (a *arena) allocate(class uint8, owner uint32) place {
	c := &a.classes[class]
	if len(c.pages) == 0 || c.last == c.per {
		before := a.listBytes(c)
		c.pages = append(c.pages, a.number(a.pages.take(), class))
		c.last = 0
		a.lists += a.listBytes(c) - before
	}
	p := a.lastOf(c, c.last)
	c.last++
	a.setOwner(p, owner)
	return p
}

// lastOf is the place of the i-th array in the last page of a class.
func (a *arena) lastOf(c *arenaClass, i int) place {
	return place(c.pages[len(c.pages)-1]<<a.bits) | place(i*c.size/arenaUnit)
}

// number gives a page a number.
func (a *arena) number(page []byte, class uint8) uint32 {
	if n := len(a.free) - 1; n >= 0 {
		number := a.free[n]
		a.free = a.free[:n]
		a.numbers[number] = numbered{page, class}
		return number
	}
	a.numbers = append(a.numbers, numbered{page, class})
	return uint32(len(a.numbers) - 1)
}

// listBytes is what the lists take that an allocation in class c may make longer.
func (a *arena) listBytes(c *arenaClass) int {
	return 4*cap(c.pages) + 32*cap(a.numbers)
}

// release gives the array at p back. If another array takes its place, moved is true and owner is whose it is.
func (a *arena) release(p place) (owner uint32, moved bool) {
	c := &a.classes[a.classOf(p)]
	c.last--
	if last := a.lastOf(c, c.last); last != p {
		hole := a.at(p)
		copy(hole[:c.size], a.at(last))
		owner, moved = binary.LittleEndian.Uint32(hole), true
	}
	if c.last == 0 {
		n := len(c.pages) - 1
		number := c.pages[n]
		c.pages = c.pages[:n]
		c.last = c.per
		a.pages.give(a.numbers[number].page)
		a.numbers[number] = numbered{}
		before := cap(a.free)
		a.free = append(a.free, number)
		a.lists += 4 * (cap(a.free) - before)
	}
	return owner, moved
}

// sparePages bounds the empty pages kept for the next use; beyond it they go to the garbage collector.
const sparePages = 16

// pages is where arenas get their memory from and leave what they no longer need to each other.
type pages struct {
	size  int // bytes of a page: large against most arrays, and a size the allocator adds nothing to
	used  int // handed out
	spare [][]byte
}

// bytes is what all pages take, used and spare.
func (p *pages) bytes() int { return (p.used + len(p.spare)) * p.size }

func (p *pages) take() []byte {
	p.used++
	n := len(p.spare) - 1
	if n < 0 {
		return make([]byte, p.size)
	}
	taken := p.spare[n]
	p.spare[n] = nil
	p.spare = p.spare[:n]
	return taken
}

func (p *pages) give(empty []byte) {
	p.used--
	if p.spare == nil {
		p.spare = make([][]byte, 0, sparePages)
	}
	if len(p.spare) < sparePages {
		p.spare = append(p.spare, empty)
	}
}
