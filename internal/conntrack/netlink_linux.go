package conntrack

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"

	ct "github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"
)

// stats reads the counters over netlink, for kernels built without CONFIG_NF_CONNTRACK_PROCFS. It needs
// CAP_NET_ADMIN and knows fewer names than the file.
type stats struct{ conn *ct.Conn }

func openStats() (*stats, error) {
	conn, err := ct.Dial(nil)
	if err != nil {
		return nil, fmt.Errorf("dial conntrack netlink: %w", err)
	}
	s := &stats{conn}
	if _, err := s.read(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

func (s *stats) read() (Counters, error) {
	perCPU, err := s.conn.Stats()
	if err != nil {
		return nil, fmt.Errorf("ask netlink for conntrack statistics (needs CAP_NET_ADMIN): %w", err)
	}
	return sumStats(perCPU), nil
}

func sumStats(perCPU []ct.Stats) Counters {
	sum := make(Counters, 9)
	for _, s := range perCPU {
		sum["found"] += uint64(s.Found)
		sum[Invalid] += uint64(s.Invalid)
		sum["ignore"] += uint64(s.Ignore)
		sum[Insert] += uint64(s.Insert)
		sum[InsertFailed] += uint64(s.InsertFailed)
		sum[Drop] += uint64(s.Drop)
		sum[EarlyDrop] += uint64(s.EarlyDrop)
		sum["error"] += uint64(s.Error)
		sum["search_restart"] += uint64(s.SearchRestart)
	}
	return sum
}

func (s *stats) close() error { return s.conn.Close() }

// entryTaker looks for entries of single UDP flows and removes them.
type entryTaker struct{ conn *ct.Conn }

// openEntryTaker makes sure that asking is allowed; the error wraps unix.EPERM if it is not.
func openEntryTaker() (*entryTaker, error) {
	conn, err := ct.Dial(nil)
	if err != nil {
		return nil, fmt.Errorf("dial conntrack netlink: %w", err)
	}
	e := &entryTaker{conn}
	nobody := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 0}), 1)
	if _, err := e.take(nobody, nobody); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return e, nil
}

// take removes the flow's entry and reports whether there was one.
func (e *entryTaker) take(from, to netip.AddrPort) (bool, error) {
	err := e.conn.Delete(ct.NewFlow(unix.IPPROTO_UDP, 0, from.Addr(), to.Addr(), from.Port(), to.Port(), 0, 0))
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the entry of %v to %v: %w", from, to, err)
	}
	return true, nil
}

func (e *entryTaker) close() error { return e.conn.Close() }

// Flush removes every entry of the calling thread's network namespace. It needs CAP_NET_ADMIN there. Where the kernel
// has no connection tracking there is nothing to flush, and asking would load it, so Flush does nothing.
func Flush() error {
	if _, err := os.Stat(values[0].paths[0]); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	conn, err := ct.Dial(nil)
	if err != nil {
		return fmt.Errorf("dial conntrack netlink: %w", err)
	}
	if err := conn.Flush(); err != nil {
		return errors.Join(fmt.Errorf("flush conntrack table (needs CAP_NET_ADMIN): %w", err), conn.Close())
	}
	return conn.Close()
}
