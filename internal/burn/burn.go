// Package burn wastes processor time on purpose: it is the known slow-down by which a measurement shows that it finds
// one. Nothing that is measured in earnest calls it.
package burn

import (
	"sync/atomic"
	"time"
)

// Burner wastes a given time at each call. It counts turns of a loop and reads no clock, so that a thread that is
// taken off its processor meanwhile wastes no less for it. The zero value wastes nothing.
type Burner struct{ turns uint64 }

const (
	calibrationTurns = 1 << 20
	calibrations     = 9
)

// New makes a Burner of so much processor time a call, on the machine it is called on. It takes some milliseconds.
func New(each time.Duration) Burner {
	if each <= 0 {
		return Burner{}
	}
	fastest := time.Duration(1<<63 - 1) // whatever disturbs a calibration makes it longer
	for range calibrations {
		start := time.Now()
		spin(calibrationTurns)
		fastest = min(fastest, time.Since(start))
	}
	return Burner{turns: uint64(float64(each) / float64(max(fastest, 1)) * calibrationTurns)}
}

// Burn wastes the time of n calls.
func (b Burner) Burn(n int) { spin(b.turns * uint64(n)) }

var sink atomic.Uint64

// spin goes round a loop whose turns wait for each other (xorshift: G. Marsaglia, Xorshift RNGs, 2003).
//
//go:noinline
func spin(turns uint64) {
	x := sink.Load() | 1
	for range turns {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	sink.Store(x)
}
