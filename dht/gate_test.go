package dht

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGate has some read what others change: two numbers that are only ever different while the gate is closed. With
// more workers than doors, several share one.
func TestGate(t *testing.T) {
	for _, workers := range []int{2, 3, 2*maxDoors + 1} {
		const rounds = 2000
		g := newGate(workers)
		var a, b int
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				for range rounds {
					g.enter(w)
					if a != b {
						t.Errorf("worker %d is inside while another changes something", w)
					}
					g.leave(w)
					g.close()
					a++
					b++
					g.open()
				}
			})
		}
		all.Wait()
		require.Equal(t, workers*rounds, a)
		require.Equal(t, a, b)
	}
}

// TestSpin counts without atomics.
func TestSpin(t *testing.T) {
	const workers, rounds = 4, 5000
	var s spin
	var all sync.WaitGroup
	count := 0
	for range workers {
		all.Go(func() {
			for range rounds {
				s.lock()
				count++
				s.unlock()
			}
		})
	}
	all.Wait()
	require.Equal(t, workers*rounds, count)
}

// TestOneWorkerTakesNoLock: the zero gate keeps nobody out, and nobody in.
func TestOneWorkerTakesNoLock(t *testing.T) {
	n := newNode(t, Config{})
	require.Nil(t, n.gate.doors)
	require.Len(t, n.parts, 1)
	require.Nil(t, n.parts[0].doors)
	require.False(t, n.shared)
	require.Equal(t, []*Node{n}, n.Workers())
	n.gate.close()
	n.enter()
	n.gate.close()
}
