package dht

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestArena keeps a pattern in every array that is in use: arrays that overlapped would spoil each other's.
func TestArena(t *testing.T) {
	type handle struct {
		class uint8
		i     uint32
	}
	rapid.Check(t, func(t *rapid.T) {
		a := newArena(rapid.SampledFrom([]int{4, 8, 20}).Draw(t, "record"), rapid.SampledFrom([]int{1, 100, 100_000}).Draw(t, "limit"))
		inUse, peak := map[handle]byte{}, map[uint8]int{}
		var order []handle
		mark := byte(0)
		t.Repeat(map[string]func(*rapid.T){
			"allocate": func(t *rapid.T) {
				class := rapid.Uint8Range(0, uint8(len(classCapacity)-1)).Draw(t, "class")
				for range rapid.IntRange(1, 10).Draw(t, "count") {
					h := handle{class, a.allocate(class)}
					if _, taken := inUse[h]; taken {
						t.Fatalf("array %v is handed out twice", h)
					}
					mark++
					inUse[h] = mark
					order = append(order, h)
					array := a.array(h.class, h.i)
					if len(array) != a.record*classCapacity[class] {
						t.Fatalf("array of %d bytes", len(array))
					}
					copy(array, bytes.Repeat([]byte{mark}, len(array)))
				}
				n := 0
				for _, h := range order {
					if h.class == class {
						n++
					}
				}
				peak[class] = max(peak[class], n)
			},
			"release": func(t *rapid.T) {
				if len(order) == 0 {
					return
				}
				i := rapid.IntRange(0, len(order)-1).Draw(t, "which")
				a.release(order[i].class, order[i].i)
				delete(inUse, order[i])
				order[i] = order[len(order)-1]
				order = order[:len(order)-1]
			},
			"": func(t *rapid.T) {
				for h, mark := range inUse {
					array := a.array(h.class, h.i)
					if !bytes.Equal(array, bytes.Repeat([]byte{mark}, len(array))) {
						t.Fatalf("array %v was written to by another", h)
					}
				}
				for class, n := range peak {
					if int(a.classes[class].allocated) != n {
						t.Fatalf("class %d: %d arrays made, %d needed at the peak", class, a.classes[class].allocated, n)
					}
				}
			},
		})
	})
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
