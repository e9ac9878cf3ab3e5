package main

import (
	"fmt"
	"math/bits"
	"net/netip"
)

// maxSockets bounds the sockets: each is waited on, and each takes a port.
const maxSockets = 1024

// layout says where flows are: flow = socket * perSocket + the number of its address. It is made once, for
// the most flows there will be; a flow keeps its number, and so its node id, in all trials.
type layout struct {
	listen    []netip.AddrPort // one a socket
	block     block            // count 0: one flow a socket, from the address the kernel chooses
	perSocket uint32
	flows     int
	first     uint32 // what flow 0 is among those of all threads
}

// loopback4 is where flows to a loopback target come from. Linux has all of 127/8 without being told.
var loopback4 = netip.MustParsePrefix("127.1.0.0/16")

// planFlows lays out the part p of n flows to target. sources may be the zero Prefix. anyAddress says that one socket
// can send from many addresses; without it each flow gets a socket.
func planFlows(n int, target netip.Addr, sources netip.Prefix, anyAddress bool, p part) (*layout, error) {
	given := sources.IsValid()
	if given && sources.Addr().Is4() != target.Is4() {
		return nil, fmt.Errorf("--sources %s: is of another address family than the target %s", sources, target)
	}
	if !given && anyAddress && target.Is4() && target.IsLoopback() {
		sources = loopback4
		if sources.Contains(target) {
			sources = netip.MustParsePrefix("127.2.0.0/16")
		}
	}
	wildcard := netip.IPv4Unspecified()
	if target.Is6() {
		wildcard = netip.IPv6Unspecified()
	}
	l := &layout{flows: p.share(n), first: uint32(p.before(n)), perSocket: 1}
	sockets := l.flows
	if sources.IsValid() && anyAddress {
		l.block = newBlock(sources).share(p)
		sockets = (l.flows + int(l.block.count) - 1) / int(l.block.count)
		l.perSocket = uint32((l.flows + sockets - 1) / sockets)
	}
	if sockets > maxSockets {
		return nil, tooManySockets(n, maxSockets*p.threads(), sources, anyAddress)
	}
	addr := func(int) netip.Addr { return wildcard }
	if sources.IsValid() && !anyAddress { // an address for each socket
		b := newBlock(sources)
		addr = func(i int) netip.Addr { return b.at((l.first + uint32(i)) % b.count) }
	}
	for i := range sockets {
		l.listen = append(l.listen, netip.AddrPortFrom(addr(i), 0))
	}
	return l, nil
}

func tooManySockets(flows, most int, sources netip.Prefix, anyAddress bool) error {
	switch {
	case !anyAddress:
		return fmt.Errorf("--flows %d: --io net opens a socket for each and %d is the most, use --io mmsg or fewer flows",
			flows, most)
	case sources.IsValid():
		return fmt.Errorf("--flows %d: %s has too few addresses for %d sockets, give --sources a larger range or use fewer flows",
			flows, sources, most)
	}
	return fmt.Errorf("--flows %d: from one address at most %d, give more addresses with --sources CIDR",
		flows, most)
}

// source is the address to send from in a flow; zero leaves it to the kernel.
func (l *layout) source(flow uint32) netip.Addr {
	if l.block.count == 0 {
		return netip.Addr{}
	}
	return l.block.at(flow % l.perSocket)
}

func (l *layout) socket(flow uint32) int { return int(flow / l.perSocket) }

// flowOf is the flow that a datagram came to.
func (l *layout) flowOf(socket int, local netip.Addr) (flow uint32, ok bool) {
	if l.block.count == 0 {
		return uint32(socket), true
	}
	i, ok := l.block.number(local)
	return uint32(socket)*l.perSocket + i, ok && i < l.perSocket
}

// maxRun is how many queries in a row go through one socket, so that a batch stays one system call.
const maxRun = 64

// walk gives out flows in rounds: each flow once a round, and always at the same place in it (but for the
// remainder of a run, where there are several sockets), so that the queries of a flow are evenly apart.
// Within a socket it steps by a stride, which scatters the addresses over whatever hashes them; between
// sockets it changes after a run.
type walk struct {
	lanes     []lane // one a socket
	perSocket uint32
	run       uint32 // queries before it changes lanes; 0: as many as the lane has flows
	lane      int
	left      uint32
	taken     uint64 // flows given out so far
}

type lane struct{ next, size, stride uint32 }

// newWalk begins a walk over n flows, which is at most the layout's, on as few sockets as hold them.
func (l *layout) newWalk(n int, random func() uint64) *walk {
	sockets := (n + int(l.perSocket) - 1) / int(l.perSocket)
	w := &walk{lanes: make([]lane, sockets), perSocket: l.perSocket}
	for i := range w.lanes {
		size := uint32(n/sockets + b2i(i < n%sockets))
		w.lanes[i] = lane{next: uint32(random() % uint64(size)), size: size, stride: stride(size)}
	}
	w.run = max(1, min(maxRun, uint32(n/sockets)))
	w.left = w.run
	return w
}

// newRound begins a walk over the same flows of which each comes once, exactly, before any comes again: it changes sockets
// only when it has been through all flows of one. It begins at the first.
func (l *layout) newRound(n int) *walk {
	w := l.newWalk(n, func() uint64 { return 0 })
	w.run, w.left = 0, w.lanes[0].size
	return w
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// stride is a step near the golden section of size that visits every number before it returns.
func stride(size uint32) uint32 {
	section, _ := bits.Mul64(golden, uint64(size))
	s := max(1, uint32(section))
	for gcd(s, size) != 1 {
		s++
	}
	return s
}

func gcd(a, b uint32) uint32 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// flow returns the next flow.
func (w *walk) flow() uint32 {
	if w.left == 0 {
		if w.lane++; w.lane == len(w.lanes) {
			w.lane = 0
		}
		if w.left = w.run; w.run == 0 {
			w.left = w.lanes[w.lane].size
		}
	}
	w.left--
	w.taken++
	l := &w.lanes[w.lane]
	offset := l.next
	if l.next += l.stride; l.next >= l.size {
		l.next -= l.size
	}
	return uint32(w.lane)*w.perSocket + offset
}
