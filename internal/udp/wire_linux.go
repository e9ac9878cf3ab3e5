package udp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2); Go pads it as C does.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32 // bytes received or sent
}

// envelope is what the header of one datagram points at.
type envelope struct {
	iov     unix.Iovec
	control control
	name    sockaddr
}

// wire is a batch as the kernel sees it: headers wired once to their envelopes. A call changes lengths,
// and the payloads of what is sent. Everything is on the heap, where Go moves nothing, and the pointers
// are real ones, so the garbage collector sees what the kernel will write to.
type wire struct {
	headers   []mmsghdr
	envelopes []envelope
}

func newWire(batch int) wire {
	w := wire{headers: make([]mmsghdr, batch), envelopes: make([]envelope, batch)}
	for i := range w.headers {
		h, e := &w.headers[i].hdr, &w.envelopes[i]
		h.Name = &e.name[0]
		h.Iov = &e.iov
		h.SetIovlen(1)
		h.Control = &e.control[0]
	}
	return w
}

// armInbox points each header at its slot of so many bytes.
func (w *wire) armInbox(slots []byte, room int) {
	for i := range w.headers {
		e := &w.envelopes[i]
		e.iov.Base = &slots[i*room]
		e.iov.SetLen(room)
		w.arm(i)
	}
}

// arm gives header i the lengths that the kernel overwrites when it receives.
func (w *wire) arm(i int) {
	h := &w.headers[i].hdr
	h.Namelen = uint32(len(w.envelopes[i].name))
	h.SetControllen(controlSize)
}

// open decodes the first n headers into the deliveries of in, and arms them again. It leaves out
// datagrams longer than their slot, and sources that are no Internet addresses, of which there are none.
func (in *Inbox) open(n int, s *socket, z *zones) (bytes, truncated int) {
	w := &in.wire
	for i := range n {
		h, e := &w.headers[i], &w.envelopes[i]
		flags := h.hdr.Flags
		source, scope, ok := e.name.parse(h.hdr.Namelen)
		local := s.answerFrom
		if s.wildcard {
			addr, scope := e.control.parse(int(min(h.hdr.Controllen, controlSize)))
			local = z.with(addr, scope)
		}
		w.arm(i)
		if flags&unix.MSG_TRUNC != 0 {
			truncated++
			continue
		}
		if !ok {
			continue
		}
		if scope != 0 {
			source = zoned(source, scope, z)
		}
		in.deliver(i, int(h.len), source, local)
		bytes += int(h.len)
	}
	return bytes, truncated
}

// address fills in the headers for the datagrams queued in out that can leave through s, and returns
// how many those are. Headers are filled without gaps, so one call can send them all.
func (out *Outbox) address(s *socket, z *zones) (n int) {
	for i := range out.queued() {
		d := &out.departures[i]
		h, e := &out.wire.headers[n].hdr, &out.wire.envelopes[n]
		toScope, toKnown := z.scope(d.to.Addr())
		fromScope, fromKnown := z.scope(d.from)
		if !toKnown || !fromKnown || !s.speaksTo(d) {
			continue
		}
		e.iov.Base = unsafe.SliceData(d.payload)
		e.iov.SetLen(len(d.payload))
		h.Namelen = e.name.put(d.to, toScope)
		controlLen := 0
		if d.from.IsValid() && d.from != s.local.Addr() { // a bound address is the kernel's choice anyway
			controlLen = e.control.put(d.from, fromScope)
		}
		h.SetControllen(controlLen)
		n++
	}
	return n
}

// speaksTo says whether the addresses of d are of the socket's family.
func (s *socket) speaksTo(d *departure) bool {
	if !d.to.IsValid() || d.to.Addr().Is4() != s.is4 {
		return false
	}
	return !d.from.IsValid() || d.from.Is4() == s.is4
}
