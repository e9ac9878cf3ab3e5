package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"runtime"
	"time"

	"supernode/internal/pin"
)

// crew is the engines of a run, one a thread (--threads). Each has its own sockets, flows, table of queries and random
// numbers, and its own part of the schedule; nothing is shared while a trial runs. The first is the lead: it belongs to the
// goroutine that calls run and idle, and with one thread it is all there is.
type crew struct {
	engines []*engine
	lead    *engine
	others  []*follower
	unequal *popularity // the last that took a table to make
	watch   watch       // runs beside each trial; may be nil
}

// watch sees the intervals of a trial, one after the other, until there are no more. It keeps none of them.
type watch func(intervals iter.Seq[*interval])

// follower is a thread beside the lead's.
type follower struct {
	engine *engine
	jobs   chan *job
	ended  chan error // how it ended, once
}

// job is one trial for a follower.
type job struct {
	params   params
	items    *popularity
	feed     *feed
	prepared chan struct{}
	begin    chan int64
	halt     func() // ends the trial of all
	trial    *trial
	done     chan error
}

// openCrew opens the sockets of all threads. The calling goroutine must be locked to its thread, the lead's.
func openCrew(ctx context.Context, c *config, target netip.AddrPort) (_ *crew, err error) {
	epoch := time.Now()
	n := c.part.threads()
	lead, err := openThread(ctx, c, target, part{of: n}, epoch)
	if err != nil {
		return nil, err
	}
	w := &crew{lead: lead, engines: []*engine{lead}}
	for i := 1; i < n; i++ {
		f := &follower{jobs: make(chan *job, 1), ended: make(chan error, 1)}
		opened := make(chan error)
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			var err error
			f.engine, err = openThread(ctx, c, target, part{i, n}, epoch)
			opened <- err
			if err == nil {
				f.ended <- errors.Join(f.work(), f.engine.transport.Close())
			}
		}()
		if err := <-opened; err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.others = append(w.others, f)
		w.engines = append(w.engines, f.engine)
	}
	w.choosePopularity(c.infohashes, c.zipf)
	return w, nil
}

// openThread makes an engine for the calling thread, which it pins: with several, each to the next processor of --cpu.
func openThread(ctx context.Context, c *config, target netip.AddrPort, p part, epoch time.Time) (*engine, error) {
	if err := sharpenTimer(); err != nil {
		return nil, err
	}
	if len(c.cpus) > 0 && p.threads() > 1 {
		if err := pin.Thread(c.cpus[p.index%len(c.cpus)]); err != nil {
			return nil, fmt.Errorf("--cpu: %w", err)
		}
	}
	return newEngine(ctx, c, target, p, epoch)
}

// close ends the followers and closes all sockets. Only the lead's goroutine may call it.
func (c *crew) close() error {
	var errs []error
	for _, f := range c.others {
		close(f.jobs)
		f.engine.transport.Wake()
		errs = append(errs, <-f.ended)
	}
	return errors.Join(append(errs, c.lead.transport.Close())...)
}

// halt ends the trial early, and makes the lead's idle return.
func (c *crew) halt() {
	for _, e := range c.engines {
		e.halt()
	}
}

// run runs one trial. The result is that of the trial, or of the part before halt.
func (c *crew) run(p params) (*result, error) {
	items := c.choosePopularity(p.infohashes, p.zipf)
	feeds, seen := c.beginFeeds()
	jobs := make([]*job, len(c.others))
	for i, f := range c.others {
		p.part = part{i + 1, len(c.engines)}
		jobs[i] = &job{params: p, items: items, feed: feeds[i+1], halt: c.halt,
			prepared: make(chan struct{}), begin: make(chan int64, 1), done: make(chan error, 1)}
		f.jobs <- jobs[i]
		f.engine.transport.Wake()
	}
	p.part = part{0, len(c.engines)}
	c.lead.prepare(p, items, feeds[0])
	for _, j := range jobs {
		<-j.prepared
	}
	begin := c.lead.now() // not before all memory is there
	for _, j := range jobs {
		j.begin <- begin
	}
	whole, err := c.lead.run(begin)
	if err != nil {
		c.halt()
	}
	for _, j := range jobs {
		if e := <-j.done; err == nil && e == nil {
			whole.absorb(j.trial)
		} else if err == nil {
			err = e // the first; what else there is follows from it
		}
	}
	<-seen
	if err != nil {
		return nil, err
	}
	return newResult(c.lead, whole)
}

// beginFeeds begins a feed for each engine, if they are watched. seen is closed when all of them has been seen.
func (c *crew) beginFeeds() (feeds []*feed, seen chan struct{}) {
	feeds, seen = make([]*feed, len(c.engines)), make(chan struct{})
	if c.watch == nil {
		close(seen)
		return feeds, seen
	}
	for i := range feeds {
		feeds[i] = newFeed()
	}
	go func() {
		defer close(seen)
		c.watch(together(feeds))
	}()
	return feeds, seen
}

// work does one job after the other, and in between answers the target, until there are no more. After an error there is
// nothing left to do but to refuse jobs; the error is returned if there was none to tell it to.
func (f *follower) work() error {
	for {
		select {
		case j, more := <-f.jobs:
			if !more {
				return nil
			}
			if err := f.do(j); err != nil {
				return f.refuse(err, true)
			}
		default:
			if err := f.engine.idle(); err != nil { // which a new job ends
				return f.refuse(err, false)
			}
		}
	}
}

// refuse ends all further trials.
func (f *follower) refuse(err error, told bool) error {
	for j := range f.jobs {
		j.refuse(err)
		told = true
	}
	if told {
		return nil
	}
	return err
}

// do runs one trial.
func (f *follower) do(j *job) (err error) {
	f.engine.prepare(j.params, j.items, j.feed)
	close(j.prepared)
	if j.trial, err = f.engine.run(<-j.begin); err != nil {
		j.halt()
	}
	j.done <- err
	return err
}

// refuse ends a trial that cannot be run.
func (j *job) refuse(err error) {
	if j.feed != nil {
		close(j.feed.full)
	}
	close(j.prepared)
	<-j.begin
	j.halt()
	j.done <- err
}

// choosePopularity says how often each of n info_hashes is drawn. The last table is kept, as that of a million takes a tenth
// of a second to make, in which the target's queries would wait.
func (c *crew) choosePopularity(n int, s float64) *popularity {
	if c.unequal != nil && c.unequal.n == uint64(n) && c.unequal.s == s {
		return c.unequal
	}
	items := newPopularity(n, s)
	if items.cells != nil {
		c.unequal = items
	}
	return items
}
