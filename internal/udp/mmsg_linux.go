package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// patience is how many batches in a row one socket may give before the others are looked at.
	patience = 8
	// nap is how long Receive waits in a system call before it lets Go's scheduler park it; see syscall_linux.go.
	nap = 5 * time.Millisecond
	// sendWait bounds how long one Send waits for room in the send buffer.
	sendWait = 10 * time.Millisecond
)

// mmsg is the Linux backend: recvmmsg and sendmmsg on sockets that Go's network poller knows nothing of.
type mmsg struct {
	locals  []netip.AddrPort
	sockets []*socket
	polled  []unix.PollFd // the sockets, in order, and last the eventfd of Wake
	lot     *lot          // where to wait for long
	batch   int
	current int // the socket that gave the last batch
	streak  int // batches it gave since all were polled
	zones   zones
	counts  counters

	// Held by Wake, Stats and Close, which may meet; never on the packet path. closed is written under
	// it by the goroutine that also receives, which may therefore read it without.
	mu     sync.Mutex
	closed bool
	drops  uint64
}

var _ Transport = (*mmsg)(nil)

// OpenMmsg opens UDP sockets bound to the addresses in listen, on Linux with recvmmsg and sendmmsg. An
// error names the address; errors.Is finds the cause, such as syscall.EADDRINUSE, or
// syscall.EAFNOSUPPORT where the system has no IPv6. On other systems it returns
// errors.ErrUnsupported.
func OpenMmsg(listen []netip.AddrPort, o Options) (Transport, error) {
	listen, o, err := prepare(listen, o)
	if err != nil {
		return nil, err
	}
	m := &mmsg{batch: o.Batch}
	for _, addr := range listen {
		s, err := openSocket(addr, o, &m.zones)
		if err != nil {
			return nil, errors.Join(listenError(addr, err), m.Close())
		}
		m.sockets = append(m.sockets, s)
		m.locals = append(m.locals, s.local)
		m.polled = append(m.polled, unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN})
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open UDP sockets: %w", os.NewSyscallError("eventfd", err)), m.Close())
	}
	m.polled = append(m.polled, unix.PollFd{Fd: int32(event), Events: unix.POLLIN})
	if m.lot, err = newLot(m.polled); err != nil {
		return nil, errors.Join(fmt.Errorf("open UDP sockets: %w", err), m.Close())
	}
	return m, nil
}

func (m *mmsg) Local() []netip.AddrPort { return m.locals }

// Receive first reads from the socket that gave the last batch, as on a busy node that has more, and so
// a batch costs one system call. When it is empty, or has had its turn, one ppoll asks after all the
// sockets at once, waiting if it has to, and the next one in order that is ready gets its turn. So n busy
// sockets share the thread evenly, and idle ones cost one ppoll every few batches.
func (m *mmsg) Receive(in *Inbox, d time.Duration) (int, error) {
	if m.closed {
		return 0, errClosed
	}
	if m.streak < patience || len(m.sockets) == 1 {
		m.streak++
		n, empty, err := m.read(in)
		if !empty {
			return n, err
		}
		if d == 0 && len(m.sockets) == 1 {
			return 0, nil
		}
	}
	rest := newRest(d)
	for {
		ready, woken, err := m.wait(&rest)
		if err != nil || !ready {
			return 0, err
		}
		n, empty, err := m.read(in)
		if !empty || woken || d == 0 {
			return n, err
		}
	}
}

// rest is the waiting that one Receive may do: a nap first, then the remainder.
type rest struct {
	nap     unix.Timespec // what is left of it
	long    time.Duration // after the nap
	endless bool
	until   time.Time // when long is over, once it has begun
}

func newRest(d time.Duration) rest {
	if d < 0 {
		return rest{nap: unix.NsecToTimespec(int64(nap)), endless: true}
	}
	first := min(d, nap)
	return rest{nap: unix.NsecToTimespec(int64(first)), long: d - first}
}

// poll waits for an event, and takes from r what it waited.
func (m *mmsg) poll(r *rest) (n int, err error) {
	for {
		n, errno := ppollNap(m.polled, &r.nap)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return 0, os.NewSyscallError("ppoll", errno)
		case n != 0 || !r.endless && r.long == 0:
			return n, nil
		case r.until.IsZero() && !r.endless:
			r.until = time.Now().Add(r.long)
		}
		if err := m.lot.wait(r.until); err != nil {
			return 0, err
		}
		if !r.endless { // the next look, for which no nap is left, is the last if nothing has come
			r.long = max(0, time.Until(r.until))
		}
	}
}

