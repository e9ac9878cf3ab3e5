package main

import (
	"math"
	"math/bits"
)

// popularity draws numbers 0 to n-1, number i with a probability in proportion to 1/(i+1)^s (Zipf). One
// random word and at most one cache line a draw: it is Walker's alias method, with the table built the way
// Vose does.
type popularity struct {
	n     uint64
	s     float64
	cells []aliasCell // nil: all alike
}

// aliasCell stands for a column of equal width: below cut it is the number's own, above it is other's.
type aliasCell struct{ cut, other uint32 }

func newPopularity(n int, s float64) *popularity {
	p := &popularity{n: uint64(n), s: s}
	if s == 0 || n == 1 {
		return p
	}
	share := make([]float64, n) // of a column, on average 1
	sum := 0.0
	for i := range share {
		share[i] = math.Pow(float64(i+1), -s)
		sum += share[i]
	}
	var small, large []uint32
	for i := range share {
		share[i] *= float64(n) / sum
		if share[i] < 1 {
			small = append(small, uint32(i))
		} else {
			large = append(large, uint32(i))
		}
	}
	p.cells = make([]aliasCell, n)
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		p.cells[s] = aliasCell{cut: uint32(share[s] * math.MaxUint32), other: l}
		if share[l] -= 1 - share[s]; share[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) { // 1, but for rounding
		p.cells[i] = aliasCell{cut: math.MaxUint32, other: i}
	}
	return p
}

// draw turns a random word into a number: its high part chooses the column, what is left the height.
func (p *popularity) draw(random uint64) uint32 {
	column, rest := bits.Mul64(random, p.n)
	if p.cells == nil {
		return uint32(column)
	}
	c := p.cells[column]
	if uint32(rest>>32) < c.cut {
		return uint32(column)
	}
	return c.other
}
