package sim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"supernode/dht"
)

// natTimeout is how long a NAT lets an address in after something was sent to it (RFC 4787: two minutes at least).
const natTimeout = 2 * time.Minute

// Config says how the network treats datagrams. The zero value delivers all of them at once.
type Config struct {
	Seed   uint64
	Delay  time.Duration // one way, at least
	Jitter time.Duration // added to the delay, at random up to this
	Loss   float64       // share of the datagrams that never arrive, 0 to 1
}

// Network is the simulated network. It is not safe for concurrent use.
type Network struct {
	config Config
	now    dht.Instant
	rng    *rand.Rand
	events queue
	hosts  map[netip.AddrPort]*Host
	buf    []byte   // what a node is writing
	spare  [][]byte // payloads to use again

	// Tap, if not nil, sees every datagram when it is sent. The payload is valid during the call only.
	Tap func(now dht.Instant, from, to netip.AddrPort, payload []byte)

	Sent, Delivered int // datagrams; the difference was lost, kept out, undeliverable, or is under way
}

// New makes a network without hosts, at time zero.
func New(c Config) *Network {
	return &Network{
		config: c,
		rng:    rand.New(rand.NewPCG(c.Seed, 0)),
		hosts:  map[netip.AddrPort]*Host{},
		buf:    make([]byte, 0, 2048),
	}
}

// Addr4 and Addr6 are the address of the i-th host, each of a subnet of its own, public, for i below 2^22.
func Addr4(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{32 + byte(i>>16), byte(i >> 8), byte(i), 1}), 6881)
}

// Addr6 is Addr4 for IPv6.
func Addr6(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 0x03, 0, byte(i >> 16), byte(i >> 8), byte(i), 15: 1}), 6881)
}

// Host is an address with a node behind it.
type Host struct {
	Node *dht.Node
	Addr netip.AddrPort

	network *Network
	wake    dht.Instant // of the one wake event that counts
	nat     map[netip.AddrPort]dht.Instant
}

// Join puts a node on the network. Seed and Start of c are set by the network.
func (n *Network) Join(addr netip.AddrPort, c dht.Config) (*Host, error) {
	if n.hosts[addr] != nil {
		return nil, fmt.Errorf("join %v: the address is taken", addr)
	}
	for i := 0; i < len(c.Seed); i += 8 {
		binary.LittleEndian.PutUint64(c.Seed[i:], n.rng.Uint64())
	}
	c.Start = n.now
	node, err := dht.New(c)
	if err != nil {
		return nil, fmt.Errorf("join %v: %w", addr, err)
	}
	h := &Host{Node: node, Addr: addr, network: n}
	n.hosts[addr] = h
	h.plan()
	return h, nil
}

// BehindNAT puts a NAT in front of the host that lets in only addresses and ports which the host has lately sent
// something to.
func (h *Host) BehindNAT() { h.nat = map[netip.AddrPort]dht.Instant{} }

// Leave takes the host off the network without a word.
func (h *Host) Leave() { delete(h.network.hosts, h.Addr) }

// Bootstrap gives the host's node addresses to ask.
func (h *Host) Bootstrap(addrs ...netip.AddrPort) {
	h.Node.Bootstrap(h.network.now, addrs...)
	h.speak()
}

// Now is the network's time.
func (n *Network) Now() dht.Instant { return n.now }

// Run lets time pass.
func (n *Network) Run(d time.Duration) {
	end := n.now.Add(d)
	for len(n.events.heap) > 0 && n.events.heap[0].at <= end {
		e := n.events.pop()
		n.now = e.at
		n.happen(&e)
	}
	n.now = end
}

func (n *Network) happen(e *event) {
	h := e.host
	alive := n.hosts[h.Addr] == h
	if e.payload == nil {
		if alive && e.at == h.wake {
			h.speak()
		}
		return
	}
	if alive && h.admits(n.now, e.src) {
		n.Delivered++
		reply, _ := h.Node.Handle(n.now, e.src, e.payload, n.buf[:0])
		if len(reply) > 0 {
			n.send(h, e.src, reply)
		}
		h.speak()
	}
	n.spare = append(n.spare, e.payload[:0])
}

// speak sends what the node has to say now, and plans when to ask it again.
func (h *Host) speak() {
	n := h.network
	for {
		out, to, ok := h.Node.Poll(n.now, n.buf[:0])
		if !ok {
			break
		}
		n.send(h, to, out)
	}
	h.plan()
}

// plan makes the event of the node's next wake, unless there is one at that time. One made before is then
// ignored.
func (h *Host) plan() {
	if wake := h.Node.NextWake(); wake != h.wake || wake <= h.network.now {
		h.wake = wake
		h.network.events.push(event{at: wake, host: h})
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

func (n *Network) send(from *Host, to netip.AddrPort, payload []byte) {
	n.Sent++
	if n.Tap != nil {
		n.Tap(n.now, from.Addr, to, payload)
	}
	if from.nat != nil {
		from.nat[to] = n.now
	}
	if n.rng.Float64() < n.config.Loss {
		return
	}
	h := n.hosts[to]
	if h == nil {
		return
	}
	delay := n.config.Delay
	if n.config.Jitter > 0 {
		delay += time.Duration(n.rng.Int64N(int64(n.config.Jitter)))
	}
	n.events.push(event{at: n.now.Add(delay), host: h, src: from.Addr, payload: append(n.payload(), payload...)})
}

// payload is an empty slice that is not nil, with room for most datagrams.
func (n *Network) payload() []byte {
	if last := len(n.spare) - 1; last >= 0 {
		p := n.spare[last]
		n.spare = n.spare[:last]
		return p
	}
	return make([]byte, 0, 512)
}
