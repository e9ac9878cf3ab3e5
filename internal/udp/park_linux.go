package udp

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lot is where a thread waits for datagrams when none have come for a while: parked by Go's scheduler, as a goroutine
// that reads from a network connection is. It costs three thread switches where a system call that waits costs one. But
// Go's monitor thread takes the processor from every call that it finds waiting, and each time that such a call
// returns, it looks after its processors every 20 µs for the next millisecond or more: 60 switches for each datagram,
// or each turn of a timer, of a node that has nothing to do (runtime/proc.go, sysmon). Who is parked does not wake it.
//
// The sockets are in an epoll instance of their own, and that one is known to Go's network poller. It is empty but
// while somebody waits, so that a socket which is busy does not wake the poller for each datagram.
type lot struct {
	polled []unix.PollFd // what to wait for
	epoll  int
	file   *os.File
	conn   syscall.RawConn
	attend func(uintptr) bool // arrive, made once
	asked  bool
	err    error
}

func newLot(polled []unix.PollFd) (*lot, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or os.NewFile would keep it from the poller
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fd))
	}
	p := &lot{polled: polled, epoll: fd, file: os.NewFile(uintptr(fd), "epoll")}
	if p.conn, err = p.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	p.attend = p.arrive
	return p, nil
}

// wait returns when there is something to be read, or until has come; the zero time never comes.
func (p *lot) wait(until time.Time) error {
	if err := p.file.SetReadDeadline(until); err != nil {
		return fmt.Errorf("set time to wait until: %w", err)
	}
	p.asked, p.err = false, nil
	err := p.conn.Read(p.attend)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return errors.Join(err, p.err, p.each(unix.EPOLL_CTL_DEL))
}

// arrive enters the sockets when it is asked whether there is something to be read, and does not know. Asked again, it
// is because there is.
func (p *lot) arrive(uintptr) bool {
	if p.asked {
		return true
	}
	p.asked = true
	called("park")
	p.err = p.each(unix.EPOLL_CTL_ADD)
	return p.err != nil
}

// each enters or removes all that is waited for. To enter what can be read already wakes the poller, too.
func (p *lot) each(op int) (err error) {
	for i := range p.polled {
		fd := int(p.polled[i].Fd)
		event := unix.EpollEvent{Events: unix.EPOLLIN}
		if e := unix.EpollCtl(p.epoll, op, fd, &event); e != nil && !(op == unix.EPOLL_CTL_DEL && e == unix.ENOENT) {
			err = os.NewSyscallError("epoll_ctl", e)
		}
	}
	return err
}

func (p *lot) close() error { return p.file.Close() }
