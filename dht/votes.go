package dht

import (
	"net/netip"
	"time"

	"supernode/dht/wire"
)

// Units: a voter is a network, an IPv4 /16 or an IPv6 /32, so that an operator who has many addresses in few networks
// has few votes. A vote is the address at which the voter saw us, as "ip" in an answer to a query of ours says
// (BEP 42): nobody votes who was not asked.
const (
	// jury is how many voters are heard at a time, and term for how long one keeps its seat. Then whoever answers
	// next takes it, so that in a large table the jury is always another random sample.
	jury = 64
	term = 30 * time.Minute

	// A verdict takes quorum voters who agree, and two thirds of all who are seated. To steer it, an operator has
	// to answer from most of the networks that the node asks.
	quorum = 8

	// idTerm is how long an id is kept at least before votes change it again. Every change makes other nodes
	// forget us once.
	idTerm = time.Hour
)

// vote is a seat of the jury.
type vote struct {
	voter netip.Prefix
	seen  netip.Addr
	until Instant // the end of the voter's term
}

// votes finds out at which address of one family others see the node.
type votes struct {
	seats    []vote     // grows with the first votes, up to jury
	external netip.Addr // what was agreed on last
	changed  Instant    // when the id was made to comply, if ever
	ever     bool
}

// cast counts a vote and decides. A voter with a seat changes its mind, one without gets a free seat, if any.
func (v *votes) cast(now Instant, voter netip.Prefix, seen netip.Addr) {
	seat := v.seat(now, voter)
	if seat == nil {
		return
	}
	seat.seen = seen
	agree, seated := 0, 0
	for i := range v.seats {
		if s := &v.seats[i]; now < s.until {
			seated++
			if s.seen == seen {
				agree++
			}
		}
	}
	if agree >= quorum && 3*agree >= 2*seated {
		v.external = seen
	}
}

// seat is the voter's, or a free one which it is given, or nil.
func (v *votes) seat(now Instant, voter netip.Prefix) *vote {
	var free *vote
	for i := range v.seats {
		s := &v.seats[i]
		ended := now >= s.until
		if s.voter == voter {
			if ended {
				s.until = now.Add(term)
			}
			return s
		}
		if ended {
			free = s
		}
	}
	if free == nil {
		if len(v.seats) == jury {
			return nil
		}
		v.seats = append(v.seats, vote{})
		free = &v.seats[len(v.seats)-1]
	}
	*free = vote{voter: voter, until: now.Add(term)}
	return free
}

// External is the IPv4 and the IPv6 address at which other nodes see this one, by the agreement of at least eight
// networks; the zero Addr as long as there is none. After the address has changed it takes answers from most of
// those networks, half an hour at most.
func (n *Node) External() (ip4, ip6 netip.Addr) {
	n.enter()
	defer n.leave()
	return n.votes[v4].external, n.votes[v6].external
}

// hear takes what a node at src that answered us says our address is, in compact form; nil if it says nothing. It may
// change the node's id.
func (n *Node) hear(now Instant, src netip.Addr, says []byte) {
	f := familyOf(src)
	seen := wire.Addr(says).Addr()
	if len(says) != addrSize[f] || !n.reach.allows(netip.AddrPortFrom(seen, 1)) {
		return
	}
	v := &n.votes[f]
	v.cast(now, voterAt(src), seen)
	if !v.external.IsValid() {
		return
	}
	id := n.idFor(f)
	if secure := SecureID(*id, v.external); secure != *id && (!v.ever || now >= v.changed.Add(idTerm)) {
		*id, v.changed, v.ever = secure, now, true
		n.growth[f].refresh = now // its new neighbours are to know it
		n.upkeep.wakeBy(now)
	}
}

// voterAt is the voter that an address speaks for. In a lab on private addresses every host has a vote.
func voterAt(a netip.Addr) netip.Prefix {
	bits := [families]int{16, 32}[familyOf(a)]
	if realmOf(a) != public {
		bits = a.BitLen()
	}
	voter, _ := a.Prefix(bits) // bits are in range
	return voter
}
