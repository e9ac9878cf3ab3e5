package dht

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"time"

	"supernode/dht/wire"
)

const (
	// partTarget is the size at which a part of a snapshot ends, partSwarms the number of swarms, of whatever size,
	// that one call looks at. Together they make a call take some tens of microseconds.
	partTarget = 8 << 10
	partSwarms = 512

	// maxSwarm is the largest record that may be appended when a part is still below its target.
	maxSwarm = swarmHead + swarmPeers*(wire.CompactAddr6+flaggedSize)

	// SnapshotPart bounds the bytes that one call of Snapshot.Append appends.
	SnapshotPart = blockHead + partTarget + families*maxSwarm + blockTail
)

const _ = uint(maxBlock - SnapshotPart) // a part is at most one block

// Snapshot writes what nodes know, a part at a time, while they go on working between the parts. It is fuzzy: each
// record is right for the time it was written at, but what changes while the snapshot is taken may be in it or not.
type Snapshot struct {
	created time.Time
	start   Instant
	homes   []Home

	stage  snapshotStage
	home   int // the one in hand
	part   int // of the peers
	cursor int // next bucket or swarm
	counts stateCounts
}

type snapshotStage uint8

const (
	stageHeader snapshotStage = iota
	stageHome
	stageNodes
	stagePeers
	stageItems
	stageEnd
	stageDone
)

// NewSnapshot begins a snapshot of homes at now, when the wall clock shows created. What their nodes store for others
// is taken from the first: they must share one store (Config.Share). It takes no time and no memory to speak of, and
// may be given up at any point.
func NewSnapshot(now Instant, created time.Time, homes []Home) *Snapshot {
	return &Snapshot{start: now, created: created, homes: homes}
}

// Append appends the next part, at most SnapshotPart bytes, behind dst, and says whether there is more to come. It must
// be called by the goroutine that the nodes belong to, with several workers by that of the first. The parts in their order are the saved state.
func (s *Snapshot) Append(dst []byte) (out []byte, more bool) {
	switch s.stage {
	case stageHeader:
		dst = s.appendHeader(dst)
		s.enter(stageHome)
	case stageHome:
		dst = s.appendHome(dst)
		s.enter(stageNodes)
	case stageNodes:
		var more bool
		if dst, more = s.appendNodes(dst); !more {
			s.home++
			s.enter(stageHome)
		}
	case stagePeers:
		var more bool
		if dst, more = s.appendPeers(dst); !more {
			s.enter(stageItems)
		}
	case stageItems:
		var more bool
		if dst, more = s.appendItems(dst); !more {
			s.enter(stageEnd)
		}
	case stageEnd:
		dst = s.appendEnd(dst)
		s.enter(stageDone)
	}
	return dst, s.stage != stageDone
}

func (s *Snapshot) enter(stage snapshotStage) {
	s.stage, s.cursor = stage, 0
	if stage == stageHome && s.home == len(s.homes) {
		s.stage = stagePeers
	}
	if s.stage == stagePeers {
		s.cursor = eachSwarm
		if len(s.homes) == 0 {
			s.stage = stageEnd
		}
	}
}

// Nodes, Peers and Items are how many the snapshot holds so far.
func (s *Snapshot) Nodes() int { return int(s.counts[kindNodes]) }

// Peers: see Nodes.
func (s *Snapshot) Peers() int { return int(s.counts[kindPeers]) }

// Items: see Nodes.
func (s *Snapshot) Items() int { return int(s.counts[kindItems]) }

func (s *Snapshot) appendHeader(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, stateMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, stateVersion)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.created.Unix()))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func (s *Snapshot) appendHome(dst []byte) []byte {
	h := s.homes[s.home]
	dst, start := beginBlock(dst, kindHome)
	dst = wire.AppendAddr(dst, h.Listen)
	h.Node.enter()
	dst = append(dst, h.Node.idFor(h.family())[:]...)
	h.Node.leave()
	s.counts[kindHome]++
	return endBlock(dst, start)
}

