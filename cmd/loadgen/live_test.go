package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// passSeconds runs a trial of so many seconds through a feed, of which two are warm-up, and hands over what the feed does.
func passSeconds(f *feed, seconds int64, each func(t *trial, second int64)) *trial {
	p := params{rate: 100, warmup: 2 * time.Second, duration: time.Duration(seconds-2) * time.Second}
	t := &trial{params: p, tally: *newTally(), pace: newPace(100, part{}, 0), edge: 2e9}
	f.next = feedPeriod
	for now := feedPeriod; now <= seconds*feedPeriod; now += feedPeriod {
		each(t, now/feedPeriod)
		if now < t.edge {
			f.publish(t, now)
			continue
		}
		f.cut(t, now, t.edge)
		t.phase++
		t.edge = seconds * feedPeriod
	}
	return t
}

// To a file the live display is a line a second.
func TestLiveLines(t *testing.T) {
	var b strings.Builder
	f := newFeed()
	tr := passSeconds(f, 4, func(tr *trial, second int64) {
		tr.totalSent += 100
		tr.totalAnswered += 90
		tr.totalLost += 10
		if second > 2 {
			record(f.current.latency, 50_000)
		}
	})
	tr.totalAnswered += 5
	f.finish(tr, 5*feedPeriod)
	watcher(newLive(&b))(f.intervals())
	require.Equal(t, "   1s  offered 100/s  sent 100/s  answered 90/s  lost 10.00 %  warming up\n"+
		"   2s  offered 100/s  sent 100/s  answered 90/s  lost 10.00 %  warming up\n"+
		"   3s  offered 100/s  sent 100/s  answered 90/s  lost 10.00 %  p50 50 µs  p99 50 µs  1s left\n"+
		"   4s  offered 100/s  sent 100/s  answered 90/s  lost 10.00 %  p50 50 µs  p99 50 µs  0s left\n"+
		"   5s  offered 0/s  sent 0/s  answered 5.0/s  lost 0.00 %\n", b.String())
}

// On a terminal each line takes the place of the one before, and the wait for late answers shows nothing.
func TestLiveOnTerminal(t *testing.T) {
	var b strings.Builder
	width := 200
	l := &live{out: &b, width: func() int { return width }}
	none := newHistogram()
	l.interval(&interval{to: 1e9, offered: 10, sent: 10, answered: 5, lost: 0, phase: phaseWarmup, ends: 3e9, latency: none})
	width = 40
	l.interval(&interval{closed: true, from: 1e9, to: 2e9, sent: 50, answered: 50, phase: phaseMeasure, ends: 3e9, latency: none})
	l.interval(&interval{from: 2e9, to: 3e9, phase: phaseDone, ends: 3e9, latency: none})
	l.end()
	require.Equal(t, "\r\x1b[K1s  "+strings.Repeat("█", 12)+strings.Repeat("░", 12)+
		"  answered 5.0/s  lost 0.00 %  sent 10/s  offered 10/s  warming up"+
		"\r\x1b[K2s  answered 50/s  lost 0.00 %  1s left\n", b.String())
}

// TestPauseIsNoClosedLoop: of a part of a profile at rate 0, nothing is offered, whatever is still sent in it.
func TestPauseIsNoClosedLoop(t *testing.T) {
	for closed, want := range map[bool]struct{ line, row string }{
		false: {"offered 0/s", "second,0,1,0,20,20,0"},
		true:  {"offered max", "second,0,1,20,20,20,0"},
	} {
		f := newFeed()
		p := params{rate: rateMax, duration: time.Second}
		if !closed {
			p.follow(profile{{duration: time.Second}, {from: 10, to: 10, duration: time.Second}})
		}
		tr := &trial{params: p, tally: *newTally(), phase: phaseMeasure, edge: 2e9}
		if !closed {
			tr.pace = paceOf(&p, 0)
		}
		tr.totalSent, tr.totalAnswered = 20, 20
		f.finish(tr, 1e9)
		var shown, rows strings.Builder
		watcher(newLive(&shown), newCSV(&rows, 0))(f.intervals())
		require.Contains(t, shown.String(), want.line)
		require.Contains(t, rows.String(), want.row)
	}
}

// Whatever the width, the line does not wrap, and there are colours only if asked for.
func TestBarLineFits(t *testing.T) {
	i := &interval{
		from: 11e9, to: 12e9, offered: 123_456, sent: 123_456, answered: 120_000, lost: 3456, phase: phaseMeasure, ends: 60e9,
		latency: newHistogram(),
	}
	record(i.latency, 1_234_567)
	for width := range 200 {
		line := barLine(i, width, false)
		require.LessOrEqual(t, utf8.RuneCountInString(line), max(0, width-1), "%q", line)
		require.NotContains(t, line, "\x1b")
		if width > 8 {
			require.Contains(t, line, "12s")
		}
	}
	eighty := barLine(i, 80, false)
	for _, word := range []string{"█", "answered 120,000/s", "lost 2.80 %", "p99 1,235 µs", "48s left"} {
		require.Contains(t, eighty, word)
	}
	require.Contains(t, barLine(i, 200, true), red+"lost")
	i.lost = 0
	require.Contains(t, barLine(i, 200, true), green+"lost")
	require.Equal(t, "████░░░░", bar(0.5, 8))
}

// Nobody reads: the loop must not be held up, and nothing may be lost but the resolution.
func TestFeedNeverBlocks(t *testing.T) {
	f := newFeed()
	tr := passSeconds(f, 50, func(tr *trial, _ int64) { tr.totalSent += 7 })
	f.finish(tr, 51*feedPeriod)
	total, at := uint64(0), int64(0)
	for i := range f.intervals() {
		require.Equal(t, at, i.from)
		at, total = i.to, total+i.sent
	}
	require.EqualValues(t, 350, total)
	require.Equal(t, 51*feedPeriod, at)
}

// Of several threads the seconds are summed, also if one has told of two at once, and nothing is lost.
func TestFeedsTogether(t *testing.T) {
	feeds := []*feed{newFeed(), newFeed(), newFeed()}
	for n, f := range feeds {
		tr := passSeconds(f, 4, func(tr *trial, second int64) {
			tr.totalSent += uint64(n + 1)
			record(f.current.latency, second)
			if n == 1 && second == 1 { // it was late
				f.next += feedPeriod
			}
		})
		f.finish(tr, 4*feedPeriod+int64(n))
	}
	var sent []uint64
	answers := int64(0)
	for i := range together(feeds) {
		sent = append(sent, i.sent)
		answers += i.latency.TotalCount()
	}
	require.Equal(t, []uint64{8, 4, 6, 6, 0}, sent)
	require.EqualValues(t, 12, answers)
}
