package dht

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// limitedNode is a node with a limit of so many queries a second, and asks lets a source ask one at a time.
func limitedNode(tb testing.TB, rate int, start Instant) (n *Node, asks func(now Instant, src netip.Addr) Verdict) {
	n = newNode(tb, Config{RateLimit: rate, Start: start, Own: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	ping := encodeQuery(wire.Message{Method: wire.Ping})
	buf := make([]byte, 0, 2048)
	return n, func(now Instant, src netip.Addr) Verdict {
		out, o := n.Handle(now, netip.AddrPortFrom(src, 6881), ping, buf)
		if o.Verdict == Answered != (len(out) > 0) {
			tb.Fatalf("%v, with %d bytes", o.Verdict, len(out))
		}
		return o.Verdict
	}
}

// TestRateLimit: a burst, then the rate, then after a rest the burst again, whenever the clock began.
func TestRateLimit(t *testing.T) {
	for _, src := range []netip.Addr{addr4(1).Addr(), addr6(1).Addr()} {
		for _, start := range starts {
			for _, rate := range []int{1, 7, 250, MaxRateLimit / 100} {
				_, asks := limitedNode(t, rate, start)
				burst := func(now Instant) (passed int) {
					for asks(now, src) == Answered {
						passed++
					}
					require.Equal(t, DropLimited, asks(now, src), "once at the limit, at the limit")
					return passed
				}
				now := start
				require.Equal(t, rate*limitBurst, burst(now), "after a rest")
				for range 10 {
					now = now.Add(time.Second)
					require.InDelta(t, rate, burst(now), 1, "a second later")
				}
				now = now.Add(limitBurst * time.Second)
				require.InDelta(t, rate*limitBurst, burst(now), 1, "after a rest")
			}
		}
	}
}

// TestRateLimitAgainstBuckets compares the limiter with a token bucket of real numbers for each source, over random
// times and sources, across the turn of its 32-bit clock. The limiter rounds to sixteenths of a query.
func TestRateLimitAgainstBuckets(t *testing.T) {
	type bucket struct {
		tokens float64
		last   Instant
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		rate := []int{3, 25, 250}[seed%3]
		most := float64(rate * limitBurst)
		start := starts[seed%uint64(len(starts))]
		n, asks := limitedNode(t, rate, start)
		turn := Instant(float64(1<<32) * float64(time.Second) / float64(rate*network6))
		second := Instant(time.Second)
		now := start + turn - 10_000*second/Instant(rate)
		buckets := make([]bucket, 5)
		for i := range buckets {
			buckets[i] = bucket{most, now}
		}
		before, limited := n.limit.clock(now), 0
		for range 50_000 {
			now += Instant(rng.Int64N(int64(second))) / Instant(2*rate)
			if rng.IntN(1000) == 0 {
				now += Instant(rng.Int64N(int64(200*second))) / Instant(rate)
			}
			i := min(rng.IntN(12), len(buckets)-1) // one of them asks more than the others together
			b := &buckets[i]
			b.tokens = min(most, b.tokens+float64(now-b.last)*float64(rate)/float64(time.Second))
			b.last = now
			answered := asks(now, addr4(i+1).Addr()) == Answered
			if sure := b.tokens < 0.8 || b.tokens > 1.2; sure && answered != (b.tokens > 1) {
				t.Fatalf("source %d with %v of %v tokens: answered %v", i, b.tokens, most, answered)
			}
			if answered {
				b.tokens--
			} else {
				limited++
			}
		}
		require.Less(t, n.limit.clock(now), before, "the clock was to turn")
		require.Greater(t, limited, 500)
	}
}

// TestRateLimitAtTheTurn is the promise for sources that the limiter knows nothing of when its clock turns: they may
// not find all of their budget, but what they earn from then on.
func TestRateLimitAtTheTurn(t *testing.T) {
	const rate = 250
	_, asks := limitedNode(t, rate, 0)
	now := Instant(1)<<32*Instant(time.Second)/(rate*network6) - limitBurst*Instant(time.Second)
	answered := 0
	for range limitBurst * rate {
		if asks(now, addr4(answered%3).Addr()) == Answered {
			answered++
		}
		now += Instant(time.Second) / rate
	}
	require.GreaterOrEqual(t, answered, limitBurst*rate-1)
}

// TestRateLimitSources says who shares a budget with whom.
func TestRateLimitSources(t *testing.T) {
	const rate = 10
	for _, c := range []struct {
		name   string
		source func(i int) string
		shared bool
	}{
		{"another IPv4 address of the /24", func(i int) string { return []string{"1.2.3.4", "1.2.3.5"}[i] }, false},
		{"another address of the /64", func(i int) string { return []string{"2003::1", "2003::ffff:1"}[i] }, true},
		{"another /64", func(i int) string { return []string{"2003::1", "2003:0:0:1::1"}[i] }, false},
		{"an IPv4 address and an IPv6 network of the same bits", func(i int) string { return []string{"32.3.0.0", "2003::1"}[i] }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, asks := limitedNode(t, rate, 0)
			for asks(0, netip.MustParseAddr(c.source(0))) == Answered {
			}
			require.Equal(t, c.shared, asks(0, netip.MustParseAddr(c.source(1))) == DropLimited)
		})
	}

	t.Run("a /48", func(t *testing.T) {
		_, asks := limitedNode(t, rate, 0)
		inside := func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 0x03, 0, 0, 0, 7, byte(i >> 8), byte(i), 15: 1})
		}
		answered := 0
		for i := range 1 << 16 {
			if asks(0, inside(i)) == Answered {
				answered++
			}
		}
		require.Equal(t, network6*rate*limitBurst, answered, "from 65,536 /64s")
		require.Equal(t, Answered, asks(0, netip.MustParseAddr("2003:0:8::1")), "the next /48")
		require.Equal(t, rate, func() (again int) {
			for i := range 1 << 16 {
				if asks(Instant(time.Second), inside(i)) == Answered {
					again++
				}
			}
			return again / network6
		}())
	})

	t.Run("loopback has none", func(t *testing.T) {
		_, asks := limitedNode(t, 1, 0)
		for range 100 {
			require.Equal(t, Answered, asks(0, netip.MustParseAddr("127.0.0.1")))
		}
	})

	t.Run("nodes that share", func(t *testing.T) {
		first, asks := limitedNode(t, rate, 0)
		second := newNode(t, Config{Share: first, RateLimit: 1000, Seed: [32]byte{2}})
		for asks(0, addr4(1).Addr()) == Answered {
		}
		_, o := second.Handle(0, addr4(1), encodeQuery(wire.Message{Method: wire.Ping}), nil)
		require.Equal(t, DropLimited, o.Verdict, "one budget at all addresses of this host")
	})
}