// appendNodes goes on with the table of the home in hand, bucket by bucket: nodes move within a bucket, but not from
// one to another.
func (s *Snapshot) appendNodes(dst []byte) (out []byte, more bool) {
	dst, start := beginBlock(dst, kindNodes)
	for more = true; more && len(dst)-start < partTarget; {
		dst, more = s.appendBucket(dst)
	}
	return endBlock(dst, start), more
}

// appendBucket appends the nodes of the next bucket that is not empty.
func (s *Snapshot) appendBucket(dst []byte) (out []byte, more bool) {
	n, t := s.homes[s.home].Node, s.homes[s.home].table()
	n.enter()
	defer n.leave()
	if t.count == 0 || s.cursor >= len(t.heads) {
		return dst, false
	}
	bucket := t.directory.next(uint32(s.cursor))
	if int(bucket) < s.cursor {
		return dst, false // round to the first again
	}
	for at := range t.inBucket(bucket) {
		age := int64(int32(s.start.seconds() - t.seen(at))) // below zero if it answered since the start
		dst = append(dst, t.blob(at)...)
		dst = appendFlagged(dst, newFlagged(age, t.isFailing(at)))
		s.counts[kindNodes]++
	}
	s.cursor = int(bucket) + 1
	return dst, true
}

// appendPeers goes on with the swarms.
func (s *Snapshot) appendPeers(dst []byte) (out []byte, more bool) {
	dst, start := beginBlock(dst, kindPeers)
	parts := s.homes[0].Node.parts
	for range partSwarms {
		if len(dst)-start >= partTarget {
			break
		}
		if s.cursor == 0 {
			if s.part++; s.part == len(parts) {
				return endBlock(dst, start), false
			}
			s.cursor = eachSwarm
		}
		dst = s.appendSwarm(dst)
	}
	return endBlock(dst, start), true
}

// appendSwarm appends the peers of one info_hash, a record for each family it has any of.
func (s *Snapshot) appendSwarm(dst []byte) []byte {
	head, n := 0, uint16(0) // of the record begun last
	node := s.homes[0].Node
	part := node.parts[s.part]
	part.enter(node.worker)
	defer part.leave(node.worker)
	s.cursor = part.each(s.start, s.cursor,
		func(infohash *wire.ID, peer netip.AddrPort, remaining time.Duration, seed bool) {
			if f := familyOf(peer.Addr()); n == 0 || dst[head+len(infohash)] != byte(f) {
				head, n = len(dst), 0
				dst = append(append(dst, infohash[:]...), byte(f), 0, 0)
			}
			dst = appendFlagged(wire.AppendAddr(dst, peer), newFlagged(int64(remaining/time.Second), seed))
			n++
			binary.LittleEndian.PutUint16(dst[head+swarmHead-2:], n)
			s.counts[kindPeers]++
		})
	return dst
}

// appendItems goes on with the items.
func (s *Snapshot) appendItems(dst []byte) (out []byte, more bool) {
	dst, start := beginBlock(dst, kindItems)
	node := s.homes[0].Node
	node.holdItems()
	defer node.freeItems()
	next, more := node.items.each(s.start, uint32(s.cursor), func(it item, age time.Duration) bool {
		if len(dst)-start >= partTarget {
			return false
		}
		dst = appendItem(dst, &it, int64(age/time.Second))
		s.counts[kindItems]++
		return true
	})
	s.cursor = int(next)
	return endBlock(dst, start), more
}

func appendItem(dst []byte, it *item, age int64) []byte {
	dst = appendFlagged(dst, newFlagged(age, it.key != nil))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(it.value)))
	dst = append(dst, it.value...)
	if it.key == nil {
		return dst
	}
	dst = append(append(dst, it.key...), it.sig...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(it.seq))
	return append(append(dst, byte(len(it.salt))), it.salt...)
}

func (s *Snapshot) appendEnd(dst []byte) []byte {
	dst, start := beginBlock(dst, kindEnd)
	for _, n := range s.counts[kindHome:] {
		dst = binary.LittleEndian.AppendUint64(dst, n)
	}
	return endBlock(dst, start)
}
