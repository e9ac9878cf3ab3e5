package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// portable is the backend for every system: the net package's sockets, one system call a datagram.
//
// The net package can wait for one socket only, so a goroutine a socket reads ahead, up to a batch, into
// a queue that Receive empties. When the queue is full the reader stops and the kernel's buffer fills,
// as it would without the queue.
type portable struct {
	locals  []netip.AddrPort
	sockets []*netSocket
	next    int // where Receive looks first
	batch   int
	ready   chan struct{} // of capacity 1: some queue may have something
	wake    chan struct{} // of capacity 1
	closing chan struct{}
	timer   *time.Timer
	readers sync.WaitGroup
	counts  counters
}

var _ Transport = (*portable)(nil)

// netSocket is a socket and its queue. Datagrams go round between two channels, each large enough for
// all of them.
type netSocket struct {
	conn       *net.UDPConn
	is4        bool
	answerFrom netip.Addr // what Inbox.Local says
	full, free chan *netDatagram
}

type netDatagram struct {
	source  netip.AddrPort
	size    int
	payload [MaxDatagram]byte
}

// OpenNet opens UDP sockets bound to the addresses in listen, on any system, with the net package. It
// is slower than OpenMmsg, and weaker in one point: on a socket bound to a wildcard address Inbox.Local
// is zero, and the kernel chooses the address that a reply leaves from. Listen on each address by name
// where that matters. An error names the address.
func OpenNet(listen []netip.AddrPort, o Options) (Transport, error) {
	listen, o, err := prepare(listen, o)
	if err != nil {
		return nil, err
	}
	p := &portable{
		batch:   o.Batch,
		ready:   make(chan struct{}, 1),
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		timer:   time.NewTimer(time.Hour),
	}
	p.timer.Stop()
	for _, addr := range listen {
		s, err := listenNet(addr, o)
		if err != nil {
			return nil, errors.Join(listenError(addr, err), p.Close())
		}
		p.sockets = append(p.sockets, s)
		local := s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
		p.locals = append(p.locals, netip.AddrPortFrom(local.Addr().Unmap(), local.Port()))
		p.readers.Go(func() { p.read(s) })
	}
	return p, nil
}

func listenNet(addr netip.AddrPort, o Options) (*netSocket, error) {
	network := "udp6"
	if addr.Addr().Is4() {
		network = "udp4"
	}
	var lc net.ListenConfig
	if o.ReusePort {
		lc.Control = reusePort
	}
	pc, err := lc.ListenPacket(context.Background(), network, addr.String())
	if err != nil {
		return nil, err
	}
	s := &netSocket{
		conn: pc.(*net.UDPConn),
		is4:  addr.Addr().Is4(),
		full: make(chan *netDatagram, o.Batch),
		free: make(chan *netDatagram, o.Batch),
	}
	if o.LocalAddr && !addr.Addr().IsUnspecified() {
		s.answerFrom = addr.Addr()
	}
	for range o.Batch {
		s.free <- new(netDatagram)
	}
	if err := s.setBuffers(o); err != nil {
		return nil, errors.Join(err, s.conn.Close())
	}
	return s, nil
}

func (s *netSocket) setBuffers(o Options) error {
	if o.ReceiveBuffer > 0 {
		if err := s.conn.SetReadBuffer(o.ReceiveBuffer); err != nil {
			return fmt.Errorf("set receive buffer to %d bytes: %w", o.ReceiveBuffer, err)
		}
	}
	if o.SendBuffer > 0 {
		if err := s.conn.SetWriteBuffer(o.SendBuffer); err != nil {
			return fmt.Errorf("set send buffer to %d bytes: %w", o.SendBuffer, err)
		}
	}
	return nil
}

// read fills the queue of s until the socket is closed. It reads into a buffer that no datagram
// outgrows: the one sure way, on every system, to learn that a datagram was too long.
func (p *portable) read(s *netSocket) {
	buf := make([]byte, 1<<16)
	for failures := 0; ; {
		n, source, err := s.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			p.counts.receiveErrors.Add(1)
			if failures++; failures > 16 { // an ICMP error comes alone; this does not pass: do not spin
				time.Sleep(time.Millisecond)
			}
			continue
		}
		failures = 0
		if n > MaxDatagram {
			p.counts.truncated.Add(1)
			continue
		}
		if !p.enqueue(s, buf[:n], source) {
			return
		}
	}
}

// enqueue waits for room in the queue; false says that the transport is being closed.
func (p *portable) enqueue(s *netSocket, payload []byte, source netip.AddrPort) bool {
	select {
	case d := <-s.free:
		d.size = copy(d.payload[:], payload)
		d.source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
		s.full <- d
		signal(p.ready)
		return true
	case <-p.closing:
		return false
	}
}

func (p *portable) Local() []netip.AddrPort { return p.locals }

func (p *portable) Receive(in *Inbox, d time.Duration) (int, error) {
	if p.closed() {
		return 0, errClosed
	}
	in.begin(p.next)
	var expired <-chan time.Time
	if d > 0 {
		p.timer.Reset(d)
		defer p.timer.Stop()
		expired = p.timer.C
	}
	for {
		if n := p.collect(in); n > 0 || d == 0 {
			return n, nil
		}
		select {
		case <-p.ready:
		case <-p.wake:
			return 0, nil
		case <-expired:
			return 0, nil
		}
	}
}

// collect takes a batch from the first socket that has any, in turn.
func (p *portable) collect(in *Inbox) int {
	for k := range p.sockets {
		i := (p.next + k) % len(p.sockets)
		if n := p.sockets[i].take(in, i, p.batch, &p.counts); n > 0 {
			p.next = (i + 1) % len(p.sockets)
			return n
		}
	}
	return 0
}

func (s *netSocket) take(in *Inbox, socket, batch int, c *counters) int {
	in.begin(socket)
	bytes := 0
	for slot := range min(batch, len(in.arrivals), len(s.full)) {
		d := <-s.full
		copy(in.slot(slot), d.payload[:d.size])
		in.deliver(slot, d.size, d.source, s.answerFrom)
		bytes += d.size
		s.free <- d
	}
	c.arrived(in.n, in.n, bytes)
	return in.n
}

func (p *portable) Send(out *Outbox, socket int) {
	s := p.sockets[socket]
	sent, bytes := 0, 0
	for i := range out.queued() {
		d := &out.departures[i]
		if d.to.Addr().Is4() != s.is4 || !d.to.IsValid() {
			p.counts.other.Add(1)
			continue
		}
		if _, err := s.conn.WriteToUDPAddrPort(d.payload, d.to); err != nil {
			var errno syscall.Errno // stays 0, counted as other, for what is not the kernel's
			errors.As(err, &errno)
			p.counts.refused(errno)
			continue
		}
		sent, bytes = sent+1, bytes+len(d.payload)
	}
	p.counts.departed(sent, sent, bytes)
	out.empty()
}

func (p *portable) Wake() { signal(p.wake) }

func (p *portable) Stats() Stats { return p.counts.stats() }

func (p *portable) closed() bool {
	select {
	case <-p.closing:
		return true
	default:
		return false
	}
}

// Close waits for the readers to have gone.
func (p *portable) Close() error {
	if p.closed() {
		return nil
	}
	close(p.closing)
	var errs []error
	for _, s := range p.sockets {
		errs = append(errs, s.conn.Close())
	}
	p.readers.Wait()
	return errors.Join(errs...)
}

// signal makes a receive from c succeed, now or next.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
