package sim

import (
	"fmt"
	"math"
	"time"

	"supernode/dht"
)

const (
	// seedHosts are the bootstrap nodes of a study: clients that stay, reachable by all.
	seedHosts = 8

	// announcePeriod is how often a peer announces again (libtorrent: 15 minutes).
	announcePeriod = 15 * time.Minute

	// settled is the age from which a client searches and announces.
	settled = 2 * time.Minute

	// step is how much time passes between the study's interventions.
	step = time.Second
)

// Study is an experiment on a network of ordinary clients that come and go: is what one of them announces found by
// the others, after how many hops, and what does a supernode change?
type Study struct {
	Network   Config
	Clients   int           // on the network at any time, from the middle of the warm-up on
	Churn     float64       // share of them that leave in an hour, without a word; as many new ones join
	NAT       float64       // share of them behind a NAT that admits only whom they asked
	Supernode *dht.Config   // joins with the first, if not nil
	Torrents  int           // info_hashes announced by one client each, every 15 minutes
	Searches  float64       // a second, each by a random client for a random torrent
	WarmUp    time.Duration // before the first announce counts: clients join during its first half
	Duration  time.Duration
}

// Result is what a study found. A search counts if the torrent's announcer had completed an announce before it began and
// was still on the network when it ended. There are three kinds, in turn if there is a supernode: Plain, by a client;
// Told, by a client that asks the supernode besides the nodes of its own table; and Own, by the supernode, whose hops
// are those to the nearest node and not to the first peer.
type Result struct {
	Plain, Told, Own Searches

	Announces int     // completed
	Stored    float64 // nodes that confirmed an announce, mean
	Contacts  float64 // nodes in a client's table at the end, mean
	Super     dht.Counts
	Joined    int // clients, replacements included
	Sent      int // datagrams
	Trace     uint64
}

// Searches is what became of a kind of searches. The slices are sorted and hold one entry for each that found a
// peer.
type Searches struct {
	Count int
	Found int
	Met   int // asked the supernode, and got an answer
	Asked int // queries, of all together
	Hops  []int
	First []time.Duration // to the first answer with a peer
}

// check finds what a study cannot be made with. The error names the field.
func (s *Study) check() error {
	switch {
	case s.Clients < 2*seedHosts || s.Clients > 1<<20:
		return fmt.Errorf("study with Clients %d: must be %d to %d", s.Clients, 2*seedHosts, 1<<20)
	case s.Torrents < 1:
		return fmt.Errorf("study with Torrents %d: must be at least 1", s.Torrents)
	case s.Churn < 0 || s.Churn > 10:
		return fmt.Errorf("study with Churn %v: must be 0 to 10 an hour", s.Churn)
	case s.NAT < 0 || s.NAT > 1:
		return fmt.Errorf("study with NAT %v: must be 0 to 1", s.NAT)
	case s.Network.Loss < 0 || s.Network.Loss > 1:
		return fmt.Errorf("study with Loss %v: must be 0 to 1", s.Network.Loss)
	case s.Searches < 0:
		return fmt.Errorf("study with Searches %v: must not be negative", s.Searches)
	case s.WarmUp < 2*settled || s.Duration < 0:
		return fmt.Errorf("study with WarmUp %v, Duration %v: must be at least %v and 0", s.WarmUp, s.Duration, 2*settled)
	}
	return nil
}

// Rate is the share of the searches that found the peer.
func (k *Searches) Rate() float64 { return float64(k.Found) / float64(k.Count) }

// Quantile is the smallest value that a share q of a sorted slice does not exceed; zero, if it is empty.
func Quantile[T any](sorted []T, q float64) (v T) {
	if len(sorted) == 0 {
		return v
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}
