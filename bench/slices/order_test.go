package slices

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// There and back: everybody twice, and everybody's places have the same middle.
func TestOrderIsBalanced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "subjects")
		order := Order(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 1000).Draw(t, "block"), rapid.IntRange(0, 1).Draw(t, "measure"), n)
		require.Len(t, order, 2*n)
		places := map[int][]int{}
		for place, subject := range order {
			places[subject] = append(places[subject], place)
		}
		require.Len(t, places, n)
		for subject := range n {
			require.Len(t, places[subject], 2)
			require.Equal(t, 2*n-1, places[subject][0]+places[subject][1])
		}
	})
}

// The same words give the same order; another block, measure or seed gives another one, and nobody is always first.
func TestOrderIsRandom(t *testing.T) {
	require.Equal(t, Order(1, 2, 0, 6), Order(1, 2, 0, 6))
	first, seen := map[int]int{}, map[string]bool{}
	const blocks = 600
	for block := range blocks {
		order := Order(7, block, 0, 3)
		first[order[0]]++
		seen[string([]byte{byte(order[0]), byte(order[1])})] = true
	}
	require.Len(t, seen, 6, "all orders of three come up")
	for subject := range 3 {
		require.InDelta(t, blocks/3, first[subject], 60, "5 standard deviations")
	}
	differs := func(orders ...[]int) bool {
		return slices.ContainsFunc(orders[1:], func(o []int) bool { return !slices.Equal(o, orders[0]) })
	}
	require.True(t, differs(Order(1, 0, 0, 9), Order(1, 0, 1, 9)))
	require.True(t, differs(Order(1, 0, 0, 9), Order(2, 0, 0, 9)))
	require.True(t, differs(Order(1, 1, 0, 9), Order(1, 0, 1, 9)), "a block's number is not mistaken for a measure's")
}
