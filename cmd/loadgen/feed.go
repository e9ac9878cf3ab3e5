package main

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	feedPeriod = int64(time.Second)
	feedSpares = 4
)

// feed hands what happened, a second at a time, from the loop to the goroutine that shows it. Intervals go
// round: when none is free the loop goes on filling the one it has, and so is never held up.
type feed struct {
	current *interval
	next    int64          // when current is due
	free    chan *interval // both have room for all there are, so that sending never blocks
	full    chan *interval
}

// interval is about a second of a trial. Times are ns since the trial began.
type interval struct {
	from, to             int64
	phase                phase
	ends                 int64 // when the trial's queries end
	rate                 rate
	sent, answered, lost uint64 // within from and to
	latency              *hdrhistogram.Histogram

	sentBefore, answeredBefore, lostBefore uint64 // totals at from
}

func newFeed() *feed {
	f := &feed{
		current: &interval{latency: newHistogram()},
		free:    make(chan *interval, feedSpares+1),
		full:    make(chan *interval, feedSpares+1),
	}
	for range feedSpares {
		f.free <- &interval{latency: newHistogram()}
	}
	return f
}

// publish hands over the current interval if it is due, and returns when to be called again.
func (f *feed) publish(t *trial, now int64) (next int64) {
	if now < f.next {
		return f.next
	}
	for f.next <= now {
		f.next += feedPeriod
	}
	select {
	case spare := <-f.free:
		spare.from = now - t.begin
		spare.sentBefore, spare.answeredBefore, spare.lostBefore = t.totalSent, t.totalAnswered, t.totalLost
		f.full <- f.current.close(t, now)
		f.current = spare
	default:
	}
	return f.next
}

// finish hands over the last interval, and no more after it.
func (f *feed) finish(t *trial, now int64) {
	f.full <- f.current.close(t, now)
	close(f.full)
}

// recycle takes back an interval that has been shown.
func (f *feed) recycle(i *interval) {
	i.latency.Reset()
	f.free <- i
}

// close fills in what happened up to now.
func (i *interval) close(t *trial, now int64) *interval {
	i.to, i.phase, i.rate = now-t.begin, t.phase, t.rate
	i.ends = int64(t.warmup + t.duration)
	i.sent = t.totalSent - i.sentBefore
	i.answered = t.totalAnswered - i.answeredBefore
	i.lost = t.totalLost - i.lostBefore
	return i
}
