package main

// part is what one of several threads does of a whole: number index, from 0, of so many. Everything that can be counted is
// shared out, so that the parts together are the whole. The zero part is the whole.
type part struct{ index, of int }

// threads is how many parts there are.
func (p part) threads() int { return max(1, p.of) }

// share is the part of n things; the first parts have one more where n does not divide.
func (p part) share(n int) int {
	return n/p.threads() + b2i(p.index < n%p.threads())
}

// before is how many of n things belong to the parts before this one.
func (p part) before(n int) int {
	return p.index*(n/p.threads()) + min(p.index, n%p.threads())
}
