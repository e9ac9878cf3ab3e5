package measure

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"supernode/internal/conntrack"
)

// Target names what a Reader watches. A process or thread id of 0 is not watched.
type Target struct {
	ServerPID, ClientPID   int // processes
	ServerNAPI, ClientNAPI int // kernel threads, as lab.Lab.NAPI gives them
	ServerCPU, ClientCPU   int // processors

	// InServer runs f in the server's network namespace, as lab.Lab.Do does for lab.Server. Only Open calls it. Left
	// nil, connection tracking is not read.
	InServer func(f func() error) error
}

// Reader reads a Target's clocks through files it keeps open. One goroutine at a time may use it.
type Reader struct {
	target Target
	more   []int // processes that work for the server beside Target.ServerPID
	stat   int   // /proc/stat
	table  *conntrack.Reader
	buf    []byte
}

// Open opens the files and reads every clock once, so that a wrong id is found here.
func Open(t Target) (*Reader, error) {
	fd, err := unix.Open("/proc/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /proc/stat: %w", err)
	}
	r := &Reader{target: t, stat: fd, buf: make([]byte, 16<<10)}
	if t.InServer != nil {
		err = t.InServer(func() (err error) {
			r.table, err = conntrack.Open()
			return err
		})
	}
	if err == nil {
		_, err = r.Snapshot()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open clocks: %w", err), r.Close())
	}
	return r, nil
}

// ServedBy says which processes work for the server beside Target.ServerPID, until it is called again: ServerNS is the
// sum of all. They must live through both snapshots of an interval; one that has ended is an error of Snapshot. The slice
// is kept.
func (r *Reader) ServedBy(pids []int) { r.more = pids }

// Snapshot reads all clocks, the ones in nanoseconds first and next to each other. Facts about connection tracking
// that cannot be read are no error; they are listed in Conntrack.Unchecked.
func (r *Reader) Snapshot() (Snapshot, error) {
	if r.buf == nil {
		return Snapshot{}, fmt.Errorf("read clocks: %w", fs.ErrClosed)
	}
	t := r.target
	s := Snapshot{watched: target{serverNAPI: t.ServerNAPI > 0, clientNAPI: t.ClientNAPI > 0}}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return Snapshot{}, fmt.Errorf("read monotonic clock: %w", err)
	}
	s.At = time.Duration(now.Nano())
	for _, c := range [...]struct {
		pid int
		to  *int64
	}{{t.ServerPID, &s.ServerNS}, {t.ServerNAPI, &s.ServerNAPINS}, {t.ClientPID, &s.ClientNS}, {t.ClientNAPI, &s.ClientNAPINS}} {
		if c.pid == 0 {
			continue
		}
		var err error
		if *c.to, err = Process(c.pid); err != nil {
			return Snapshot{}, err
		}
	}
	for _, pid := range r.more {
		ns, err := Process(pid)
		if err != nil {
			return Snapshot{}, err
		}
		s.ServerNS += ns
	}
	if err := r.processors(&s); err != nil {
		return Snapshot{}, err
	}
	if r.table == nil {
		return s, nil
	}
	var err error
	s.Conntrack, err = r.table.Read()
	return s, err
}

// processors reads /proc/stat, growing the buffer until the processors' lines, which come first, are whole.
func (r *Reader) processors(s *Snapshot) error {
	for {
		n, err := unix.Pread(r.stat, r.buf, 0)
		if err != nil {
			return fmt.Errorf("read /proc/stat: %w", err)
		}
		b := r.buf[:n]
		s.ServerCPU, err = parseCPU(b, r.target.ServerCPU)
		if err == nil {
			s.ClientCPU, err = parseCPU(b, r.target.ClientCPU)
		}
		if err == nil || n < len(r.buf) {
			return err
		}
		r.buf = make([]byte, 2*len(r.buf))
	}
}

// Close closes the files. Calling it again does nothing.
func (r *Reader) Close() error {
	if r.buf == nil {
		return nil
	}
	r.buf = nil
	err := unix.Close(r.stat)
	if r.table != nil {
		err = errors.Join(err, r.table.Close())
	}
	return err
}
