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

// samples is the current sample: a view that is valid until the next call. It changes after an interval, or when
// it holds fewer info_hashes than it could, or more than there are. Some may have expired since it was drawn.
func (p *peerStore) samples(now Instant, random uint64) []byte {
	s, n := &p.sample, min(maxSamples, p.swarmCount)
	if s.n != n || now < s.drawn || now-s.drawn >= sampleInterval {
		s.n, s.drawn = n, now
		// Each has the same chance: one from each n-th of the swarms, all of which begin at a random one.
		first := random % uint64(max(1, p.swarmCount))
		for k := range n {
			i := (first + uint64(k)*uint64(p.swarmCount)/uint64(n)) % uint64(p.swarmCount)
			copy(s.infohashes[k*len(wire.ID{}):], p.swarm(uint32(i)).infohash[:])
		}
	}
	return s.infohashes[:n*len(wire.ID{})]
}

// sampleInfohashes fills in some of the info_hashes the node has peers for (BEP 51), as many as fit, and nodes on the
// way to the target.
func (n *Node) sampleInfohashes(now Instant, src netip.AddrPort, m, r *wire.Message, room int) {
	n.nodes(src, m, r, m.Target)
	room -= replyOverhead + len(m.T) + len(r.Nodes) + len(r.Nodes6)
	samples := n.peers.samples(now, n.rng.Uint64())
	r.Samples = samples[:min(len(samples), max(0, room)/len(wire.ID{})*len(wire.ID{}))]
	r.Num = int64(n.peers.swarmCount)
	r.Interval = int64(sampleInterval / Instant(time.Second))
	r.Has |= wire.HasNum | wire.HasInterval
}
