package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// profile is a schedule of rates (--profile): leg after leg, each a step at one rate or a ramp between two. It is a
// pflag.Value; the zero profile is none, and --rate holds.
type profile []leg

// leg is one part of a profile, with a result of its own. Rates are queries a second, and change evenly between the two.
type leg struct {
	from, to float64
	duration time.Duration
}

const (
	maxLegs      = 64 // each has histograms of its own, 0.4 MB a thread
	profileForms = "RATE@DURATION or RATE..RATE@DURATION, with commas between them, as in 1000@10s,1000..20000@30s"
)

// Set reads legs as profileForms has them.
func (p *profile) Set(text string) error {
	var legs profile
	for part := range strings.SplitSeq(text, ",") {
		l, err := parseLeg(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		legs = append(legs, l)
	}
	if len(legs) > maxLegs {
		return fmt.Errorf("has %d parts: must have at most %d", len(legs), maxLegs)
	}
	if legs.duration() <= 0 { // overflown
		return errors.New("is longer than 292 years")
	}
	if legs.queries() < 1 {
		return errors.New("has not a single query: give it a higher rate or more time")
	}
	*p = legs
	return nil
}

func parseLeg(text string) (leg, error) {
	rates, length, timed := strings.Cut(text, "@")
	first, last, ramp := strings.Cut(rates, "..")
	if !ramp {
		last = first
	}
	var l leg
	var err error
	if l.duration, err = time.ParseDuration(length); !timed || err != nil {
		return l, fmt.Errorf("%q: must be %s", text, profileForms)
	}
	if l.duration <= 0 {
		return l, fmt.Errorf("%q: must take longer than 0", text)
	}
	for _, r := range []struct {
		text string
		rate *float64
	}{{first, &l.from}, {last, &l.to}} {
		if *r.rate, err = strconv.ParseFloat(r.text, 64); err != nil || !(*r.rate >= 0) || *r.rate > maxRate {
			return l, fmt.Errorf("%q: rate %q must be queries a second, 0 to %d", text, r.text, maxRate)
		}
	}
	return l, nil
}

// String is the profile in the form that Set reads.
func (p *profile) String() string {
	parts := make([]string, len(*p))
	for i, l := range *p {
		parts[i] = l.String()
	}
	return strings.Join(parts, ",")
}

// Type is what the help calls the flag's value.
func (p *profile) Type() string { return "PROFILE" }

func (l leg) String() string {
	text := strconv.FormatFloat(l.from, 'f', -1, 64)
	if l.to != l.from {
		text += ".." + strconv.FormatFloat(l.to, 'f', -1, 64)
	}
	return text + "@" + l.duration.String()
}

// queries is how many are due in the leg.
func (l leg) queries() float64 { return (l.from + l.to) / 2 * l.duration.Seconds() }

func (p profile) duration() (d time.Duration) {
	for _, l := range p {
		if d += l.duration; d < 0 {
			return -1
		}
	}
	return d
}

func (p profile) queries() (n float64) {
	for _, l := range p {
		n += l.queries()
	}
	return n
}

// peak is the highest rate.
func (p profile) peak() (r float64) {
	for _, l := range p {
		r = max(r, l.from, l.to)
	}
	return r
}

// mean is the rate that has as many queries in the same time.
func (p profile) mean() float64 { return p.queries() / p.duration().Seconds() }

// ends returns when each leg ends, in ns since the profile began.
func (p profile) ends() []int64 {
	ends := make([]int64, len(p))
	at := time.Duration(0)
	for i, l := range p {
		at += l.duration
		ends[i] = int64(at)
	}
	return ends
}
