package udp

import "net/netip"

// Inbox is one received batch. All memory is allocated by NewInbox and used again by each Receive:
// whatever the views below return is valid until the next Receive into the same Inbox.
type Inbox struct {
	room     int    // of a slot, in bytes
	slots    []byte // batch times room
	arrivals []arrival
	n        int // the datagrams delivered are arrivals[:n]
	socket   int
	wire     wire // what the kernel is shown of slots
}

// arrival is one delivered datagram. It names its slot, as dropped datagrams leave gaps between slots.
type arrival struct {
	source     netip.AddrPort
	local      netip.Addr
	slot, size uint16
}

// NewInbox returns an Inbox for up to batch datagrams, 1 to 1024; 0 means 64.
func NewInbox(batch int) *Inbox { return NewLongInbox(batch, MaxDatagram) }

// NewLongInbox is NewInbox for datagrams of up to room bytes, at least MaxDatagram and below 65,536, such as come in
// fragments. OpenNet delivers none beyond MaxDatagram all the same.
func NewLongInbox(batch, room int) *Inbox {
	batch = clampBatch(batch)
	in := &Inbox{
		room:     room,
		slots:    make([]byte, batch*room),
		arrivals: make([]arrival, batch),
		wire:     newWire(batch),
	}
	in.wire.armInbox(in.slots, room)
	return in
}

// Len is the number of datagrams of the last Receive; the views take 0 to Len()-1.
func (in *Inbox) Len() int { return in.n }

// Socket is the number of the socket that the batch came from: an index into Transport.Local.
func (in *Inbox) Socket() int { return in.socket }

// Payload returns a view of datagram i. The caller may write to it.
func (in *Inbox) Payload(i int) []byte {
	a := &in.arrivals[:in.n][i]
	start := int(a.slot) * in.room
	end := start + int(a.size)
	return in.slots[start:end:end]
}

// Source returns the address that datagram i claims to come from, IPv4 never mapped into IPv6. A
// link-local address has its interface as zone, so that it can be answered as it stands. The port can
// be 0: that is for the caller to judge.
func (in *Inbox) Source(i int) netip.AddrPort { return in.arrivals[:in.n][i].source }

// Local returns the address that datagram i was sent to, in a form that Outbox.Add takes as from. It
// is the zero Addr when LocalAddr is off on the socket, and for a multicast address, which nothing can
// be sent from; for an IPv4 broadcast it is the address of ours that the kernel would answer from.
func (in *Inbox) Local(i int) netip.Addr { return in.arrivals[:in.n][i].local }

// begin empties in for a batch of the given socket.
func (in *Inbox) begin(socket int) { in.n, in.socket = 0, socket }

// deliver appends the datagram in slot.
func (in *Inbox) deliver(slot, size int, source netip.AddrPort, local netip.Addr) {
	in.arrivals[in.n] = arrival{source: source, local: local, slot: uint16(slot), size: uint16(size)}
	in.n++
}

// slot returns the memory of slot i.
func (in *Inbox) slot(i int) []byte { return in.slots[i*in.room : (i+1)*in.room] }

func clampBatch(batch int) int {
	if batch <= 0 {
		return defaultBatch
	}
	return min(batch, maxBatch)
}
