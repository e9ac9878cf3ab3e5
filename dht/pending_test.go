package dht

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPendingAgainstModel(t *testing.T) {
	type waiting struct {
		addr compactAddr
		f    family
		at   Instant
	}
	rapid.Check(t, func(t *rapid.T) {
		var p pending
		p.init(1)
		rng := rand.NewChaCha8([32]byte{1})
		now := rapid.SampledFrom(starts).Draw(t, "start")
		model := map[uint32]waiting{}
		var order []Instant // when each query was sent, answered or not
		drop := func() {
			for len(order) > 0 && order[0].Add(queryTimeout) <= now {
				order = order[1:]
			}
		}
		pick := func(t *rapid.T) uint32 {
			least := rapid.Uint32().Draw(t, "tid")
			best, found := uint32(0), false
			for tid := range model {
				if tid >= least && (!found || tid < best) {
					best, found = tid, true
				}
			}
			if !found {
				return least
			}
			return best
		}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				for range rapid.SampledFrom([]int{1, 10, 100}).Draw(t, "count") {
					if !p.room() {
						break
					}
					q := query{family: family(rapid.IntRange(0, 1).Draw(t, "family"))}
					q.addr[0], q.addr[17] = rapid.Byte().Draw(t, "addr"), 9
					tid := p.add(rng, now, q)
					if _, taken := model[tid]; taken {
						t.Fatalf("transaction %d is given twice", tid)
					}
					model[tid] = waiting{q.addr, q.family, now}
					order = append(order, now)
				}
			},
			"answer": func(t *rapid.T) {
				tid := pick(t)
				w, ok := model[tid]
				q, taken := p.take(tid, w.addr[:addrSize[w.f]])
				if taken != ok || ok && (q.addr != w.addr || q.family != w.f) {
					t.Fatalf("take %d: %v %v, want %v %v", tid, taken, q, ok, w)
				}
				delete(model, tid)
				if _, again := p.take(tid, w.addr[:addrSize[w.f]]); again {
					t.Fatalf("transaction %d is answered twice", tid)
				}
			},
			"answer from elsewhere": func(t *rapid.T) {
				tid := pick(t)
				w := model[tid]
				w.addr[1] ^= 1
				if _, taken := p.take(tid, w.addr[:addrSize[w.f]]); taken {
					t.Fatalf("an answer from another address is taken")
				}
				if _, taken := p.take(tid, w.addr[:addrSize[1-w.f]]); taken {
					t.Fatalf("an answer from the other family is taken")
				}
			},
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*queryTimeout/2)).Draw(t, "elapsed")))
				for q, ok := p.expire(now); ok; q, ok = p.expire(now) {
					w, ok := model[q.tid]
					if !ok || w.at.Add(queryTimeout) > now || w.addr != q.addr {
						t.Fatalf("query %d gives up at %d: %v", q.tid, now, w)
					}
					delete(model, q.tid)
				}
				drop()
				for tid, w := range model {
					if w.at.Add(queryTimeout) <= now {
						t.Fatalf("query %d waits for ever", tid)
					}
				}
			},
			"": func(t *rapid.T) {
				if p.count != len(model) || p.used != len(order) || p.room() != (len(order) < minPending) {
					t.Fatalf("count %d of %d, used %d of %d", p.count, len(model), p.used, len(order))
				}
				if at, ok := p.until(); ok != (len(order) > 0) || ok && at != order[0].Add(queryTimeout) {
					t.Fatalf("until %d, %v", at, ok)
				}
			},
		})
	})
}

func TestPendingSize(t *testing.T) {
	for maxNodes, want := range map[int]int{1: 256, 1000: 256, 100_000: 2048, DefaultMaxNodes: 16384, MaxMaxNodes: 1 << 21} {
		if testing.Short() && maxNodes == MaxMaxNodes {
			continue
		}
		var p pending
		p.init(maxNodes)
		require.Len(t, p.order, want, "for %d nodes", maxNodes)
		perPeriod := float64(want) / queryTimeout.Seconds() * time.Duration(checkPeriod).Seconds()
		require.Greater(t, perPeriod, 2*float64(min(maxNodes, 20_000)), "queries a period for %d nodes", maxNodes)
		require.Greater(t, perPeriod, 2*float64(maxNodes))
	}
}
