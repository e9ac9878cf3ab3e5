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
		{"rate, at random", 1000, func(tr *trial) { tr.scheduled = 1012 }, []string{"rate"}},
		{"few, at random", 1000, func(tr *trial) { tr.sent[wire.Ping], tr.scheduled = 900, 900 }, []string{}},
		{"slip", 1000, func(tr *trial) { record(tr.slip, 1_100_000) }, []string{"slip"}},
		{"own drops", 1000, func(tr *trial) { tr.final.BufferDrops = 1 }, []string{"drops"}},
		{"refused", 1000, func(tr *trial) { tr.after.stats.SendErrors.Permission = 2 }, []string{"drops"}},
		{"closed, idle", rateMax, func(tr *trial) { tr.after.ran = 5e8 }, []string{}},
		{"closed, busy", rateMax, func(tr *trial) { tr.after.ran, tr.after.waited = 5e8, 48e7 }, []string{"busy"}},
		{"closed, one thread busy", rateMax, func(tr *trial) {
			other := &trial{tally: *newTally(), measureTo: 1e9}
			other.before.timed, other.after = true, reading{timed: true, ran: 96e7}
			tr.absorb(other)
		}, []string{"busy"}},
		{"open, busy", 1000, func(tr *trial) { tr.after.ran = 99e7 }, []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := &trial{params: params{rate: tt.rate, duration: time.Second}, tally: *newTally(), measureTo: 1e9}
			tr.sent[wire.Ping], tr.scheduled = 1000, 1000
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
		c.add(code+200, 1)
		c.add(203, 1)
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
