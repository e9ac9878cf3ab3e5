package dht

import (
	"time"
	"unsafe"

	"supernode/dht/wire"
)

// Filters cost a SHA-1 a peer, two thousand for the largest swarm, and whoever asks for them pays with one little
// packet. So the latest are kept for a while, and what is spent on making new ones is bounded: beyond scrapeRate
// peers a second, with a second's worth saved up at most, replies come without filters.
const (
	scrapeSlots = 64
	scrapeLife  = Instant(20 * time.Second)
	scrapeRate  = 100_000
	scrapeCost  = scrapeSaved / scrapeRate
	scrapeSaved = Instant(time.Second)
)

// scrapes is the cache of filters. An info_hash has one slot it can be in.
type scrapes struct {
	slots *[scrapeSlots]scrape // nil until the first one is made
	spent Instant              // until when what was spent takes to be earned
}

func (c *scrapes) bytes() int {
	if c.slots == nil {
		return 0
	}
	return int(unsafe.Sizeof(*c.slots))
}

type scrape struct {
	infohash     wire.ID
	used         bool
	made         Instant
	seeds, peers Bloom
}

// filters is what a swarm's seeds and its other peers look like (BEP 33), of both families, at most scrapeLife ago:
// views that are valid until the next call. ok is false if nobody is in the swarm, or too much was spent.
func (p *peerStore) filters(now Instant, infohash *wire.ID) (seeds, peers *Bloom, ok bool) {
	i, ok := p.find(infohash)
	if !ok {
		return nil, nil, false
	}
	c := &p.scrapes
	if c.slots == nil {
		c.slots = new([scrapeSlots]scrape)
		c.spent = now - scrapeSaved
	}
	s := &c.slots[p.hash(infohash)%scrapeSlots]
	if !s.used || s.infohash != *infohash || now < s.made || now-s.made >= scrapeLife {
		w := p.swarm(i)
		if !c.spend(now, int(w.lists[v4].n)+int(w.lists[v6].n)) || !p.scrape(now, i, s) {
			return nil, nil, false
		}
	}
	return &s.seeds, &s.peers, true
}

// spend pays for so many peers if it can.
func (c *scrapes) spend(now Instant, peers int) bool {
	c.spent = min(max(c.spent, now-scrapeSaved), now) // also if the clock went back
	cost := Instant(peers) * scrapeCost
	if c.spent+cost > now {
		return false
	}
	c.spent += cost
	return true
}

// scrape makes the filters of swarm i in s. It reports false, and leaves s unused, if all its peers have expired.
func (p *peerStore) scrape(now Instant, i uint32, s *scrape) bool {
	*s = scrape{infohash: p.swarm(i).infohash, made: now}
	clock := newStamp(now, false)
	for f := range family(families) {
		for r := p.records(f, p.list(i, f)); len(r) > 0; r = r[peerSize[f]:] {
			stamp := stampOf(r[:peerSize[f]])
			if stamp.expired(clock) {
				continue
			}
			filter := &s.peers
			if stamp&stampSeed != 0 {
				filter = &s.seeds
			}
			filter.insert(r[:addrSize[f]-2])
			s.used = true
		}
	}
	return s.used
}

// scrape fills in the filters that a get_peers query with scrape=1 asks for: to make them takes as long as a thousand
// queries, and holds up nobody but who asks for peers of the same part. They take half of the reply, which then
// has nodes of one family only, the asker's own, even if it wanted both (as BEP 33 proposes).
func (n *Node) scrape(now Instant, f family, m, r *wire.Message) {
	n.leave()
	part := n.part((*wire.ID)(m.InfoHash))
	part.close()
	seeds, peers, ok := part.filters(now, (*wire.ID)(m.InfoHash))
	if ok {
		n.scratch.filters = [2]Bloom{*seeds, *peers}
	}
	part.open()
	n.enter()
	if !ok {
		return
	}
	r.BFsd, r.BFpe = n.scratch.filters[0][:], n.scratch.filters[1][:]
	if m.Want == wire.Want4|wire.Want6 {
		m.Want = wire.Want4 << f
	}
}

// scrapeSize is what both filters add to a reply.
const scrapeSize = 2 * (len("4:BFsd256:") + len(Bloom{}))
