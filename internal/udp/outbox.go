package udp

import "net/netip"

// Outbox is a batch to be sent by one Send. All memory is allocated by NewOutbox.
//
// The way to use it copies nothing: take a Buffer, append the payload to it, Add the result.
type Outbox struct {
	slots      []byte // batch times MaxDatagram
	departures []departure
	n          int  // the datagrams queued are departures[:n]
	wire       wire // what the kernel is shown of them
}

// departure is one queued datagram.
type departure struct {
	payload []byte
	to      netip.AddrPort
	from    netip.Addr
}

// NewOutbox returns an Outbox for up to batch datagrams, 1 to 1024; 0 means 64.
func NewOutbox(batch int) *Outbox {
	batch = clampBatch(batch)
	return &Outbox{
		slots:      make([]byte, batch*MaxDatagram),
		departures: make([]departure, batch),
		wire:       newWire(batch),
	}
}

// Len is the number of datagrams queued.
func (out *Outbox) Len() int { return out.n }

// Full says that no more can be added before Send.
func (out *Outbox) Full() bool { return out.n == len(out.departures) }

// Buffer returns the next free slot: empty, of capacity MaxDatagram. It is the same slot until the
// next Add, so that a payload which is not added costs nothing. When out is full it returns nil.
func (out *Outbox) Buffer() []byte {
	if out.Full() {
		return nil
	}
	start := out.n * MaxDatagram
	return out.slots[start:start:(start + MaxDatagram)]
}

// Add queues payload for to. The payload must be what was appended to Buffer; it is not copied, and is
// the Outbox's until Send returns. (One that outgrew the slot is sent from where append moved it.)
//
// The datagram leaves from the address from: one that is ours, such as Inbox.Local gave. The zero Addr,
// or an unspecified one, leaves the choice to the kernel. Add panics when out is full.
func (out *Outbox) Add(payload []byte, to netip.AddrPort, from netip.Addr) {
	d := &out.departures[out.n]
	d.payload = payload
	d.to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	d.from = from.Unmap()
	if from.IsUnspecified() { // told so, the kernel would choose afresh, against the address bound
		d.from = netip.Addr{}
	}
	out.n++
}

// queued returns the datagrams to be sent.
func (out *Outbox) queued() []departure { return out.departures[:out.n] }

// empty forgets the datagrams queued.
func (out *Outbox) empty() { out.n = 0 }