// wait waits for any socket to be ready and makes that one, after the current one in order, current. It
// reports false when the wait is over without that.
func (m *mmsg) wait(r *rest) (ready, woken bool, err error) {
	m.streak = 1
	n, err := m.poll(r)
	if err != nil {
		return false, false, fmt.Errorf("receive datagrams: %w", err)
	}
	if n == 0 {
		return false, false, nil
	}
	if m.polled[len(m.sockets)].Revents != 0 {
		woken = true
		reset(m.event())
	}
	for k := range m.sockets {
		i := (m.current + 1 + k) % len(m.sockets)
		if m.polled[i].Revents != 0 {
			m.current = i
			return true, woken, nil
		}
	}
	return false, woken, nil
}

// read receives one batch from the current socket; empty says that there was nothing to receive.
func (m *mmsg) read(in *Inbox) (delivered int, empty bool, err error) {
	s := m.sockets[m.current]
	in.begin(m.current)
	headers := in.wire.headers
	n, errno := recvmmsg(s.fd, headers[:min(m.batch, len(headers))])
	switch {
	case errno == unix.EAGAIN:
		return 0, true, nil
	case errno != 0 && passing(errno):
		m.counts.receiveErrors.Add(1)
		return 0, false, nil
	case errno != 0:
		return 0, false, fmt.Errorf("receive on UDP %v: %w", s.local, os.NewSyscallError("recvmmsg", errno))
	}
	bytes, truncated := in.open(n, s, &m.zones)
	m.counts.arrived(1, in.n, bytes)
	if truncated > 0 {
		m.counts.truncated.Add(uint64(truncated))
	}
	return in.n, false, nil
}

// passing says whether an error of receiving leaves the socket good. ICMP errors do; on unconnected
// sockets Linux reports them only if asked to, but it costs nothing to be sure.
func passing(errno syscall.Errno) bool {
	switch errno {
	case unix.EINTR, unix.ECONNREFUSED, unix.ECONNRESET, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN,
		unix.ENETDOWN, unix.EPROTO, unix.ENOPROTOOPT, unix.EMSGSIZE, unix.EACCES, unix.EPERM,
		unix.ENOBUFS, unix.ENOMEM:
		return true
	}
	return false
}

// Send makes one system call for the whole batch, and two more for each datagram that is refused:
// sendmmsg stops at it, then says why.
func (m *mmsg) Send(out *Outbox, socket int) {
	s := m.sockets[socket]
	n := 0
	if !m.closed { // a closed descriptor's number may be another file's by now
		n = out.address(s, &m.zones)
	}
	if unfit := out.n - n; unfit > 0 {
		m.counts.other.Add(uint64(unfit))
	}
	m.transmit(s, out.wire.headers[:n])
	out.empty()
}

func (m *mmsg) transmit(s *socket, headers []mmsghdr) {
	calls, sent, bytes, mayWait := 0, 0, 0, true
	for len(headers) > 0 {
		n, errno := sendmmsg(s.fd, headers[:min(m.batch, len(headers))])
		if n > 0 {
			for i := range headers[:n] {
				bytes += int(headers[i].len)
			}
			calls, sent = calls+1, sent+n
			headers = headers[n:]
			continue
		}
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN && mayWait:
			// Once a wait was in vain the rest of the batch is not worth another.
			mayWait = s.waitWritable()
			continue
		}
		m.counts.refused(errno)
		headers = headers[1:]
	}
	m.counts.departed(calls, sent, bytes)
}

// waitWritable waits, for sendWait at most, for room in the send buffer, and says whether there is some.
func (s *socket) waitWritable() bool {
	limit := unix.NsecToTimespec(int64(sendWait))
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}
	n, errno := ppollNap(fds, &limit)
	for errno == unix.EINTR {
		n, errno = ppollNap(fds, &limit)
	}
	return errno == 0 && n > 0 && fds[0].Revents&unix.POLLOUT != 0
}

// event is the eventfd of Wake.
func (m *mmsg) event() int { return int(m.polled[len(m.sockets)].Fd) }

func (m *mmsg) Wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		notify(m.event())
	}
}

func (m *mmsg) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.counts.stats()
	s.BufferDrops = m.readDrops()
	return s
}

// readDrops returns the sockets' drops; after Close, the last known. The caller holds mu.
func (m *mmsg) readDrops() uint64 {
	if !m.closed {
		for _, s := range m.sockets {
			m.drops += s.newDrops()
		}
	}
	return m.drops
}

func (m *mmsg) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.readDrops()
	m.closed = true
	var errs []error
	if m.lot != nil {
		errs = append(errs, m.lot.close())
	}
	for i := range m.polled {
		errs = append(errs, os.NewSyscallError("close", unix.Close(int(m.polled[i].Fd))))
	}
	return errors.Join(errs...)
}
