package sim

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"time"

	"supernode/dht"
	"supernode/dht/wire"
)

// Config says how the network treats datagrams. The zero value delivers all of them at once.
type Config struct {
	Seed   uint64
	Delay  time.Duration // one way, at least
	Jitter time.Duration // added to the delay, at random up to this
	Tail   time.Duration // added to both, at random, of an exponential distribution with this mean
	Loss   float64       // share of the datagrams that never arrive, 0 to 1
}

// Network is the simulated network. It is not safe for concurrent use.
type Network struct {
	config Config
	now    dht.Instant
	rng    *rand.Rand
	events queue
	hosts  map[netip.AddrPort]*Host
	buf    []byte                      // what a node is writing
	spare  [][]byte                    // payloads to use again
	addrs  [2 * wire.CompactAddr6]byte // being taken into the trace

	// Tap, if not nil, sees every datagram when it is sent. The payload is valid during the call only.
	Tap func(now dht.Instant, from, to netip.AddrPort, payload []byte)

	Sent, Delivered int    // datagrams; the difference was lost, kept out, undeliverable, or is under way
	Trace           uint64 // fingerprint of all datagrams sent, their order and their times
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
	return n.add(&Host{Node: node, Addr: addr, doors: node}), nil
}

// JoinClient puts an ordinary client on the network, at an IPv4 address. A seed of its own makes it unlike others.
func (n *Network) JoinClient(addr netip.AddrPort) (*Host, error) {
	if n.hosts[addr] != nil {
		return nil, fmt.Errorf("join %v: the address is taken", addr)
	}
	if !addr.Addr().Is4() {
		return nil, fmt.Errorf("join %v: clients speak IPv4 only", addr)
	}
	c := newClient(n.now, rand.NewPCG(n.rng.Uint64(), n.rng.Uint64()))
	return n.add(&Host{Client: c, Addr: addr, doors: c}), nil
}

func (n *Network) add(h *Host) *Host {
	h.network, h.planned = n, never
	n.hosts[h.Addr] = h
	h.plan()
	return h
}

// Now is the network's time.
func (n *Network) Now() dht.Instant { return n.now }

// Run lets time pass.
func (n *Network) Run(d time.Duration) {
	end := n.now.Add(d)
	for at, ok := n.events.next(); ok && at <= end; at, ok = n.events.next() {
		var e event
		n.now, e = n.events.pop()
		n.happen(&e)
	}
	n.now = end
}

func (n *Network) happen(e *event) {
	h := e.host
	alive := h.Alive()
	if e.payload == nil {
		if alive && n.now >= h.planned { // otherwise there is an earlier one
			h.planned = never
			h.speak()
		}
		return
	}
	if alive && h.admits(n.now, e.src) {
		n.Delivered++
		reply, _ := h.doors.Handle(n.now, e.src, e.payload, n.buf[:0])
		if len(reply) > 0 {
			n.send(h, e.src, reply)
		}
		if h.doors.NextWake() <= n.now {
			h.speak()
		} else {
			h.plan()
		}
	}
	n.spare = append(n.spare, e.payload[:0])
}

func (n *Network) send(from *Host, to netip.AddrPort, payload []byte) {
	n.Sent++
	if n.Tap != nil {
		n.Tap(n.now, from.Addr, to, payload)
	}
	from.open(n.now, to)
	n.trace(from.Addr, to, payload)
	if n.config.Loss > 0 && n.rng.Float64() < n.config.Loss {
		return
	}
	h := n.hosts[to]
	if h == nil {
		return
	}
	n.events.push(n.now.Add(n.delay()), event{host: h, src: from.Addr, payload: append(n.payload(), payload...)})
}

func (n *Network) delay() time.Duration {
	delay := n.config.Delay
	if n.config.Jitter > 0 {
		delay += time.Duration(n.rng.Int64N(int64(n.config.Jitter)))
	}
	if n.config.Tail > 0 {
		delay += time.Duration(n.rng.ExpFloat64() * float64(n.config.Tail))
	}
	return delay
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// trace takes a datagram into the run's fingerprint.
func (n *Network) trace(from, to netip.AddrPort, payload []byte) {
	const odd = 0x9e3779b97f4a7c15
	addrs := wire.AppendAddr(wire.AppendAddr(n.addrs[:0], from), to)
	sum := crc32.Update(crc32.Checksum(payload, castagnoli), castagnoli, addrs)
	n.Trace = bits.RotateLeft64((n.Trace^uint64(n.now))*odd, 29) ^ uint64(sum)
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
