package dht

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRanksSort: a network of comparators that sorts all sequences of zeros and ones sorts everything.
func TestRanksSort(t *testing.T) {
	for bits := range 1 << K {
		var r ranks
		for i := range r {
			r[i] = rank(bits >> i & 1)
		}
		want := r
		slices.Sort(want[:])
		r.sort()
		require.Equal(t, want, r, "%08b", bits)
	}
}

// TestRanksMerge tries all pairs of sorted sequences of zeros and ones, for the same reason.
func TestRanksMerge(t *testing.T) {
	ascending := func(zeros int) (r ranks) {
		for i := zeros; i < K; i++ {
			r[i] = 1
		}
		return r
	}
	for zeros := range K + 1 {
		for others := range K + 1 {
			r, other := ascending(zeros), ascending(others)
			r.merge(&other)
			require.Equal(t, ascending(min(zeros+others, K)), r, "%d and %d zeros", zeros, others)
			require.Equal(t, ascending(others), other)
		}
	}
}
