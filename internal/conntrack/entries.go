package conntrack

import (
	"container/heap"
	"net/netip"
	"slices"
	"time"
)

// Entries summarises what the table holds for one UDP port of this host. It is made in one pass and in bounded memory,
// whatever the table's size. The table changes while it is read, so that the numbers are about right, not exact.
type Entries struct {
	Port     uint16
	Scanned  uint64 // entries looked at, of all ports
	Total    uint64 // of the port
	Inbound  uint64 // of Total: begun by the other side
	Assured  uint64 // of Total: never evicted early
	Replied  uint64 // of Total: both ways seen, not assured
	Waiting  uint64 // of Total: one way only
	IPv6     uint64 // of Total
	TimeLeft [len(TimeLeftBounds) + 1]uint64

	hosts, networks *topper
}

// TimeLeftBounds are the upper bounds, exclusive, of Entries.TimeLeft; its last count is of all above. An entry has left
// what its timeout leaves since the last packet.
var TimeLeftBounds = [...]time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute}

// Entry is what we read of an entry.
type Entry struct {
	Remote  netip.Addr // the other side
	Inbound bool       // it began
	Replied bool
	Assured bool
	Left    time.Duration
}

// Source is a host, or a network, with about how many entries it has: at least Count-Over, at most Count.
type Source struct {
	Prefix      netip.Prefix
	Count, Over uint64
}

// topCounters bounds how many sources are counted at once. Whoever has more than one of 4,096 entries is among them.
const topCounters = 4096

// Networks are the sizes of network that sources are summed by.
const (
	networkBits4 = 24
	networkBits6 = 48
)

// NewEntries returns an empty summary.
func NewEntries(port uint16) *Entries {
	return &Entries{Port: port, hosts: newTopper(topCounters), networks: newTopper(topCounters)}
}

// Add counts an entry of the port.
func (e *Entries) Add(x Entry) {
	e.Total++
	if x.Inbound {
		e.Inbound++
	}
	switch {
	case x.Assured:
		e.Assured++
	case x.Replied:
		e.Replied++
	default:
		e.Waiting++
	}
	bits := networkBits4
	if x.Remote.Is6() {
		e.IPv6++
		bits = networkBits6
	}
	i := 0
	for i < len(TimeLeftBounds) && x.Left >= TimeLeftBounds[i] {
		i++
	}
	e.TimeLeft[i]++
	e.hosts.add(netip.PrefixFrom(x.Remote, x.Remote.BitLen()))
	network, err := x.Remote.Prefix(bits)
	if err == nil {
		e.networks.add(network)
	}
}

// TopHosts are the n addresses with the most entries, the most first.
func (e *Entries) TopHosts(n int) []Source { return e.hosts.top(n) }

// TopNetworks are the n networks (IPv4 /24, IPv6 /48) with the most entries, the most first.
func (e *Entries) TopNetworks(n int) []Source { return e.networks.top(n) }

// topper finds the most frequent of many, with a fixed number of counters: who is new when all are taken inherits the
// smallest one (Metwally, Agrawal, El Abbadi: Efficient computation of frequent and top-k elements in data streams, 2005).
type topper struct {
	most  int
	place map[netip.Prefix]int
	heap  []Source // the smallest first
}

func newTopper(most int) *topper { return &topper{most: most, place: make(map[netip.Prefix]int)} }

func (t *topper) add(p netip.Prefix) {
	if i, ok := t.place[p]; ok {
		t.heap[i].Count++
		heap.Fix(t, i)
		return
	}
	if len(t.heap) < t.most {
		heap.Push(t, Source{Prefix: p, Count: 1})
		return
	}
	least := t.heap[0]
	delete(t.place, least.Prefix)
	t.heap[0] = Source{Prefix: p, Count: least.Count + 1, Over: least.Count}
	t.place[p] = 0
	heap.Fix(t, 0)
}

func (t *topper) top(n int) []Source {
	all := slices.SortedFunc(slices.Values(t.heap), func(a, b Source) int {
		switch { // what is sure decides; between equals, the address
		case a.Count-a.Over != b.Count-b.Over:
			if a.Count-a.Over > b.Count-b.Over {
				return -1
			}
			return 1
		}
		return a.Prefix.Addr().Compare(b.Prefix.Addr())
	})
	return all[:min(n, len(all))]
}

// Len, Less, Swap, Push and Pop are for package heap.
func (t *topper) Len() int           { return len(t.heap) }
func (t *topper) Less(i, j int) bool { return t.heap[i].Count < t.heap[j].Count }
func (t *topper) Swap(i, j int) {
	t.heap[i], t.heap[j] = t.heap[j], t.heap[i]
	t.place[t.heap[i].Prefix], t.place[t.heap[j].Prefix] = i, j
}
func (t *topper) Push(x any) {
	t.place[x.(Source).Prefix] = len(t.heap)
	t.heap = append(t.heap, x.(Source))
}
func (t *topper) Pop() any { panic("unused: counters are inherited, not given up") }
