package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// packet receives as mmsg does, and sends past the kernel's UDP and IP: each datagram is put into a frame here and handed
// to the link's driver by a packet socket (packet(7)). What it saves of every datagram is the choice of a route, the search
// for the neighbour, the firewall on the way out, and the queueing discipline: more than half of the path.
//
// It is no PACKET_TX_RING, on purpose. The ring lends its memory to the frames, and a link that keeps a frame for longer
// than the call, as veth does until the receiver gets to it, has to copy it to a page of its own first (skb_orphan_frags,
// net/core/skbuff.c), while the receiver's processor writes back into the ring that it is done
// (tpacket_destruct_skb, net/packet/af_packet.c). That costs more than the copy by sendmmsg, which goes right behind the
// header of a small buffer.
//
// Receiving is left to bound sockets. They cost less than a second copy of everything that arrives, and as somebody is
// bound where the answers go, the kernel does not tell the target that nobody is (ICMP port unreachable).
type packet struct {
	*mmsg
	exit    socket // the packet socket
	hop     Hop
	framer  framer
	headers []mmsghdr
	iovecs  []unix.Iovec
	frames  []byte // one of frameRoom bytes for each header
}

// OpenPacket is OpenMmsg, but that what is sent goes to the given next hop, whatever the destination, without passing the
// kernel's UDP and IP: neither routes nor firewall nor connection tracking of this machine's way out see it. So any source
// address may be named; whether answers come back to it is the caller's business. A target on this machine cannot be
// reached so.
//
// Datagrams that the link drops for want of room count as sent, as the kernel's UDP has it (udp_send_skb,
// net/ipv4/udp.c): a full queue of a link is a loss on the way. It needs CAP_NET_RAW.
func OpenPacket(listen []netip.AddrPort, hop Hop, o Options) (Transport, error) {
	t, err := OpenMmsg(listen, o)
	if err != nil {
		return nil, err
	}
	p := &packet{mmsg: t.(*mmsg), hop: hop, framer: newFramer(&hop), exit: socket{fd: -1, lossy: true}}
	if p.exit.fd, err = openExit(hop.Interface); err != nil {
		return nil, errors.Join(fmt.Errorf("open packet socket: %w", err), p.Close())
	}
	if err := p.exit.setBuffers(Options{SendBuffer: o.SendBuffer}); err != nil {
		return nil, errors.Join(fmt.Errorf("open packet socket: %w", err), p.Close())
	}
	p.wire()
	return p, nil
}

// openExit opens a packet socket that only sends, to one link.
func openExit(link int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // protocol 0 receives nothing
	if errors.Is(err, unix.EPERM) {
		return -1, fmt.Errorf("%w: it needs CAP_NET_RAW: run as root, or once: setcap cap_net_raw+ep PROGRAM",
			os.NewSyscallError("socket", err))
	}
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	for _, option := range []struct {
		name   string
		number int
	}{{"PACKET_QDISC_BYPASS", unix.PACKET_QDISC_BYPASS}, {"PACKET_VNET_HDR", unix.PACKET_VNET_HDR}} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, option.number, 1); err != nil {
			return -1, errors.Join(os.NewSyscallError("setsockopt "+option.name, err), unix.Close(fd))
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link}); err != nil {
		return -1, errors.Join(os.NewSyscallError("bind", err), unix.Close(fd))
	}
	return fd, nil
}

// wire points the headers at the frames, once.
func (p *packet) wire() {
	p.headers, p.iovecs = make([]mmsghdr, p.batch), make([]unix.Iovec, p.batch)
	p.frames = make([]byte, p.batch*frameRoom)
	for i := range p.headers {
		p.iovecs[i].Base = &p.frames[i*frameRoom]
		p.headers[i].hdr.Iov = &p.iovecs[i]
		p.headers[i].hdr.SetIovlen(1)
	}
}

// Send puts the datagrams into frames and makes one system call for them. They come from the port of the socket, and from
// the address that they name, or else the socket's, or else the hop's.
func (p *packet) Send(out *Outbox, socket int) {
	s := p.sockets[socket]
	for queued := out.queued(); len(queued) > 0; {
		batch := queued[:min(len(queued), len(p.headers))]
		queued = queued[len(batch):]
		n := 0
		if !p.closed {
			n = p.frame(batch, s)
		}
		if unfit := len(batch) - n; unfit > 0 {
			p.counts.other.Add(uint64(unfit))
		}
		p.transmit(&p.exit, p.headers[:n])
	}
	out.empty()
}

// frame fills frames, without gaps, for what of the batch can leave through s, and returns how many those are.
func (p *packet) frame(batch []departure, s *socket) (n int) {
	port, fallback := s.local.Port(), s.local.Addr()
	if s.wildcard {
		fallback = p.hop.Source
	}
	p.exit.overhead = headers6
	if s.is4 {
		p.exit.overhead = headers4
	}
	for i := range batch {
		d := &batch[i]
		from := d.from
		if !from.IsValid() {
			from = fallback
		}
		if !s.speaksTo(d) || from.Is4() != s.is4 || d.to.Port() == 0 || len(d.payload) > MaxDatagram {
			continue
		}
		b := p.frames[n*frameRoom : (n+1)*frameRoom]
		p.iovecs[n].SetLen(p.framer.frame(b, from, port, d.to, d.payload))
		n++
	}
	return n
}

func (p *packet) Close() error {
	fd := -1
	p.mu.Lock()
	if !p.closed {
		fd = p.exit.fd
	}
	p.mu.Unlock()
	err := p.mmsg.Close()
	if fd >= 0 {
		err = errors.Join(err, os.NewSyscallError("close", unix.Close(fd)))
	}
	return err
}

// lostOnLink says whether what a socket refused counts as sent: the link had no room for it.
func (s *socket) lostOnLink(errno syscall.Errno) bool { return s.lossy && errno == unix.ENOBUFS }