// TestRateLimitSparesAnswers: whoever asked too much may still answer what the node asks it, and is not dropped for it.
func TestRateLimitSparesAnswers(t *testing.T) {
	n, asks := limitedNode(t, 1, 0)
	for asks(0, addr4(1).Addr()) == Answered {
	}
	queries := drain(t, n, 0)
	require.Len(t, queries, 1)
	require.Equal(t, Accepted, answer(n, 0, queries[0], filledID(1), wire.Message{}).Verdict)
	require.Equal(t, 1, n.Counts().Nodes4)
}

// TestRateLimitCountsEveryQuery: refused ones as well, and those that could not be answered.
func TestRateLimitCountsEveryQuery(t *testing.T) {
	for name, in := range map[string][]byte{
		"refused": encodeQuery(wire.Message{Method: wire.FindNode}),
		"no t":    encodeQuery(wire.Message{Method: wire.Ping, T: []byte{}}),
	} {
		n, asks := limitedNode(t, 1, 0)
		for range limitBurst {
			n.Handle(0, addr4(1), in, nil)
		}
		require.Equal(t, DropLimited, asks(0, addr4(1).Addr()), name)
		require.Equal(t, Answered, asks(0, addr4(2).Addr()), name)
	}
}

func TestRateLimitRange(t *testing.T) {
	for _, rate := range []int{-1, MaxRateLimit + 1} {
		_, err := New(Config{Seed: [32]byte{1}, RateLimit: rate})
		require.ErrorContains(t, err, "RateLimit")
	}
	newNode(t, Config{RateLimit: MaxRateLimit})
	n := newNode(t, Config{})
	for range 10_000 {
		_, o := n.Handle(0, addr4(1), encodeQuery(wire.Message{Method: wire.Ping}), nil)
		require.Equal(t, Answered, o.Verdict, "without a limit")
	}
}

func TestRateLimitDoesNotAllocate(t *testing.T) {
	n, asks := limitedNode(t, 50, 0)
	ping, buf := encodeQuery(wire.Message{Method: wire.Ping}), make([]byte, 0, 2048)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		n.Handle(0, addr4(1), ping, buf)
		n.Handle(0, addr6(1), ping, buf)
	}))
	require.Equal(t, DropLimited, asks(0, addr4(1).Addr()))
}

// BenchmarkRateLimit is what the limit adds to a query, of a source that is new each time and so finds its slot cold.
func BenchmarkRateLimit(b *testing.B) {
	ping, buf := encodeQuery(wire.Message{Method: wire.Ping, ReadOnly: true}), make([]byte, 0, 2048)
	for name, rate := range map[string]int{"off": 0, "on": 250} {
		b.Run(name, func(b *testing.B) {
			n := newNode(b, Config{RateLimit: rate})
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				n.Handle(Instant(i)*1000, benchSource(int(uint32(i)*2654435761&0x3ffffff)), ping, buf)
			}
		})
	}
}
