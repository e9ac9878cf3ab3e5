package udp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// xdp sends as packet does, and receives what the target sends before the kernel's IP and UDP: a program at the link's driver
// puts it into a ring that is shared with the kernel. What that saves of every datagram is the way through the kernel's stack
// to a socket, and a message header, an address and a control message copied out of it.
//
// The bound sockets stay: they keep the ports, and receive what the program leaves to the kernel.
type xdp struct {
	*packet
	rx    *rxRing
	steer io.Closer
	from  netip.AddrPort // whom all that is in the ring comes from
	last  int            // the socket that the last frame of the ring was for
	fed   int            // datagrams out of the ring since the sockets had a look
	drops uint64         // of the ring, when it was closed
}

// OpenXDP is OpenPacket, but that what comes from the target through the hop's link does not pass the kernel's UDP and IP
// either, nor this machine's firewall and connection tracking. What redirect leaves to the kernel arrives all the same,
// through the sockets: fragments, what comes by another queue of the link, or from anybody else. A checksum of UDP that is
// wrong is found by the kernel only. The sockets must be of the target's family, and what is needed is what OpenPacket needs, and
// redirect.
//
// No system call moves what comes out of the ring, so Stats.ReceiveCalls does not count it.
func OpenXDP(listen []netip.AddrPort, hop Hop, target netip.AddrPort, redirect Redirect, o Options) (Transport, error) {
	t, err := OpenPacket(listen, hop, o)
	if err != nil {
		return nil, err
	}
	x := &xdp{packet: t.(*packet), from: netip.AddrPortFrom(target.Addr().Unmap(), target.Port())}
	if err := x.receive(redirect); err != nil {
		return nil, errors.Join(fmt.Errorf("open AF_XDP socket: %w", err), x.Close())
	}
	return x, nil
}

func (x *xdp) receive(redirect Redirect) (err error) {
	for _, s := range x.sockets {
		if s.is4 != x.from.Addr().Is4() {
			return fmt.Errorf("a socket is bound to %v, which is not of the target's family", s.local)
		}
	}
	if x.rx, err = openRxRing(); err != nil {
		return err
	}
	// Behind the eventfd: with the others it is waited for, and closed.
	x.polled = append(x.polled, unix.PollFd{Fd: int32(x.rx.fd), Events: unix.POLLIN})
	x.lot.polled = x.polled
	if err := x.rx.bind(x.hop.Interface); err != nil {
		return err
	}
	x.steer, err = redirect(x.hop.Interface, x.rx.fd, x.hop.Local, x.from, x.locals, longestFrame)
	return err
}

// Receive first looks into the ring, which costs no system call. The sockets get a look when it is empty, and after as many
// datagrams as a few whole batches have.
func (x *xdp) Receive(in *Inbox, d time.Duration) (int, error) {
	if x.closed {
		return 0, errClosed
	}
	if x.fed < patience*min(x.batch, len(in.arrivals)) {
		if n := x.take(in); n > 0 {
			x.fed += n
			return n, nil
		}
	}
	x.fed = 0
	for rest := newRest(d); ; {
		ready, woken, err := x.wait(&rest)
		if err != nil {
			return 0, err
		}
		if ready {
			if n, empty, err := x.read(in); !empty {
				return n, err
			}
		}
		if n := x.take(in); n > 0 || !ready || woken || d == 0 {
			return n, nil
		}
	}
}

// take delivers a batch out of the ring, all for one socket.
func (x *xdp) take(in *Inbox) int {
	waiting := min(x.rx.waiting(), x.batch, len(in.arrivals))
	if waiting == 0 {
		return 0
	}
	bytes, spoilt, truncated := 0, 0, 0
	in.begin(x.last)
	for range waiting {
		d, ok := x.open(x.rx.front())
		if ok && d.socket != x.last {
			if in.n > 0 {
				break // it is the next batch's
			}
			x.last = d.socket
			in.begin(d.socket)
		}
		x.rx.take()
		switch {
		case !ok:
			spoilt++
		case len(d.payload) > in.room:
			truncated++
		default:
			copy(in.slot(in.n), d.payload)
			bytes += len(d.payload)
			in.deliver(in.n, len(d.payload), d.source, d.local)
		}
	}
	x.rx.giveBack()
	x.counts.arrived(0, in.n, bytes)
	if truncated > 0 {
		x.counts.truncated.Add(uint64(truncated))
	}
	if spoilt > 0 {
		x.counts.receiveErrors.Add(uint64(spoilt))
	}
	return in.n
}

// opened is a datagram in its frame.
type opened struct {
	socket  int
	source  netip.AddrPort
	local   netip.Addr // as Inbox.Local has it
	payload []byte
}

// open finds the datagram in a frame, of which redirect has seen to all but its length. ok is false if it is cut short.
func (x *xdp) open(frame []byte) (d opened, ok bool) {
	var source netip.Addr
	var udp []byte
	if ip := frame[ethernetSize:]; x.from.Addr().Is4() {
		source, d.local = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
		udp = ip[ip4Size:]
	} else {
		source, d.local = x.linked(netip.AddrFrom16([16]byte(ip[8:24]))), x.linked(netip.AddrFrom16([16]byte(ip[24:40])))
		udp = ip[ip6Size:]
	}
	d.source = netip.AddrPortFrom(source, binary.BigEndian.Uint16(udp))
	d.socket = x.socketFor(d.local, binary.BigEndian.Uint16(udp[2:]))
	length := int(binary.BigEndian.Uint16(udp[4:]))
	if length < udpSize || length > len(udp) || d.socket < 0 {
		return d, false
	}
	if s := x.sockets[d.socket]; !s.wildcard {
		d.local = s.answerFrom
	}
	d.payload = udp[udpSize:length]
	return d, true
}

// socketFor is the number of the socket that an address and port of ours belongs to, mostly that of the last datagram, or -1.
func (x *xdp) socketFor(local netip.Addr, port uint16) int {
	belongs := func(s *socket) bool {
		return s.local.Port() == port && (s.wildcard || s.local.Addr() == local)
	}
	if belongs(x.sockets[x.last]) {
		return x.last
	}
	return slices.IndexFunc(x.sockets, belongs)
}

// linked gives a link-local address the zone of our link.
func (x *xdp) linked(a netip.Addr) netip.Addr {
	if !a.IsLinkLocalUnicast() {
		return a
	}
	return x.zones.with(a, uint32(x.hop.Interface))
}

// Stats counts what the ring had no room for with the sockets' drops.
func (x *xdp) Stats() Stats {
	s := x.packet.Stats()
	x.mu.Lock()
	defer x.mu.Unlock()
	s.BufferDrops += x.readRing()
	return s
}

// readRing returns the ring's drops; after Close, the last known. The caller holds mu.
func (x *xdp) readRing() uint64 {
	if !x.closed && x.rx != nil {
		x.drops = x.rx.drops()
	}
	return x.drops
}

// Close ends the redirection before there is nobody to receive it.
func (x *xdp) Close() error {
	if x.closed { // written by this goroutine only
		return nil
	}
	var errs []error
	if x.steer != nil {
		errs = append(errs, x.steer.Close())
	}
	x.mu.Lock()
	x.readRing()
	x.mu.Unlock()
	errs = append(errs, x.packet.Close()) // the ring's socket, too
	if x.rx != nil {
		errs = append(errs, x.rx.unmap())
	}
	return errors.Join(errs...)
}
