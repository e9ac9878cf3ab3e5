package dht

import "encoding/binary"

// arena hands out arrays of fixed-size records from chunks without a pointer in them, so that millions of
// little arrays are nothing to the garbage collector. An array belongs to a class, which says how many records
// it holds, and is known by its number within the class.
type arena struct {
	record  int // bytes, at least 4
	chunk   int // bytes allocated at a time, if an array is not larger than that
	classes [len(classCapacity)]arenaClass
}

type arenaClass struct {
	chunks    [][]byte
	allocated uint32 // arrays ever made
	free      uint32 // chain of freed arrays, plus one; a freed array begins with the next link
}

// classCapacity is how many records an array of each class holds. Steps of at most 3/2 keep the unused part
// of a growing array under a third.
var classCapacity = [...]int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024}

// chunkBytes is the most a chunk takes, unless one array takes more.
const chunkBytes = 64 << 10

// newArena makes an arena for so many records in all.
func newArena(record, limit int) arena {
	return arena{record: record, chunk: min(chunkBytes, record*limit)}
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

func (a *arena) perChunk(class uint8) uint32 {
	return uint32(max(1, a.chunk/(a.record*classCapacity[class])))
}

// array is the memory of array number i: a view that is valid until the array is released.
func (a *arena) array(class uint8, i uint32) []byte {
	size := a.record * classCapacity[class]
	per := a.perChunk(class)
	start := int(i%per) * size
	return a.classes[class].chunks[i/per][start : start+size : start+size]
}

// allocate returns the number of an array whose content is arbitrary.
func (a *arena) allocate(class uint8) uint32 {
	c := &a.classes[class]
	if c.free != 0 {
		i := c.free - 1
		c.free = binary.LittleEndian.Uint32(a.array(class, i))
		return i
	}
	per := a.perChunk(class)
	if c.allocated%per == 0 {
		c.chunks = append(c.chunks, make([]byte, int(per)*a.record*classCapacity[class]))
	}
	c.allocated++
	return c.allocated - 1
}

func (a *arena) release(class uint8, i uint32) {
	c := &a.classes[class]
	binary.LittleEndian.PutUint32(a.array(class, i), c.free)
	c.free = i + 1
}
