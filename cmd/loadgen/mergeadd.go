package main

import "slices"

// add adds what another generator measured at the same time. What follows from the sums is left to conclude.
func (r *result) add(o *result) {
	if !r.sameProfile(o) {
		r.Profile, r.Segments = "", nil
	}
	for i := range r.Segments {
		r.Segments[i].add(&o.Segments[i])
	}
	if r.Arrivals != o.Arrivals {
		r.Arrivals = ""
	}
	if o.MeasuredFrom.Before(r.MeasuredFrom) {
		r.MeasuredFrom = o.MeasuredFrom
	}
	r.DurationS, r.WarmupS = max(r.DurationS, o.DurationS), max(r.WarmupS, o.WarmupS)
	r.IntervalNS = max(r.IntervalNS, o.IntervalNS)
	r.Interrupted = r.Interrupted || o.Interrupted
	r.Flows += o.Flows
	r.Window += o.Window
	r.Threads += o.Threads
	r.OfferedQPS += o.OfferedQPS
	r.SendQPS += o.SendQPS
	r.AnswerQPS += o.AnswerQPS
	r.Scheduled += o.Scheduled
	r.latency.Merge(o.latency)
	r.slip.Merge(o.slip)
	r.Generators = append(r.Generators, o.Generators...)
	r.addCounts(o)
	r.addOwn(o)
}

// addCounts adds what became of the queries.
func (r *result) addCounts(o *result) {
	r.Sent += o.Sent
	r.Answered += o.Answered
	r.AnswersInInterval += o.AnswersInInterval
	r.Late += o.Late
	r.Duplicate += o.Duplicate
	r.Served += o.Served
	r.Malformed += o.Malformed
	r.MalformedBy.Unparseable += o.MalformedBy.Unparseable
	r.MalformedBy.Unmatched += o.MalformedBy.Unmatched
	r.MalformedBy.WrongFlow += o.MalformedBy.WrongFlow
	r.MalformedBy.Stray += o.MalformedBy.Stray
	r.MalformedBy.TooLong += o.MalformedBy.TooLong
	for code, n := range o.Errors {
		r.Errors[code] += n
	}
	for method, n := range o.Mix {
		sum := r.Mix[method]
		r.Mix[method] = methodCount{sum.Sent + n.Sent, sum.Answered + n.Answered}
	}
	for method, n := range o.Replies {
		if sum, ok := r.Replies[method]; ok {
			n = sum.merge(n)
		}
		r.Replies[method] = n
	}
	switch {
	case r.Walked == nil || o.Walked == nil:
		r.Walked = nil
	default:
		r.Walked.Flows += o.Walked.Flows
		r.Walked.Infohashes += o.Walked.Infohashes
	}
}

// addOwn adds what the generators' own sides did.
func (r *result) addOwn(o *result) {
	r.SendErrors.Permission += o.SendErrors.Permission
	r.SendErrors.NoBuffer += o.SendErrors.NoBuffer
	r.SendErrors.Unreachable += o.SendErrors.Unreachable
	r.SendErrors.Other += o.SendErrors.Other
	r.ReceiveDrops += o.ReceiveDrops
	r.GeneratorCPUNS += o.GeneratorCPUNS
	if o.GeneratorBusy != nil && (r.GeneratorBusy == nil || *o.GeneratorBusy > *r.GeneratorBusy) {
		r.GeneratorBusy = o.GeneratorBusy
	}
	for _, by := range o.LimitedBy {
		if !slices.Contains(r.LimitedBy, by) {
			r.LimitedBy = append(r.LimitedBy, by)
		}
	}
}

// merge sums two counts. Percentiles on which they do not agree are not known of both together, and 0.
func (c replyCount) merge(o replyCount) replyCount {
	same := func(a, b int) int {
		if a != b {
			return 0
		}
		return a
	}
	return replyCount{
		BytesP50: same(c.BytesP50, o.BytesP50), BytesP99: same(c.BytesP99, o.BytesP99),
		NodesP50: same(c.NodesP50, o.NodesP50), PeersP50: same(c.PeersP50, o.PeersP50), Wrong: c.Wrong + o.Wrong,
	}
}

// add adds what another generator measured in the same leg.
func (s *segmentResult) add(o *segmentResult) {
	limits := append(s.LimitedBy, o.LimitedBy...)
	s.OfferedQPS += o.OfferedQPS
	s.DurationS = max(s.DurationS, o.DurationS)
	s.Scheduled += o.Scheduled
	s.Sent += o.Sent
	s.Answered += o.Answered
	s.latency.Merge(o.latency)
	s.slip.Merge(o.slip)
	s.finish()
	for _, by := range limits {
		if !slices.Contains(s.LimitedBy, by) {
			s.Limited, s.LimitedBy = true, append(s.LimitedBy, by)
		}
	}
}
