package dht

import (
	"net/netip"
	"time"

	"supernode/dht/wire"
)

// maxSamples is the most info_hashes in a reply to sample_infohashes; sampleInterval is how long it is the same ones
// (BEP 51: 0 to 21600 seconds), so that asking more often gains nothing.
const (
	maxSamples     = 20
	sampleInterval = Instant(5 * time.Minute)
)

// sample is what the node currently tells of its info_hashes.
type sample struct {
	infohashes [maxSamples * len(wire.ID{})]byte
	n          int
	drawn      Instant
}

// samples appends the current sample behind dst; num is how many info_hashes there are. It changes after an interval, or
// when it holds fewer info_hashes than it could, or more than there are. Some may have expired since it was drawn.
func (n *Node) samples(dst []byte, now Instant) (samples []byte, num int) {
	_, num, _ = n.stored()
	if n.shared {
		n.lockSample.lock()
		defer n.lockSample.unlock()
	}
	s := &n.store.sample
	if s.n != min(maxSamples, num) || now < s.drawn || now-s.drawn >= sampleInterval {
		n.draw(num)
		s.drawn = now
	}
	return append(dst, s.infohashes[:s.n*len(wire.ID{})]...), num
}

// draw draws a sample of num info_hashes, if there are still so many. Each has the same chance: one from each n-th of the
// swarms, all of which begin at a random one.
func (n *Node) draw(num int) {
	s, first := &n.store.sample, n.rng.Uint64()%uint64(max(1, num))
	s.n = 0
	for k := range min(maxSamples, num) {
		i := int(first+uint64(k)*uint64(num)/uint64(min(maxSamples, num))) % num
		for _, p := range n.parts {
			p.enter(n.worker)
			found := i < p.swarmCount
			if found {
				copy(s.infohashes[s.n*len(wire.ID{}):], p.swarm(uint32(i)).infohash[:])
				s.n++
			}
			i -= p.swarmCount
			p.leave(n.worker)
			if found {
				break
			}
		}
	}
}

// sampleInfohashes fills in some of the info_hashes the node has peers for (BEP 51), as many as fit, and nodes on the
// way to the target.
func (n *Node) sampleInfohashes(now Instant, src netip.AddrPort, m, r *wire.Message, room int) {
	n.nodes(src, m, r, m.Target)
	room -= replyOverhead + len(m.T) + len(r.Nodes) + len(r.Nodes6)
	samples, num := n.samples(n.scratch.values[:0], now)
	r.Samples = samples[:min(len(samples), max(0, room)/len(wire.ID{})*len(wire.ID{}))]
	r.Num = int64(num)
	r.Interval = int64(sampleInterval / Instant(time.Second))
	r.Has |= wire.HasNum | wire.HasInterval
}
