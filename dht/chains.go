package dht

import "encoding/binary"

// A link is the number of the next link of its chain plus one, and data.
const (
	linkBytes = 128
	linkData  = linkBytes - 4

	chunkLinks = 512 // allocated at a time: 64 KiB
)

// chainPool keeps byte strings of any length in chains of links, a bounded number of these. There is but one size of
// links, so whatever is freed fits whatever comes next.
type chainPool struct {
	limit  int // of used
	used   int // links that are part of a chain
	chunks [][]byte
	made   uint32 // links ever made
	free   uint32 // chain of freed links: the first's number plus one
}

// linksFor is how many links hold n bytes.
func linksFor(n int) int { return (n + linkData - 1) / linkData }

func (p *chainPool) link(i uint32) []byte {
	start := int(i%chunkLinks) * linkBytes
	return p.chunks[i/chunkLinks][start : start+linkBytes : start+linkBytes]
}

// next is the number plus one of the link behind link i.
func (p *chainPool) next(i uint32) uint32 { return binary.LittleEndian.Uint32(p.link(i)) }

func (p *chainPool) setNext(i, next uint32) { binary.LittleEndian.PutUint32(p.link(i), next) }

// take is the number of a link of arbitrary content, for which there must be room.
func (p *chainPool) take() (i uint32) {
	p.used++
	if p.free != 0 {
		i = p.free - 1
		p.free = p.next(i)
		return i
	}
	if p.made%chunkLinks == 0 {
		p.chunks = append(p.chunks, make([]byte, min(chunkLinks, p.limit-int(p.made))*linkBytes))
	}
	p.made++
	return p.made - 1
}

// store makes a chain of the parts, one behind the other, which must not be empty all together and for which there
// must be room. It returns the number of the first link.
func (p *chainPool) store(parts ...[]byte) (first uint32) {
	first = p.take()
	last, room := first, p.link(first)[4:]
	for _, part := range parts {
		for len(part) > 0 {
			if len(room) == 0 {
				i := p.take()
				p.setNext(last, i+1)
				last, room = i, p.link(i)[4:]
			}
			n := copy(room, part)
			room, part = room[n:], part[n:]
		}
	}
	p.setNext(last, 0)
	return first
}

// read fills dst from the chain that begins with link i, which must hold as much.
func (p *chainPool) read(dst []byte, i uint32) {
	for {
		dst = dst[copy(dst, p.link(i)[4:]):]
		if len(dst) == 0 {
			return
		}
		i = p.next(i) - 1
	}
}

// release gives back the chain that begins with link first.
func (p *chainPool) release(first uint32) {
	last := first
	for p.used--; p.next(last) != 0; p.used-- {
		last = p.next(last) - 1
	}
	p.setNext(last, p.free)
	p.free = first + 1
}
