package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"supernode/dht/wire"
)

const (
	maxRate   = 10_000_000
	maxWindow = 1 << 17
	// maxOutstanding bounds rate times time-out, and with it the table: 2 * 2^21 slots of 32 bytes.
	maxOutstanding = 1 << 21
)

// params are what one trial can choose; the command line gives the first, and the default of all others.
type params struct {
	rate     rate
	miss     bool // get_peers asks for info_hashes that nobody announces
	inOrder  bool // flows and info_hashes come one after the other
	window   int  // outstanding queries of a closed loop
	warmup   time.Duration
	duration time.Duration
	flows    int
	mix      mix
	seed     uint64

	timeout time.Duration // a query without an answer for so long is lost
	grace   time.Duration // how long answers are awaited after the interval; negative: for the time-out

	infohashes int     // distinct ones
	zipf       float64 // exponent of their popularity

	arrivals arrivals // empty: constant
	profile  profile  // nil: rate, for duration; else these are its mean and its length
	part     part     // of each number above, which is one thread's
}

// follow makes p a trial of a profile.
func (p *params) follow(f profile) { p.profile, p.rate, p.duration = f, rate(f.mean()), f.duration() }

// peak is the highest rate that there is.
func (p *params) peak() float64 {
	if p.profile != nil {
		return p.profile.peak()
	}
	return float64(p.rate)
}

// rateName is what p's rate is called on the command line, or in a request.
func (p *params) rateName() string {
	if p.profile != nil {
		return "profile: rate"
	}
	return "rate"
}

// streamSeed is what the random numbers of p's part begin with. The first part's are those of a trial that has no parts.
func (p *params) streamSeed() uint64 { return p.seed + uint64(p.part.index)*golden }

// rate is queries a second, or 0 for a closed loop. It is a pflag.Value.
type rate float64

const rateMax = rate(0)

func (r *rate) Set(text string) error {
	if text == "max" {
		*r = rateMax
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0) || n > maxRate {
		return fmt.Errorf("must be queries a second, more than 0 and at most %d, or max", maxRate)
	}
	*r = rate(n)
	return nil
}

func (r *rate) String() string {
	if *r == rateMax {
		return "max"
	}
	return strconv.FormatFloat(float64(*r), 'f', -1, 64)
}

// Type is what the help calls the flag's value.
func (r *rate) Type() string { return "QPS|max" }

// check finds what is wrong with p. Fields are named with prefix before them: "--" on the command line,
// nothing in a request.
func (p *params) check(prefix string, timeout time.Duration) error {
	r, threads := p.peak(), p.part.threads()
	switch {
	case !(r >= 0) || r > maxRate:
		return fmt.Errorf("%srate %v: must be 0 to %d", prefix, r, maxRate)
	case p.rate == rateMax && p.arrivals == arrivePoisson:
		return fmt.Errorf("%sarrivals: in a closed loop the answers decide when queries leave, give a %srate or leave it out", prefix, prefix)
	case p.rate == rateMax && (p.window < 1 || p.window > maxWindow):
		return fmt.Errorf("%swindow %d: must be 1 to %d", prefix, p.window, maxWindow)
	case p.miss && p.mix.weight[wire.AnnouncePeer] > 0:
		return fmt.Errorf("%smiss: with announce_peer in the mix some info_hashes are found, give a %smix without it, as in get_peers=1",
			prefix, prefix)
	case p.duration <= 0:
		return fmt.Errorf("%sduration %v: must be longer than 0", prefix, p.duration)
	case p.warmup < 0:
		return fmt.Errorf("%swarmup %v: must not be negative", prefix, p.warmup)
	case p.flows < 1 || p.flows > 1<<30:
		return fmt.Errorf("%sflows %d: must be 1 to %d", prefix, p.flows, 1<<30)
	case timeout <= 0 || timeout > time.Minute:
		return fmt.Errorf("%stimeout %v: must be more than 0 and at most 1m", prefix, timeout)
	case p.flows < threads:
		return fmt.Errorf("%sflows %d: must be at least one for each of %d threads", prefix, p.flows, threads)
	case p.rate == rateMax && p.window < threads:
		return fmt.Errorf("%swindow %d: must be at least one query for each of %d threads", prefix, p.window, threads)
	case p.inOrder && p.infohashes < threads:
		return fmt.Errorf("%sinfohashes %d: must be at least one for each of %d threads", prefix, p.infohashes, threads)
	case p.infohashes < 1 || p.infohashes > maxInfohashes:
		return fmt.Errorf("%sinfohashes %d: must be 1 to %d", prefix, p.infohashes, maxInfohashes)
	case !(p.zipf >= 0) || p.zipf > maxZipf:
		return fmt.Errorf("%szipf %v: must be 0 to %d", prefix, p.zipf, maxZipf)
	case r*timeout.Seconds() > maxOutstanding:
		return fmt.Errorf("%s%s %v: with --timeout %v more than %d queries could be outstanding, lower one of them",
			prefix, p.rateName(), r, timeout, maxOutstanding)
	}
	return nil
}

// slots is how many queries a thread's table must hold for p: in an open loop twice what is sent within the time-out,
// so that a late answer is still known for about as long again. A closed loop's rate is not known; a
// query that nobody answers may then be given up early, after a quarter of a million others.
func (p *params) slots(timeout time.Duration) int {
	if p.rate == rateMax {
		return max(1<<18, 4*p.window)
	}
	return max(1<<12, 2*int(math.Ceil(p.peak()/float64(p.part.threads())*timeout.Seconds())))
}

// seconds reads a JSON number of seconds.
func seconds(s float64) (time.Duration, error) {
	if !(math.Abs(s) <= 1e9) {
		return 0, errors.New("must be seconds, at most 1e9")
	}
	return time.Duration(math.Round(s * 1e9)), nil
}
