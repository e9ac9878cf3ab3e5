package dht

import (
	"math/bits"
	"net/netip"
	"time"
)

// MaxRateLimit is the largest Config.RateLimit.
const MaxRateLimit = 1_000_000

const (
	// limitSlots is the number of budgets there are: 256 KiB of them, which stay in a core's own cache.
	limitSlots = 1 << 16

	// limitBurst is how many seconds' worth of queries a source may ask at once after a rest.
	limitBurst = 4

	// network6 is what an IPv6 /48 may ask in all, in budgets of one of its 65,536 /64s.
	network6 = 16
)

// limiter gives every source a budget of queries: so many a second, and limitBurst seconds' worth at once. A source
// is an IPv4 address or an IPv6 /64, which is what one subscriber has. An IPv6 /48, which is what one customer can
// have, is a source besides, of network6 times the budget.
//
// What it is for: the most that one source can take from everybody else, and the most that this node, asked in the
// name of a victim, sends to it. What it is not: a shield against floods from forged addresses. These have
// a budget each, and whoever forges one address alone uses up the budget of its owner, here.
//
// The memory is fixed, and nothing is ever looked for, evicted or swept: the keyed hash of a source says which of the
// slots is its own, and those few who share one share its budget. Who they are, nobody outside can compute. A flood from
// random addresses spreads over all slots, and meets anybody's limit only at limitSlots times that limit.
//
// A slot holds the virtual time of GCRA (ITU-T I.371): the time up to which the queries so far would have
// kept the source busy at its rate. It counts in the network6-th part of a query, from the start, modulo 2^32. What
// lies in the past, or too far in the future to be meant, says that nothing is used. After a rest as long as the
// counter's whole turn (12 days at 250 queries a second) a budget may look used in part, for as long as limitBurst.
type limiter struct {
	slots [limitSlots]uint32
	key   hashKey
	start Instant
	scale uint64 // parts a nanosecond, in units of 2^-64
	burst uint32 // parts
}

// newLimiter makes one for rate queries a second, 1 to MaxRateLimit.
func newLimiter(rate int, key hashKey, start Instant) *limiter {
	parts := uint64(rate) * network6
	scale, _ := bits.Div64(parts, 0, uint64(time.Second))
	scale++ // rounded up, so that a whole second earns all its parts
	return &limiter{key: key, start: start, scale: scale, burst: uint32(parts * limitBurst)}
}

// pass reports whether a query from src is within its budget, and if so takes it from there. Loopback has no limit.
func (l *limiter) pass(now Instant, src netip.Addr) bool {
	if src.IsLoopback() {
		return true
	}
	clock, source := l.clock(now), sourceOf(src)
	own := l.slot(source)
	used := l.used(*own, clock)
	if used+network6 > l.burst {
		return false
	}
	if src.Is6() {
		network := l.slot(networkOf(source))
		usedNetwork := l.used(*network, clock)
		if usedNetwork+1 > l.burst {
			return false
		}
		*network = clock + usedNetwork + 1
	}
	*own = clock + used + network6
	return true
}

// clock is the time since the start in parts of a query, at the rate of the limit.
func (l *limiter) clock(now Instant) uint32 {
	parts, _ := bits.Mul64(uint64(max(now-l.start, 0)), l.scale)
	return uint32(parts)
}

func (l *limiter) slot(source uint64) *uint32 { return &l.slots[l.key.hash64(source)%limitSlots] }

// fetch asks for the memory that pass will read for a source, and does not wait for it.
func (l *limiter) fetch(source uint64) { fetch(l.slot(source), 4) }

// used is how much of a budget is used, in parts.
func (l *limiter) used(slot, clock uint32) uint32 {
	if ahead := slot - clock; ahead <= l.burst {
		return ahead
	}
	return 0
}
