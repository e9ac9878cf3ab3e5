package dht

import (
	"bytes"
	"math"
	"math/bits"
	"net/netip"

	"supernode/dht/wire"
)

// Swarm is the size of a swarm as BEP 33 tells it: Bloom filters of the addresses of seeds and of peers that still
// download, the union of all that were received.
type Swarm struct {
	SeedFilter, DownloaderFilter [256]byte
}

// Seeds estimates how many distinct addresses have all of it.
func (s *Swarm) Seeds() float64 { return estimate(&s.SeedFilter) }

// Downloaders estimates how many distinct addresses still download.
func (s *Swarm) Downloaders() float64 { return estimate(&s.DownloaderFilter) }

// estimate is the most likely number of elements in a filter of 2,048 bits of which each sets two (BEP 33). It
// cannot tell more than some 7,800 apart.
func estimate(filter *[256]byte) float64 {
	const m, k = 256 * 8, 2
	zeros := m
	for _, b := range filter {
		zeros -= bits.OnesCount8(b)
	}
	c := float64(min(max(zeros, 1), m-1))
	if zeros == m {
		return 0
	}
	return math.Log(c/m) / (k * math.Log(1-1.0/m))
}

// gather delivers what an answer brings beside nodes.
func (n *Node) gather(l *lookup, m *wire.Message) {
	switch l.Method {
	case wire.GetPeers:
		for peer := range m.Peers() {
			n.deliver(l, peer)
		}
		if l.Scrape {
			unite(&l.result.Swarm.SeedFilter, m.BFsd)
			unite(&l.result.Swarm.DownloaderFilter, m.BFpe)
		}
	case wire.Get:
		l.gatherItem(m)
	}
}

func (n *Node) deliver(l *lookup, peer netip.AddrPort) {
	if len(l.found) == maxFound || !n.reach.allows(peer) {
		return
	}
	if _, ok := l.found[peer]; ok {
		return
	}
	if l.found == nil {
		l.found = map[netip.AddrPort]struct{}{}
	}
	l.found[peer] = struct{}{}
	l.result.Peers++
	if l.Peer != nil {
		l.Peer(peer)
	}
}

func unite(filter *[256]byte, with []byte) {
	for i, b := range with {
		filter[i] |= b
	}
}

// gatherItem keeps the item in m if it is what was looked for, and newer than the one at hand. What is no news is
// not verified.
func (l *lookup) gatherItem(m *wire.Message) {
	if m.Value == nil {
		return
	}
	it := Item{Value: m.Value}
	if m.Key != nil {
		if m.Has&wire.HasSeq == 0 {
			return
		}
		it.Key, it.Sig, it.Seq, it.Salt = m.Key, m.Sig, m.Seq, l.Salt
	}
	if have := l.result.Item; have != nil && (have.Key == nil || it.Seq <= have.Seq) {
		return
	}
	if it.check(&l.Target) != nil {
		return
	}
	it.Value, it.Key, it.Sig, it.Salt = bytes.Clone(it.Value), bytes.Clone(it.Key), bytes.Clone(it.Sig), bytes.Clone(it.Salt)
	l.result.Item = &it
	if l.Item != nil {
		l.Item(it)
	}
}
