package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

var wireLoopback = netip.MustParseAddr("127.0.0.1")

func TestGeneratorLimited(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rate   rate
		change func(*trial)
		want   []string
	}{
		{"keeps up", 1000, func(*trial) {}, []string{}},
		{"a query short", 1000, func(tr *trial) { tr.sent[wire.Ping] = 999 }, []string{}},
		{"rate", 1000, func(tr *trial) { tr.sent[wire.Ping] = 989 }, []string{"rate"}},
		{"some slip", 1000, func(tr *trial) { record(tr.slip, 900_000) }, []string{}},
		{"slip", 1000, func(tr *trial) { record(tr.slip, 1_100_000) }, []string{"slip"}},
		{"own drops", 1000, func(tr *trial) { tr.final.BufferDrops = 1 }, []string{"drops"}},
		{"refused", 1000, func(tr *trial) { tr.after.stats.SendErrors.Permission = 2 }, []string{"drops"}},
		{"closed, idle", rateMax, func(tr *trial) { tr.after.ran = 5e8 }, []string{}},
		{"closed, busy", rateMax, func(tr *trial) { tr.after.ran, tr.after.waited = 5e8, 48e7 }, []string{"busy"}},
		{"open, busy", 1000, func(tr *trial) { tr.after.ran = 99e7 }, []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := &trial{params: params{rate: tt.rate, duration: time.Second}, tally: *newTally(), measureTo: 1e9}
			tr.sent[wire.Ping] = 1000
			tr.before.timed, tr.after.timed = true, true
			tt.change(tr)
			r, err := newResult(&engine{}, tr)
			require.NoError(t, err)
			require.Equal(t, tt.want, r.LimitedBy)
			require.Equal(t, len(tt.want) > 0, r.Limited)
			var b strings.Builder
			require.NoError(t, r.summary(&b))
			require.Equal(t, len(tt.want), strings.Count(b.String(), "generator limited: "))
			for _, by := range tt.want {
				require.NotEmpty(t, limitText[by])
			}
		})
	}
}

func TestErrorCodesAreBounded(t *testing.T) {
	var c codes
	for code := range int64(100) {
		c.add(code + 200)
		c.add(203)
	}
	got := c.byCode()
	require.Len(t, got, len(c.code)+1)
	require.EqualValues(t, 101, got[203])
	require.EqualValues(t, 100-len(c.code), got[0])
	require.Equal(t, "203: 101, 0: 68", errorList(map[int64]uint64{0: 68, 203: 101}))
}

func TestThousands(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 0.25: "0.2", 9.96: "10.0", 10: "10", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		require.Equal(t, want, thousands(n))
	}
}

// On a file the live display is a line for about five seconds, and one for what is left.
func TestLiveLines(t *testing.T) {
	var b strings.Builder
	l := newLive(&b)
	f := newFeed()
	f.next = feedPeriod
	tr := &trial{params: params{rate: 100, warmup: 2 * time.Second, duration: 5 * time.Second}, tally: *newTally()}
	for s := range int64(6) {
		tr.totalSent += 100
		tr.totalAnswered += 90
		tr.totalLost += 10
		if tr.phase = phaseMeasure; s < 2 {
			tr.phase = phaseWarmup
		} else {
			record(f.current.latency, 50_000)
		}
		f.publish(tr, (s+1)*feedPeriod)
		i := <-f.full
		l.show(i)
		f.recycle(i)
	}
	tr.phase = phaseDone
	tr.totalSent += 50
	f.finish(tr, 7*feedPeriod)
	watcher(l, nil)(f)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 2, b.String())
	require.Contains(t, lines[0], "offered 100/s")
	require.Contains(t, lines[0], "lost 10.00 %")
	require.Contains(t, lines[0], "p50 50 µs")
	require.Contains(t, lines[0], "left")
	require.NotContains(t, lines[1], "left")
}

// On a terminal each line takes the place of the one before, and the wait for late answers shows nothing.
func TestLiveOnTerminal(t *testing.T) {
	var b strings.Builder
	l := newLive(&b)
	l.terminal = true
	none := newHistogram()
	l.show(&interval{to: 1e9, rate: 10, sent: 10, answered: 9, phase: phaseWarmup, ends: 3e9, latency: none})
	l.show(&interval{from: 1e9, to: 2e9, sent: 5, answered: 5, phase: phaseMeasure, ends: 3e9, latency: none})
	l.show(&interval{from: 2e9, to: 3e9, phase: phaseDone, ends: 3e9, latency: none})
	l.end()
	require.Equal(t, "\r\x1b[K   1s  offered 10/s  sent 10/s  answered 9.0/s  lost 0.00 %  warming up"+
		"\r\x1b[K   2s  offered max  sent 5.0/s  answered 5.0/s  lost 0.00 %  1s left\n", b.String())
}

// Nobody reads: the loop must not be held up, and nothing may be lost but the resolution.
func TestFeedNeverBlocks(t *testing.T) {
	f := newFeed()
	f.next = feedPeriod
	tr := &trial{tally: *newTally()}
	for s := range int64(50) {
		tr.totalSent += 7
		f.publish(tr, (s+1)*feedPeriod)
	}
	f.finish(tr, 51*feedPeriod)
	total, at := uint64(0), int64(0)
	for i := range f.full {
		require.Equal(t, at, i.from)
		at, total = i.to, total+i.sent
		f.recycle(i)
	}
	require.EqualValues(t, 350, total)
	require.Equal(t, 51*feedPeriod, at)
}
