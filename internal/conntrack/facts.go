package conntrack

import "time"

// Facts is what the kernel says about connection tracking in one network namespace at one moment. A fact that is
// zero and named in Unchecked is unknown; a fact that is zero and not named there is zero.
type Facts struct {
	// Present: the kernel has connection tracking, built in or loaded. It does not mean that this namespace is
	// tracked: hooks register only when a rule asks for them.
	Present bool

	Count            uint64        // entries in this namespace now
	Limit            uint64        // entries at most, host-wide
	Buckets          uint64        // hash buckets, host-wide
	UDPTimeout       time.Duration // life of a UDP entry that has seen no reply
	UDPStreamTimeout time.Duration // life of a UDP entry that has become a stream

	// Counters are summed over all processors. They begin with the namespace and are never reset, a flush included.
	Counters Counters

	// Sources says for each fact by name where it was read: a file, or "netlink". Facts of one Reader share it: read
	// only.
	Sources map[string]string

	// Unchecked names each fact that could not be read, with the reason: "limit: permission denied".
	Unchecked []string
}

// Names of facts, as in Facts.Sources and Facts.Unchecked.
const (
	FactCount            = "count"
	FactLimit            = "limit"
	FactBuckets          = "buckets"
	FactUDPTimeout       = "udp_timeout"
	FactUDPStreamTimeout = "udp_timeout_stream"
	FactCounters         = "counters"
)

// Fill returns the part of the table in use, 0 to 1, or 0 when the limit is unknown.
func (f Facts) Fill() float64 {
	if f.Limit == 0 {
		return 0
	}
	return float64(f.Count) / float64(f.Limit)
}

// Counters are the kernel's event counters by canonical name. A missing name was not offered by this kernel or this
// source, which is not the same as zero: ti-mo/conntrack's netlink view, for one, has no "chaintoolong".
//
// Each processor counts in 32 bits and wraps.
type Counters map[string]uint64

// Names of counters that callers ask for. Others keep the name of their column.
const (
	Drop         = "drop"          // packets dropped because the table was full, or their entry clashed
	EarlyDrop    = "early_drop"    // entries evicted to make room
	InsertFailed = "insert_failed" // entries that clashed with one that won the race, or whose chain was too long
	Insert       = "insert"        // entries put into the table; since Linux 4.9 only those made over netlink
	ClashResolve = "clash_resolve" // clashes that were settled without a loss
	ChainTooLong = "chaintoolong"  // packets dropped because their hash chain was too long
	Invalid      = "invalid"       // packets that could not be tracked
)

// Sub returns what was counted from earlier to c, for the names both have.
func (c Counters) Sub(earlier Counters) Counters {
	d := make(Counters, len(c))
	for name, now := range c {
		then, ok := earlier[name]
		if !ok {
			continue
		}
		if now < then { // one processor's 32-bit counter went past its end
			now += 1 << 32
		}
		d[name] = now - then
	}
	return d
}
