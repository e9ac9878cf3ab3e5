package main

// absorb adds what another thread did in the same trial. The measured interval is then from the first thread's beginning to
// the last one's end.
func (t *trial) absorb(o *trial) {
	if t.busiest == nil {
		t.busiest = t.busy()
	}
	if busy := o.busy(); busy != nil && (t.busiest == nil || *busy > *t.busiest) {
		t.busiest = busy
	}
	t.tally.add(&o.tally)
	t.measureFrom, t.measureTo = min(t.measureFrom, o.measureFrom), max(t.measureTo, o.measureTo)
	t.scheduled += o.scheduled
	t.halted = t.halted || o.halted
	t.before.add(o.before)
	t.after.add(o.after)
	t.final.Add(o.final)
	for i := range t.segments {
		t.segments[i].add(&o.segments[i])
	}
	t.progress.flows.add(o.progress.flows)
	t.progress.infohashes.add(o.progress.infohashes)
}

func (r *reading) add(o reading) {
	r.stats.Add(o.stats)
	r.ran += o.ran
	r.waited += o.waited
	r.timed = r.timed && o.timed
}

// add adds what another thread has counted.
func (t *tally) add(o *tally) {
	t.totalSent += o.totalSent
	t.totalAnswered += o.totalAnswered
	t.totalLost += o.totalLost
	for m := range t.sent {
		t.sent[m] += o.sent[m]
		t.answered[m] += o.answered[m]
	}
	t.errors.merge(&o.errors)
	t.duplicate += o.duplicate
	t.latency.Merge(o.latency) // they have the same buckets, so that nothing is rounded or dropped
	t.slip.Merge(o.slip)
	for m := range t.replies {
		t.replies[m].merge(&o.replies[m])
	}
	t.late += o.late
	t.unparseable += o.unparseable
	t.unmatched += o.unmatched
	t.wrongFlow += o.wrongFlow
	t.stray += o.stray
	t.served += o.served
	t.answersInInterval += o.answersInInterval
}
