package main

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"
)

// arrivals says how queries follow one another (--arrivals): evenly, or as those of many independent askers do. It is a
// pflag.Value.
type arrivals string

const (
	arriveConstant arrivals = "constant"
	arrivePoisson  arrivals = "poisson" // gaps are exponential: the next query knows nothing of the one before
)

func (a *arrivals) Set(text string) error {
	switch v := arrivals(text); v {
	case arriveConstant, arrivePoisson:
		*a = v
		return nil
	}
	return errors.New("must be constant or poisson")
}

func (a *arrivals) String() string { return string(*a) }

// Type is what the help calls the flag's value.
func (a *arrivals) Type() string { return "constant|poisson" }

// drawnRoom is how many queries a drawn schedule knows: those of a burst, after it has been sent too, and the next ones.
const drawnRoom = 4 * batch

// drawn is a schedule for which there is no formula, of changing rates or random gaps. Due times are made in order, each
// once; they depend on nothing but the seed.
//
// A Poisson process of any rate is one of rate 1 whose time is stretched: query k is due when the curve reaches the sum of
// k exponential numbers of mean 1. Several threads have each a process of their own, of an even share of the rate: together
// they are one of the whole (superposition). Without randomness a thread's queries are every so many of the whole.
type drawn struct {
	curve    *curve
	step     float64    // the mean distance of two queries of ours in the count of all
	first    float64    // of ours in the count of all, if they are even
	gaps     *rand.Rand // nil: they are even
	position float64    // of the next to be made, in the count of all
	made     int64
	due      [drawnRoom]int64 // ns since the schedule began
}

// newDrawn returns the schedule of p.
func newDrawn(p *params) *drawn {
	legs := p.profile
	if legs == nil {
		legs = profile{{from: float64(p.rate), to: float64(p.rate), duration: p.duration}}
	}
	d := &drawn{curve: newCurve(p.warmup, legs), step: float64(p.part.threads()), first: float64(p.part.index)}
	d.position = d.first
	if p.arrivals == arrivePoisson {
		const ownKind = 0x706f6973736f6e // apart from the stream that decides what is asked
		d.gaps = rand.New(rand.NewPCG(p.seed^ownKind, mixBits(p.streamSeed()^ownKind)))
		d.position = d.gap()
	}
	return d
}

// gap is how far the next query is from the one before.
func (d *drawn) gap() float64 {
	if d.gaps == nil {
		return d.step
	}
	return d.step * d.gaps.ExpFloat64()
}

// at is when query k is due. No k may be asked for that is drawnRoom or more before the furthest that ever was.
func (d *drawn) at(k int64) int64 {
	for d.made <= k {
		at := math.Round(d.curve.at(d.position) * 1e9)
		d.due[d.made%drawnRoom] = int64(min(at, math.MaxInt64/4)) // far, and nothing that is added to it overflows
		d.position += d.gap()
		d.made++
	}
	return d.due[k%drawnRoom]
}

// rate is our share of the rate at a time in ns since the schedule began.
func (d *drawn) rate(at int64) float64 {
	return d.curve.rate(time.Duration(at).Seconds()) / d.step
}

// between is how many queries of ours are due from one time to before another, in ns since the schedule began: a number with
// a fraction, of the mean rate.
func (d *drawn) between(from, to int64) float64 {
	return (d.curve.by(time.Duration(to).Seconds()) - d.curve.by(time.Duration(from).Seconds())) / d.step
}

// number is how many they are; at random, how many are to be expected.
func (d *drawn) number(from, to int64) int64 {
	if d.gaps != nil {
		return int64(math.Round(d.between(from, to)))
	}
	return d.before(to) - d.before(from)
}

// before is how many of our queries, if they are even, are due before a time.
func (d *drawn) before(at int64) int64 {
	const rounding = 1e-6
	return int64(math.Ceil((d.curve.by(time.Duration(at).Seconds())-d.first)/d.step - rounding))
}
