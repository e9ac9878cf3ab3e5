package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestOutstandingVerdicts(t *testing.T) {
	const timeout = 100
	o := newOutstanding(8, timeout, 4_294_967_290) // the numbers wrap on the way
	add := func(now int64, flow uint32) uint32 { return o.add(slot{sent: now, due: now, flow: flow}) }
	expect := func(want verdict, seq, flow uint32) *slot {
		t.Helper()
		s, got := o.answer(seq, flow)
		require.Equal(t, want, got)
		return s
	}

	expect(verdictUnmatched, o.head, 0)
	expect(verdictUnmatched, o.head-1, 0)

	a, b, c := add(10, 1), add(20, 2), add(30, 3)
	require.Equal(t, 3, o.pending)
	expect(verdictUnmatched, o.head, 1)
	expect(verdictWrongFlow, a, 2)
	require.EqualValues(t, 1, expect(verdictAnswer, a, 1).flow)
	expect(verdictDuplicate, a, 1)
	require.Equal(t, 2, o.pending)

	require.EqualValues(t, 120, func() int64 { o.expire(50); return o.deadline() }())
	require.Zero(t, o.expire(119))
	require.Equal(t, 1, o.expire(120))
	require.NotNil(t, expect(verdictLate, b, 2))
	expect(verdictDuplicate, b, 2)
	expect(verdictAnswer, c, 3)
	require.Zero(t, o.pending)
	require.Zero(t, o.expire(1000))

	for range 8 { // push c out of the ring
		add(2000, 9)
	}
	require.Nil(t, expect(verdictLate, c, 3))

	o.abandon()
	require.Zero(t, o.pending)
	require.Nil(t, expect(verdictLate, o.head-1, 9))
	expect(verdictAnswer, add(3000, 5), 5)
}

func TestOutstandingGivesUpTheOldestWhenFull(t *testing.T) {
	o := newOutstanding(4, 100, 0)
	for range 5 {
		o.add(slot{})
	}
	require.Equal(t, 4, o.pending)
	_, v := o.answer(0, 0)
	require.Equal(t, verdictLate, v)
}

// The table against a plain model: a map of all queries ever.
func TestOutstandingAgainstModel(t *testing.T) {
	type query struct {
		flow  uint32
		sent  int64
		state slotState
	}
	rapid.Check(t, func(t *rapid.T) {
		const timeout, size = 50, 64
		first := rapid.Uint32().Draw(t, "first")
		o := newOutstanding(size, timeout, first)
		var model []query
		now := int64(0)
		age := func(i int) int { return len(model) - i }
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				pending := 0
				for i := range model {
					if model[i].state == slotPending {
						pending = max(pending, age(i))
					}
				}
				if pending >= size {
					t.Skip("full")
				}
				flow := rapid.Uint32Range(0, 3).Draw(t, "flow")
				if got := o.add(slot{flow: flow, sent: now, due: now}); got != first+uint32(len(model)) {
					t.Fatalf("number %d", got)
				}
				model = append(model, query{flow, now, slotPending})
			},
			"time": func(t *rapid.T) {
				now += rapid.Int64Range(0, 30).Draw(t, "passed")
				lost := 0
				for i := range model {
					if q := &model[i]; q.state == slotPending && now >= q.sent+timeout {
						q.state = slotLost
						lost++
					}
				}
				if got := o.expire(now); got != lost {
					t.Fatalf("lost %d, want %d", got, lost)
				}
			},
			"answer": func(t *rapid.T) {
				i := rapid.IntRange(0, len(model)+2).Draw(t, "query")
				flow := rapid.Uint32Range(0, 3).Draw(t, "flow")
				_, got := o.answer(first+uint32(i), flow)
				want := verdictUnmatched
				if i < len(model) {
					switch q := &model[i]; {
					case age(i) > size:
						want = verdictLate
					case q.flow != flow:
						want = verdictWrongFlow
					case q.state == slotPending:
						want, q.state = verdictAnswer, slotAnswered
					case q.state == slotLost:
						want, q.state = verdictLate, slotAnswered
					default:
						want = verdictDuplicate
					}
				}
				if got != want {
					t.Fatalf("verdict %d, want %d", got, want)
				}
			},
			"": func(t *rapid.T) {
				pending := 0
				for _, q := range model {
					if q.state == slotPending {
						pending++
					}
				}
				if o.pending != pending {
					t.Fatalf("pending %d, want %d", o.pending, pending)
				}
			},
		})
	})
}
