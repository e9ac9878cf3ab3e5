package dht

import (
	"encoding/binary"
	"net/netip"
	"time"

	"supernode/dht/wire"
)

// A peer record is the compact address, as it goes into a reply, and a stamp.
var peerSize = [families]int{wire.CompactAddr4 + 2, wire.CompactAddr6 + 2}

const maxPeerSize = wire.CompactAddr6 + 2

func appendPeerRecord(dst []byte, peer netip.AddrPort, s stamp) []byte {
	return binary.LittleEndian.AppendUint16(wire.AppendAddr(dst, peer), uint16(s))
}

func stampOf(record []byte) stamp {
	return stamp(binary.LittleEndian.Uint16(record[len(record)-2:]))
}

// stamp is a point in time in 15 bits, in units of four seconds that wrap around after 36 hours, and one bit
// that says whether the peer is a seed (BEP 33). Times compare rightly while they are less than 18 hours apart:
// a peer lives for half an hour, and the sweep finds it minutes later.
type stamp uint16

const (
	stampUnit = Instant(4 * time.Second)
	stampTime = 1<<15 - 1
	stampSeed = 1 << 15
)

func newStamp(t Instant, seed bool) stamp {
	s := stamp(t/stampUnit) & stampTime
	if seed {
		s |= stampSeed
	}
	return s
}

// before says whether s is an earlier time than t.
func (s stamp) before(t stamp) bool { return (s-t)&stampTime > stampTime/2 }

// expired says whether s, an end, has come at time now.
func (s stamp) expired(now stamp) bool { return !now.before(s) }

// left is the time from now until s, which must not have come, to the unit.
func (s stamp) left(now stamp) time.Duration {
	return time.Duration((s-now)&stampTime) * time.Duration(stampUnit)
}
