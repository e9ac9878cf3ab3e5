package dht

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestArena keeps a pattern in every array that is in use: arrays that overlapped would spoil each other's. Two arenas
// share their pages, as the two families do.
func TestArena(t *testing.T) {
	type handle struct {
		arena int
		class uint8
		at    place
	}
	type use struct {
		handle
		mark byte
	}
	rapid.Check(t, func(t *rapid.T) {
		p := pages{size: 8 << 10}
		arenas := [2]arena{newArena([]int{12, 64, 8188}, &p), newArena([]int{24, 100, 5000}, &p)}
		inUse, next := map[uint32]*use{}, uint32(0) // by owner
		perClass := map[handle]int{}                // arrays in use, with at zero
		classes := rapid.SampledFrom([]uint8{0, 1, 2})
		t.Repeat(map[string]func(*rapid.T){
			"allocate": func(t *rapid.T) {
				h := handle{arena: rapid.IntRange(0, 1).Draw(t, "arena"), class: classes.Draw(t, "class")}
				for range rapid.IntRange(1, 40).Draw(t, "count") {
					perClass[h]++
					owner := next
					next++
					u := &use{h, byte(owner * 7)}
					u.at = arenas[h.arena].allocate(h.class, owner)
					inUse[owner] = u
					array := arenas[h.arena].array(h.class, u.at)
					if ownerSize+len(array) != arenas[h.arena].classes[h.class].size {
						t.Fatalf("array of %d bytes", len(array))
					}
					copy(array, bytes.Repeat([]byte{u.mark}, len(array)))
				}
			},
			"release": func(t *rapid.T) {
				if len(inUse) == 0 {
					return
				}
				for range rapid.IntRange(1, 40).Draw(t, "count") {
					owner := rapid.Uint32Range(0, next-1).Draw(t, "which")
					u := inUse[owner]
					if u == nil {
						continue
					}
					delete(inUse, owner)
					perClass[handle{u.arena, u.class, 0}]--
					if other, moved := arenas[u.arena].release(u.at); moved {
						if inUse[other] == nil || inUse[other].arena != u.arena || inUse[other].class != u.class {
							t.Fatalf("an array of %d moved, who has none", other)
						}
						inUse[other].at = u.at
					}
				}
			},
			"change owner": func(t *rapid.T) {
				if u := inUse[next/2]; u != nil {
					delete(inUse, next/2)
					inUse[next] = u
					arenas[u.arena].setOwner(u.at, next)
					next++
				}
			},
			"": func(t *rapid.T) {
				for owner, u := range inUse {
					array := arenas[u.arena].array(u.class, u.at)
					if !bytes.Equal(array, bytes.Repeat([]byte{u.mark}, len(array))) {
						t.Fatalf("the array of %d was written to by another", owner)
					}
				}
				needed := 0
				for h, n := range perClass {
					per := arenas[h.arena].classes[h.class].per
					needed += (n + per - 1) / per
				}
				if p.used != needed || len(p.spare) > sparePages {
					t.Fatalf("%d pages in use and %d spare, %d needed", p.used, len(p.spare), needed)
				}
			},
		})
	})
}

// TestPagesAreReused moves all memory from one class to another.
func TestPagesAreReused(t *testing.T) {
	p := pages{size: 8 << 10}
	a := newArena([]int{12, 2044}, &p)
	inUse := 0
	fill := func(class uint8, pages int) {
		for range pages * a.classes[class].per {
			a.allocate(class, 0)
			inUse++
		}
	}
	drain := func(class uint8) {
		for ; inUse > 0; inUse-- {
			a.release(place(a.classes[class].pages[0] << a.bits))
		}
	}
	fill(0, 10)
	drain(0)
	require.Zero(t, p.used)
	require.Equal(t, 10*p.size, p.bytes())
	fill(1, 10)
	require.Equal(t, 10*p.size, p.bytes(), "the empty pages of one class serve another")
	drain(1)
	fill(0, 100)
	drain(0)
	require.Equal(t, sparePages*p.size, p.bytes(), "what nobody needs goes back")
}

func TestClassFor(t *testing.T) {
	for n := 1; n <= swarmPeers; n++ {
		class := classFor(n)
		require.GreaterOrEqual(t, classCapacity[class], n)
		require.LessOrEqual(t, 2*classCapacity[class], 3*n, "a third at most lies idle in the array for %d", n)
		if class > 0 {
			require.Less(t, classCapacity[class-1], n)
		}
	}
	require.Panics(t, func() { classFor(swarmPeers + 1) })
}
