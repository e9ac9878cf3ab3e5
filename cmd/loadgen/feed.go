package main

import (
	"iter"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	feedPeriod = int64(time.Second)
	feedSpares = 4
)

// feed hands what happened, a second at a time, from a thread's loop to the goroutine that shows it. Intervals go
// round: when none is free the loop goes on filling the one it has, and so is never held up.
type feed struct {
	current *interval
	next    int64          // when current is due
	free    chan *interval // both have room for all there are, so that sending never blocks
	full    chan *interval
}

// interval is a second of a trial, or what is left of a phase: no interval is of two. Times are ns since the trial began.
type interval struct {
	from, to             int64
	due                  int64 // when it was to end; the same for all threads
	phase                phase
	ends                 int64   // when the trial's queries end
	closed               bool    // as many are asked for as there are answers
	offered              float64 // queries a second that are asked for, unless closed
	sent, answered, lost uint64  // within from and to
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

// publish hands over the current interval if its second has passed, and returns when to be called again. The last one of a
// phase is left to cut.
func (f *feed) publish(t *trial, now int64) (next int64) {
	if t.phase < phaseGrace && f.next+feedPeriod/4 > t.edge {
		return math.MaxInt64
	}
	if now < f.next {
		return f.next
	}
	due := f.next
	for f.next <= now {
		due = f.next
		f.next += feedPeriod
	}
	f.handOver(t, now, due)
	return f.next
}

// cut hands over the current interval because the phase ends, whose end was due at edge.
func (f *feed) cut(t *trial, now, edge int64) {
	if edge-t.begin > f.current.from { // or there was no such phase, as without a warm-up
		f.handOver(t, now, edge)
	}
	f.next = edge + feedPeriod
}

func (f *feed) handOver(t *trial, now, due int64) {
	select {
	case spare := <-f.free:
		spare.from = now - t.begin
		spare.sentBefore, spare.answeredBefore, spare.lostBefore = t.totalSent, t.totalAnswered, t.totalLost
		f.full <- f.current.close(t, now, due)
		f.current = spare
	default:
	}
}

// finish hands over the last interval, and no more after it.
func (f *feed) finish(t *trial, now int64) {
	f.full <- f.current.close(t, now, now)
	close(f.full)
}

// recycle takes back an interval that has been shown.
func (f *feed) recycle(i *interval) {
	i.latency.Reset()
	f.free <- i
}

// close fills in what happened up to now.
func (i *interval) close(t *trial, now, due int64) *interval {
	i.to, i.due, i.phase, i.closed, i.offered = now-t.begin, due-t.begin, t.phase, !t.open(), 0
	if t.open() && t.phase < phaseGrace {
		i.offered = t.pace.offered(t.begin+i.from, now)
	}
	i.ends = int64(t.warmup + t.duration)
	i.sent = t.totalSent - i.sentBefore
	i.answered = t.totalAnswered - i.answeredBefore
	i.lost = t.totalLost - i.lostBefore
	return i
}

// intervals are what is handed over, until the end.
func (f *feed) intervals() iter.Seq[*interval] {
	return func(yield func(*interval) bool) {
		for i := range f.full {
			if !yield(i) {
				return
			}
			f.recycle(i)
		}
	}
}

// together joins the feeds of several threads: an interval is over when all of them have told of it. A thread whose
// intervals were not taken in time tells of several at once, in the first of them.
func together(feeds []*feed) iter.Seq[*interval] {
	if len(feeds) == 1 {
		return feeds[0].intervals()
	}
	return func(yield func(*interval) bool) {
		sum, parts := &interval{latency: newHistogram()}, 0
		told := make([]int64, len(feeds)) // what each has told of ends
		for {
			last := 0 // the thread that is the furthest behind
			for i, due := range told {
				if due < told[last] {
					last = i
				}
			}
			ended := told[last] == math.MaxInt64
			if parts > 0 && (ended || told[last] > sum.from) {
				if sum.to = told[last]; ended {
					sum.to = sum.due
				}
				if !yield(sum) {
					return
				}
				*sum, parts = interval{from: sum.to, latency: sum.latency}, 0
				sum.latency.Reset()
			}
			if ended { // so have all others
				return
			}
			i, more := <-feeds[last].full
			if !more {
				told[last] = math.MaxInt64
				continue
			}
			told[last] = i.due
			sum.add(i)
			parts++
			feeds[last].recycle(i)
		}
	}
}

// add adds an interval of another thread.
func (i *interval) add(o *interval) {
	i.due, i.phase, i.ends = max(i.due, o.due), o.phase, o.ends
	i.closed = i.closed || o.closed
	i.offered += o.offered
	i.sent += o.sent
	i.answered += o.answered
	i.lost += o.lost
	i.latency.Merge(o.latency)
}
