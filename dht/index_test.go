package dht

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// numbers is what the index offers for a hash, sorted.
func numbers(x *index, hash uint32) (found []uint32) {
	p := x.probe(hash)
	for n, ok := p.next(); ok; n, ok = p.next() {
		found = append(found, n)
	}
	slices.Sort(found)
	return found
}

// TestIndexAgainstMap uses hashes that crowd in few slots and few directory entries, and enough of them to split
// segments several times.
func TestIndexAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, model := newIndex(), map[uint32][]uint32{}
		hashes := rapid.Custom(func(t *rapid.T) uint32 {
			top := rapid.SampledFrom([]uint32{0, 0x7fffffff, 0x80000000, 0xffffffff}).Draw(t, "top")
			mask := rapid.SampledFrom([]uint32{0x3, 0xff, 0xfff000fe, 0xffffffff}).Draw(t, "mask")
			return top ^ rapid.Uint32().Draw(t, "low")&mask
		})
		total, crowd := 0, map[uint32]int{} // by the top 14 bits: what these share, 15 levels of splits part
		insert := func(hash, number uint32) {
			if crowd[hash>>18]++; crowd[hash>>18] > segmentLimit {
				return
			}
			if !x.insert(hash, number) {
				t.Fatalf("no room for hash %#x with %d entries", hash, total)
			}
			model[hash] = append(model[hash], number)
			total++
		}
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) {
				hash := hashes.Draw(t, "hash")
				if len(model[hash]) < 8 {
					insert(hash, rapid.Uint32Range(0, 1<<32-2).Draw(t, "number"))
				}
			},
			"insert a run": func(t *rapid.T) {
				first, step := rapid.Uint32().Draw(t, "first"), rapid.SampledFrom([]uint32{1, 256, 0x00040001, 1 << 20, 0x01000001}).Draw(t, "step")
				for i := range rapid.Uint32Range(1, 300).Draw(t, "count") {
					insert(first+i*step, i)
				}
			},
			"remove": func(t *rapid.T) {
				hash := hashes.Draw(t, "hash")
				for h, of := range model {
					if len(of) > 0 && h >= hash {
						hash = min(hash, h)
					}
				}
				of := model[hash]
				if len(of) == 0 {
					return
				}
				i := rapid.IntRange(0, len(of)-1).Draw(t, "which")
				p := x.probe(hash)
				for n, ok := p.next(); ; n, ok = p.next() {
					if !ok {
						t.Fatalf("hash %#x: number %d is lost", hash, of[i])
					}
					if n == of[i] {
						p.remove()
						break
					}
				}
				model[hash] = slices.Delete(of, i, i+1)
				total--
			},
			"": func(t *rapid.T) {
				for hash, of := range model {
					want := slices.Sorted(slices.Values(of))
					if got := numbers(&x, hash); !slices.Equal(want, got) {
						t.Fatalf("hash %#x: got %v, want %v", hash, got, want)
					}
				}
				checkSegments(t, &x, total)
			},
		})
	})
}

// checkSegments checks what holds the index together: its directory and its entries' places.
func checkSegments(t rapid.TB, x *index, total int) {
	used, covered := 0, map[*segment]int{}
	for i, s := range x.directory {
		covered[s]++
		if first := i &^ (1<<(x.depth-s.depth) - 1); x.directory[first] != s {
			t.Fatalf("directory entry %d is not in the run of its segment", i)
		}
	}
	if len(covered) != x.segments {
		t.Fatalf("%d segments, counted as %d", len(covered), x.segments)
	}
	for s, n := range covered {
		if n != 1<<(x.depth-s.depth) {
			t.Fatalf("a segment of depth %d has %d directory entries of 2^%d", s.depth, n, x.depth)
		}
		entries := 0
		for _, e := range s.slots {
			if e != 0 {
				entries++
			}
		}
		if entries != s.used || entries >= segmentSlots {
			t.Fatalf("a segment: %d entries, used %d", entries, s.used)
		}
		used += entries
	}
	if used != total {
		t.Fatalf("%d entries, inserted %d", used, total)
	}
}

// TestIndexEqualHashes fills a segment with what no split can part.
func TestIndexEqualHashes(t *testing.T) {
	x := newIndex()
	const hash = 0xdeadbeef
	for i := range uint32(segmentSlots - 1) {
		require.True(t, x.insert(hash, i))
	}
	require.False(t, x.insert(hash, 999), "one slot must stay free, or no walk would end")
	require.Len(t, numbers(&x, hash), segmentSlots-1)
	require.Empty(t, numbers(&x, hash+1))
	require.True(t, x.insert(^uint32(hash), 7), "other segments have room")
	for range segmentSlots - 1 {
		p := x.probe(hash)
		_, ok := p.next()
		require.True(t, ok)
		p.remove()
	}
	require.Empty(t, numbers(&x, hash))
	require.True(t, x.insert(hash, 1))
}
