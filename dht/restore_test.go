package dht

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
	"supernode/dht/wire"
)

// TestEach reads a store while it changes: what was there all the time is yielded, and nothing that never was.
func TestEach(t *testing.T) {
	type key struct {
		infohash wire.ID
		ip       netip.Addr
	}
	rapid.Check(t, func(t *rapid.T) {
		p := newPeerStore(1000, testKey)
		start := rapid.SampledFrom(starts).Draw(t, "start")
		now := start - start%stampUnit
		p.hand.last = now
		ends := map[key]Instant{}
		announce := func() {
			infohash := idOf(rapid.Byte().Draw(t, "infohash"))
			a := addrOf(family(rapid.IntRange(0, 1).Draw(t, "family")), rapid.IntRange(1, 20).Draw(t, "host"))
			left := stampUnit * Instant(rapid.IntRange(1, 450).Draw(t, "left"))
			k := key{infohash, a.Addr()}
			if p.restore(now, &infohash, a, time.Duration(left), a.Addr().Is4()) {
				if end, ok := ends[k]; !ok || end < now+left {
					ends[k] = now + left
				}
			}
		}
		for range rapid.IntRange(0, 100).Draw(t, "before") {
			announce()
		}
		due := map[key]Instant{}
		for k, end := range ends {
			due[k] = end
		}
		calls := 0
		for next := eachSwarm; ; calls++ {
			next = p.each(now, next, func(infohash *wire.ID, peer netip.AddrPort, remaining time.Duration, seed bool) {
				k := key{*infohash, peer.Addr()}
				if Instant(remaining) != ends[k]-now || remaining <= 0 || seed != peer.Addr().Is4() {
					t.Fatalf("%v: %v remain, seed %v, stored for %v", k, remaining, seed, time.Duration(ends[k]-now))
				}
				delete(due, k)
			})
			if next == 0 {
				break
			}
			switch rapid.IntRange(0, 4).Draw(t, "meanwhile") {
			case 0:
				now += stampUnit * Instant(rapid.IntRange(0, 40).Draw(t, "units"))
				p.sweep(now)
			case 1:
				announce()
			}
		}
		for k, end := range due {
			if end > now {
				t.Fatalf("%v is not yielded, %v before its end", k, time.Duration(end-now))
			}
		}
		if calls > 256 {
			t.Fatalf("%d calls for 256 swarms", calls)
		}
		stored(t, p)
	})
}

// TestRestore gives a store what a damaged or forged file might say.
func TestRestore(t *testing.T) {
	p := newPeerStore(3, testKey)
	infohash, now := filledID('h'), Instant(time.Hour)
	for _, c := range []struct {
		peer      string
		remaining time.Duration
		want      bool
	}{
		{"1.2.3.4:6881", 0, false},
		{"1.2.3.4:6881", -time.Hour, false},
		{"1.2.3.4:0", time.Minute, false},
		{"0.0.0.0:1", time.Minute, false},
		{"[::ffff:1.2.3.4]:1", time.Minute, false},
		{"1.2.3.4:6881", 1<<63 - 1, true},
		{"1.2.3.5:6881", 10 * time.Minute, true},
		{"1.2.3.5:7777", time.Minute, true}, // in vain: what is there lives longer
		{"[2003::1]:1", time.Minute, true},
		{"[2003::2]:1", time.Minute, false}, // full
	} {
		require.Equal(t, c.want, p.restore(now, &infohash, netip.MustParseAddrPort(c.peer), c.remaining, false), "%v", c)
	}
	require.False(t, p.restore(now, &infohash, netip.AddrPort{}, time.Minute, false))
	got := map[string]time.Duration{}
	p.each(now, eachSwarm, func(_ *wire.ID, peer netip.AddrPort, remaining time.Duration, _ bool) { got[peer.String()] = remaining })
	require.Equal(t, map[string]time.Duration{
		"1.2.3.4:6881": peerLifetime, "1.2.3.5:6881": 10 * time.Minute, "[2003::1]:1": time.Minute,
	}, got)
}
