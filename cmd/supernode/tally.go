package main

import (
	"math/bits"
	"sync"

	"supernode/dht"
	"supernode/dht/wire"
)

// tally is what a worker counts. It is plain memory of the worker's own: a copy is published after each batch.
type tally struct {
	queries  [wire.Methods]uint64 // queries that got a reply or an error, by method
	replies  uint64
	errors   [errorCodes]uint64 // by code, from firstError on
	verdicts [dht.Verdicts]uint64
	asked    uint64 // queries of our own

	queryBytes, replyBytes uint64 // payload of what was answered, and of the answers

	batches   [batchBuckets]uint64 // by the size's number of bits: 1, 2-3, 4-7, ...
	datagrams uint64

	selves []self // by socket; replaced when one changes, never written to
	counts dht.Counts
	at     dht.Instant // when this was so, of the whole crew at least
}

const (
	firstError   = wire.CodeGeneric
	errorCodes   = wire.CodeSeqTooLow - firstError + 1
	batchBuckets = 12 // sizes up to 1024 have 11 bits
)

func (t *tally) batch(n int) {
	t.batches[bits.Len(uint(n))]++
	t.datagrams += uint64(n)
}

func (t *tally) datagram(o dht.Outcome, in, out int) {
	t.verdicts[o.Verdict]++
	switch o.Verdict {
	case dht.Answered:
		t.replies++
	case dht.Refused:
		t.errors[(o.Code-firstError)%errorCodes]++
	default:
		return
	}
	t.queries[o.Method]++
	t.queryBytes += uint64(in)
	t.replyBytes += uint64(out)
}

// add adds what a mate has counted, who knows nothing of the rest.
func (t *tally) add(o *tally) {
	sum := func(a, b []uint64) {
		for i := range a {
			a[i] += b[i]
		}
	}
	sum(t.queries[:], o.queries[:])
	sum(t.errors[:], o.errors[:])
	sum(t.verdicts[:], o.verdicts[:])
	sum(t.batches[:], o.batches[:])
	t.replies += o.replies
	t.asked += o.asked
	t.queryBytes += o.queryBytes
	t.replyBytes += o.replyBytes
	t.datagrams += o.datagrams
	t.at = min(t.at, o.at)
}

// amplification is how many bytes a byte of query has been answered with, on average; zero before the first.
func (t *tally) amplification() float64 {
	return float64(t.replyBytes) / float64(max(t.queryBytes, 1))
}

// published is the last tally that others may see.
type published struct {
	mu    sync.Mutex
	tally tally
}

// offer copies t for readers. The worker never waits for one: while somebody reads, the copy is left out, and
// the next batch makes up for it.
func (p *published) offer(t *tally) {
	if p.mu.TryLock() {
		p.tally = *t
		p.mu.Unlock()
	}
}

func (p *published) read() tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tally
}
