package udp

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// packet receives as mmsg does, and sends past the kernel's UDP and IP: each datagram is put into a frame here, and a packet
// socket hands a batch of frames to the link's driver. What that saves of every datagram is the choice of a route, the
// search for the neighbour, the firewall on the way out, the queueing discipline, and the copying in of addresses and
// control messages: more than half of the path.
//
// Receiving is left to bound sockets. They cost less than a second copy of everything that arrives, and as somebody is
// bound where the answers go, the kernel does not tell the target that nobody is (ICMP port unreachable).
type packet struct {
	*mmsg
	ring   *txRing
	hop    Hop
	framer framer
}

// OpenPacket is OpenMmsg, but that what is sent goes to the given next hop, whatever the destination, without passing the
// kernel's UDP and IP: neither routes nor firewall nor connection tracking of this machine's way out see it. So any source
// address may be named; whether answers come back to it is the caller's business. A target on this machine cannot be
// reached so. It needs CAP_NET_RAW, and says so.
//
// Datagrams that the link drops for want of room count as sent, as the kernel's UDP has it (udp_send_skb,
// net/ipv4/udp.c): a full queue of a link is a loss on the way.
func OpenPacket(listen []netip.AddrPort, hop Hop, o Options) (Transport, error) {
	t, err := OpenMmsg(listen, o)
	if err != nil {
		return nil, err
	}
	p := &packet{mmsg: t.(*mmsg), hop: hop, framer: newFramer(&hop)}
	if p.ring, err = openRing(hop.Interface, o.SendBuffer); err != nil {
		mend := ""
		if errors.Is(err, unix.EPERM) {
			mend = ": it needs CAP_NET_RAW: run as root, or once: setcap cap_net_raw+ep PROGRAM"
		}
		return nil, errors.Join(fmt.Errorf("open packet socket: %w%s", err, mend), p.mmsg.Close())
	}
	return p, nil
}

// Send puts the datagrams into frames and makes one system call for them, and one more for each that is refused. They come
// from the port of the socket, and from the address that they name, or else the socket's, or else the hop's.
func (p *packet) Send(out *Outbox, socket int) {
	s := p.sockets[socket]
	for queued := out.queued(); len(queued) > 0 && !p.closed; {
		batch := queued[:min(len(queued), p.batch)]
		queued = queued[len(batch):]
		first := p.ring.next
		n, bytes := p.fill(batch, s)
		p.transmit(first, n, bytes)
	}
	out.empty()
}

// fill writes frames of what of the batch can leave through s, counts what cannot, and returns how many frames there are,
// and the bytes of their payloads.
func (p *packet) fill(batch []departure, s *socket) (n, bytes int) {
	port, fallback, ipSize := s.local.Port(), s.local.Addr(), ip6Size
	if s.wildcard {
		fallback = p.hop.Source
	}
	if s.is4 {
		ipSize = ip4Size
	}
	unfit, full := 0, 0
	for i := range batch {
		d := &batch[i]
		from := d.from
		if !from.IsValid() {
			from = fallback
		}
		if !s.speaksTo(d) || from.Is4() != s.is4 || d.to.Port() == 0 ||
			len(d.payload) > min(MaxDatagram, p.hop.MTU-ipSize-udpSize) {
			unfit++
			continue
		}
		room := p.ring.room()
		if room == nil { // A wait would let a receiver that has stalled hold back the sender.
			full++
			continue
		}
		p.ring.add(p.framer.frame(room, from, port, d.to, d.payload))
		n, bytes = n+1, bytes+len(d.payload)
	}
	if unfit > 0 {
		p.counts.other.Add(uint64(unfit))
	}
	if full > 0 {
		p.counts.noBuffer.Add(uint64(full))
		p.ring.flush() // it may be full of what was spoiled while the link was down, and has not been skipped yet
	}
	return n, bytes
}

// transmit sends the n frames from slot first on, with so many bytes of payload.
func (p *packet) transmit(first, n, bytes int) {
	calls, sent, mayWait := 0, n, true
	for done := 0; done < n; {
		errno := p.ring.flush()
		calls++
		if done += p.ring.pending(first+done, n-done); done == n {
			break
		}
		if errno == unix.ENOBUFS { // lost on the link
			p.ring.spoil(first + done)
			continue
		}
		if (errno == 0 || errno == unix.EAGAIN) && mayWait { // no room in the send buffer
			mayWait = p.waitWritable()
			continue
		}
		if errno == 0 {
			errno = unix.EAGAIN
		}
		// Whatever else it is, it is not about this frame alone: the link is down, or gone.
		for ; done < n; done++ {
			p.ring.spoil(first + done)
			p.counts.refused(errno)
			sent, bytes = sent-1, bytes-p.ring.payload(first+done)
		}
	}
	p.counts.departed(calls, sent, bytes)
}

// waitWritable waits a little for room, and says whether there is some.
func (p *packet) waitWritable() bool { return (&socket{fd: p.ring.fd}).waitWritable() }

func (p *packet) Close() error {
	wasClosed := p.closed // written by this goroutine only
	err := p.mmsg.Close()
	if !wasClosed {
		err = errors.Join(err, p.ring.close())
	}
	return err
}
