package sim

import (
	"net/netip"
	"time"

	"supernode/dht"
	"supernode/dht/wire"
)

// natTimeout is how long a NAT lets an address in after something was sent to it (RFC 4787: two minutes at least).
const natTimeout = 2 * time.Minute

// doors are what a host's node is driven through: those of [dht.Node].
type doors interface {
	Handle(now dht.Instant, src netip.AddrPort, in, dst []byte) ([]byte, dht.Outcome)
	Poll(now dht.Instant, dst []byte) (out []byte, to netip.AddrPort, ok bool)
	NextWake() dht.Instant
}

// Host is an address with a node behind it: one of package dht, or an ordinary client. The other is nil.
type Host struct {
	Node   *dht.Node
	Client *Client
	Addr   netip.AddrPort

	network *Network
	gone    bool
	doors   doors
	planned dht.Instant // when the wake event that counts happens; never, if there is none
	nat     map[netip.AddrPort]dht.Instant
	natMost int // size of nat at which it is rid of what has timed out
}

// never is a time that does not come.
const never = dht.Instant(1<<63 - 1)

// BehindNAT puts a NAT in front of the host that lets in only addresses and ports which the host has lately sent
// something to.
func (h *Host) BehindNAT() { h.nat, h.natMost = map[netip.AddrPort]dht.Instant{}, 64 }

// Leave takes the host off the network without a word.
func (h *Host) Leave() {
	delete(h.network.hosts, h.Addr)
	h.gone = true
}

// ID is the id of the host's node.
func (h *Host) ID() wire.ID {
	if h.Client != nil {
		return h.Client.ID()
	}
	return h.Node.ID()
}

// Alive says whether the host is on the network.
func (h *Host) Alive() bool { return !h.gone }

// Bootstrap gives the host's node addresses to ask.
func (h *Host) Bootstrap(addrs ...netip.AddrPort) {
	if h.Client != nil {
		h.Client.Bootstrap(h.network.now, addrs...)
	} else {
		h.Node.Bootstrap(h.network.now, addrs...)
	}
	h.speak()
}

// Start begins a lookup of the host's client.
func (h *Host) Start(l *Lookup) {
	h.Client.Start(h.network.now, l)
	h.speak()
}

// speak sends what the node has to say now, and plans when to ask it again.
func (h *Host) speak() {
	n := h.network
	for {
		out, to, ok := h.doors.Poll(n.now, n.buf[:0])
		if !ok {
			break
		}
		n.send(h, to, out)
	}
	h.plan()
}

// plan makes the event of the node's next wake, unless there is one that comes no later: then that is when to plan
// again.
func (h *Host) plan() {
	if wake := h.doors.NextWake(); wake < h.planned {
		h.planned = wake
		h.network.events.push(max(wake, h.network.now), event{host: h})
	}
}

// admits says whether the host's NAT lets a datagram from src in.
func (h *Host) admits(now dht.Instant, src netip.AddrPort) bool {
	if h.nat == nil {
		return true
	}
	last, ok := h.nat[src]
	return ok && now < last.Add(natTimeout)
}

// open makes the host's NAT, if there is one, let in answers from an address.
func (h *Host) open(now dht.Instant, to netip.AddrPort) {
	if h.nat == nil {
		return
	}
	h.nat[to] = now
	if len(h.nat) < h.natMost {
		return
	}
	for a, last := range h.nat {
		if now >= last.Add(natTimeout) {
			delete(h.nat, a)
		}
	}
	h.natMost = max(64, 2*len(h.nat))
}
