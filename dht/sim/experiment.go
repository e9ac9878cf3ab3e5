package sim

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"supernode/dht"
	"supernode/dht/wire"
)

// study is a Study under way.
type study struct {
	Study
	net     *Network
	rng     *rand.Rand
	hosts   []*member
	seeds   []netip.AddrPort
	super   *Host
	joined  int
	leaving float64 // clients owed to churn
	asking  float64 // searches owed
	asked   int
	torrent []*torrent
	stored  int
	result  Result
}

// member is a client of the study.
type member struct {
	*Host
	since dht.Instant
}

type torrent struct {
	infohash wire.ID
	owner    *member
	next     dht.Instant // announce
	ready    bool        // an announce is complete
}

// Run carries the study out. The result is a function of the Study. An error names the field that is out of range.
func (s Study) Run() (Result, error) {
	if err := s.check(); err != nil {
		return Result{}, err
	}
	r := &study{Study: s, net: New(s.Network), rng: rand.New(rand.NewPCG(s.Network.Seed, 1))}
	if s.Supernode != nil {
		var err error
		if r.super, err = r.net.Join(Addr4(0), *s.Supernode); err != nil {
			return Result{}, err
		}
	}
	for range s.Torrents {
		r.torrent = append(r.torrent, &torrent{next: never})
	}
	for r.net.Now() < dht.Instant(s.WarmUp+s.Duration) {
		if err := r.step(); err != nil {
			return Result{}, err
		}
	}
	return r.report(), nil
}

// step does what falls into one second, and lets it pass.
func (s *study) step() error {
	now := s.net.Now()
	size := s.Clients
	if grown := 2 * float64(now+dht.Instant(step)) / float64(s.WarmUp); grown < 1 {
		size = max(seedHosts, int(grown*float64(s.Clients)))
	} else {
		s.leaving += s.Churn * float64(s.Clients) * step.Hours()
		for ; s.leaving >= 1; s.leaving-- {
			s.leave()
		}
	}
	for len(s.hosts) < size {
		if err := s.join(); err != nil {
			return err
		}
	}
	if now >= dht.Instant(s.WarmUp*3/4) {
		for _, t := range s.torrent {
			s.announce(t)
		}
	}
	if now >= dht.Instant(s.WarmUp) {
		s.asking += s.Searches * step.Seconds()
		for ; s.asking >= 1; s.asking-- {
			if err := s.search(); err != nil {
				return err
			}
		}
	}
	s.net.Run(step)
	return nil
}

func (s *study) join() error {
	s.joined++
	h, err := s.net.JoinClient(Addr4(s.joined))
	if err != nil {
		return err
	}
	s.hosts = append(s.hosts, &member{h, s.net.Now()})
	if len(s.seeds) < seedHosts {
		s.seeds = append(s.seeds, h.Addr)
		if s.super != nil && len(s.seeds) == seedHosts {
			s.super.Bootstrap(s.seeds...)
		}
	} else if s.rng.Float64() < s.NAT {
		h.BehindNAT()
	}
	first := s.rng.IntN(len(s.seeds))
	h.Bootstrap(s.seeds[first], s.seeds[(first+1)%len(s.seeds)])
	return nil
}

// leave takes a client off the network that is no bootstrap node.
func (s *study) leave() {
	i := seedHosts + s.rng.IntN(len(s.hosts)-seedHosts)
	s.hosts[i].Leave()
	s.hosts[i] = s.hosts[len(s.hosts)-1]
	s.hosts = s.hosts[:len(s.hosts)-1]
}

// someone is a client at random that has been there for a while.
func (s *study) someone() *member {
	for {
		m := s.hosts[s.rng.IntN(len(s.hosts))]
		if s.net.Now() >= m.since.Add(settled) {
			return m
		}
	}
}

// announce makes a torrent's owner announce it when it is time. A torrent whose owner has left goes to another, under
// another info_hash: whatever is found of the old one would be stale.
func (s *study) announce(t *torrent) {
	now := s.net.Now()
	if t.owner == nil || !t.owner.Alive() {
		*t = torrent{owner: s.someone(), next: now.Add(time.Duration(s.rng.Int64N(int64(time.Minute))))}
		for i := range t.infohash {
			t.infohash[i] = byte(s.rng.Uint32())
		}
	}
	if now < t.next {
		return
	}
	t.next = now.Add(announcePeriod)
	infohash := t.infohash
	t.owner.Start(&Lookup{
		Target: infohash, Method: wire.GetPeers, Announce: t.owner.Addr.Port(),
		Done: func(l *Lookup) {
			if t.infohash == infohash {
				t.ready = true
			}
			s.result.Announces++
			s.stored += l.Announced
		},
	})
}

func (s *study) search() error {
	t := s.torrent[s.rng.IntN(len(s.torrent))]
	who, owner := s.someone(), t.owner
	if !t.ready || who == owner {
		return nil
	}
	l := &Lookup{Target: t.infohash, Method: wire.GetPeers}
	kind := &s.result.Plain
	if s.super != nil {
		l.Watch = Contact{s.super.ID(), s.super.Addr}
		switch s.asked++; s.asked % 3 {
		case 1:
			kind, l.First = &s.result.Told, []Contact{l.Watch}
		case 2:
			return s.searchOwn(t)
		}
	}
	l.Done = func(l *Lookup) {
		if owner.Alive() {
			kind.count(l, owner.Addr)
		}
	}
	who.Start(l)
	return nil
}

// searchOwn is a search by the supernode. What it finds is entered into a Lookup, to be counted like one.
func (s *study) searchOwn(t *torrent) error {
	owner, started := t.owner, s.net.Now()
	var l Lookup
	return s.super.Search(dht.Search{
		Method: wire.GetPeers, Target: t.infohash, Want: wire.Want4,
		Peer: func(peer netip.AddrPort) {
			if len(l.Peers) == 0 {
				l.FirstPeer = time.Duration(s.net.Now() - started)
			}
			l.Peers = append(l.Peers, peer)
		},
		Done: func(r dht.Result) {
			l.Hops, l.Asked = r.Hops, r.Asked
			if owner.Alive() {
				s.result.Own.count(&l, owner.Addr)
			}
		},
	})
}

func (k *Searches) count(l *Lookup, wanted netip.AddrPort) {
	k.Count++
	k.Asked += l.Asked
	if l.Met {
		k.Met++
	}
	if slices.Contains(l.Peers, wanted) {
		k.Found++
		k.Hops = append(k.Hops, l.Hops)
		k.First = append(k.First, l.FirstPeer)
	}
}

func (s *study) report() Result {
	r := &s.result
	for _, k := range []*Searches{&r.Plain, &r.Told, &r.Own} {
		slices.Sort(k.Hops)
		slices.Sort(k.First)
	}
	for _, m := range s.hosts {
		r.Contacts += float64(m.Client.Nodes()) / float64(len(s.hosts))
	}
	if s.super != nil {
		r.Super = s.super.Node.Counts()
	}
	r.Stored = float64(s.stored) / float64(max(1, r.Announces))
	r.Joined, r.Sent, r.Trace = s.joined, s.net.Sent, s.net.Trace
	return *r
}
