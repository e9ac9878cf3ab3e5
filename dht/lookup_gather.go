package dht

import (
	"bytes"
	"net/netip"

	"supernode/dht/wire"
)

// Swarm is the size of a swarm as BEP 33 tells it: Bloom filters of the addresses of seeds and of peers that still
// download, the union of all that were received.
type Swarm struct {
	SeedFilter, DownloaderFilter Bloom
}

// Seeds estimates how many distinct addresses have all of it.
func (s *Swarm) Seeds() float64 { return s.SeedFilter.Estimate() }

// Downloaders estimates how many distinct addresses still download.
func (s *Swarm) Downloaders() float64 { return s.DownloaderFilter.Estimate() }

// unite adds the filters of a reply, which may have both, either or none.
func (s *Swarm) unite(m *wire.Message) {
	if m.BFsd != nil {
		s.SeedFilter.Union((*Bloom)(m.BFsd))
	}
	if m.BFpe != nil {
		s.DownloaderFilter.Union((*Bloom)(m.BFpe))
	}
}

// gather delivers what an answer brings beside nodes.
func (n *Node) gather(l *lookup, m *wire.Message) {
	switch l.Method {
	case wire.GetPeers:
		for peer := range m.Peers() {
			n.deliver(l, peer)
		}
		if l.Scrape {
			l.result.Swarm.unite(m)
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
