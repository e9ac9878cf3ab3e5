package main

import (
	"math"
	"time"
)

// curve says how many queries are due by a time, and the other way round, for rates that change. Times are seconds since
// it began; before and after its legs the rate is that of the first and the last.
type curve struct{ pieces []piece }

// piece is a leg of a curve: from time start on, when so many queries have been due.
type piece struct {
	start, count float64
	rate, slope  float64 // at start, and by how much it grows a second
}

// newCurve joins a time at the first rate of p, for the warm-up, and p.
func newCurve(warmup time.Duration, p profile) *curve {
	c := &curve{}
	at, count := 0.0, 0.0
	add := func(l leg) {
		d := l.duration.Seconds()
		if d == 0 {
			return
		}
		c.pieces = append(c.pieces, piece{start: at, count: count, rate: l.from, slope: (l.to - l.from) / d})
		at, count = at+d, count+l.queries()
	}
	add(leg{from: p[0].from, to: p[0].from, duration: warmup})
	for _, l := range p {
		add(l)
	}
	c.pieces = append(c.pieces, piece{start: at, count: count, rate: p[len(p)-1].to})
	return c
}

// pieceAt is the last piece that has begun by time t, or the first.
func (c *curve) pieceAt(t float64) *piece {
	p := &c.pieces[0]
	for i := range c.pieces {
		if c.pieces[i].start > t {
			break
		}
		p = &c.pieces[i]
	}
	return p
}

// by is how many queries are due by time t, a count with a fraction.
func (c *curve) by(t float64) float64 {
	p := c.pieceAt(t)
	t = max(t-p.start, 0)
	return p.count + t*(p.rate+p.slope*t/2)
}

// rate is the rate at time t.
func (c *curve) rate(t float64) float64 {
	p := c.pieceAt(t)
	return max(0, p.rate+p.slope*(t-p.start))
}

// at is when count number n is reached; infinite if never. Pieces of rate 0 are passed over. It is by's inverse: the
// solution of n = rate*t + slope*t²/2 that does not cancel out when the slope is small.
func (c *curve) at(n float64) float64 {
	p := &c.pieces[0]
	for i := range c.pieces {
		if c.pieces[i].count > n {
			break
		}
		p = &c.pieces[i]
	}
	n -= p.count
	root := math.Sqrt(max(0, p.rate*p.rate+2*p.slope*n))
	if p.rate+root == 0 {
		if n > 0 || p.slope <= 0 {
			return math.Inf(1)
		}
		return p.start // a ramp from 0: its first query is due at once
	}
	return p.start + 2*n/(p.rate+root)
}
