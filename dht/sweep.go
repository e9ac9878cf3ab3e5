package dht

import "time"

// sweepPeriod is how long one pass over all swarms takes that drops the expired: expired peers are never handed
// out, but for so long their memory may wait. One call looks at sweepSteps swarms, or as many as have
// sweepRecords peers, at most: some tens of microseconds.
const (
	sweepPeriod  = Instant(5 * time.Minute)
	sweepSteps   = 512
	sweepRecords = 16 << 10

	// sweepRest is the time from one sweep of a part of a shared store to the next, at least: other workers wait meanwhile.
	sweepRest = 10 * tick
)

// sweep drops expired peers from the swarms whose turn it is, and swarms without peers. The last swarm takes the
// place of one that goes, and is looked at there: that step is not owed, so that a pass ends in time also if
// little is left of what it began with.
func (p *peerStore) sweep(now Instant) {
	if p.swarmCount == 0 {
		p.hand.last = now
		return
	}
	clock := newStamp(now, false)
	p.hand.turn(now, p.swarmCount, sweepPeriod)
	for steps, records := 0, 0; p.hand.owed >= 1 && steps < sweepSteps && records < sweepRecords && p.swarmCount > 0; steps++ {
		p.hand.position %= p.swarmCount
		i := uint32(p.hand.position)
		empty := true
		for f := range family(families) {
			l := p.list(i, f)
			records += int(l.n)
			p.dropExpired(i, f, clock)
			empty = empty && l.n == 0
		}
		if empty {
			p.removeSwarm(i)
		} else {
			p.hand.move(1, p.swarmCount)
		}
	}
}

// sweepAt is when sweep has work to do next; ok is false if there is none.
func (p *peerStore) sweepAt() (t Instant, ok bool) {
	if p.swarmCount == 0 {
		return 0, false
	}
	return p.hand.when(1, p.swarmCount, sweepPeriod), true
}
