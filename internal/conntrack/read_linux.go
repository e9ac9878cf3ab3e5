package conntrack

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// values lists the facts that are a number in a file, each with its path today and its path before Linux 2.6.20.
var values = [...]struct {
	fact  string
	paths [2]string
	set   func(*Facts, uint64)
}{
	{FactCount, [2]string{sysNetfilter + "nf_conntrack_count", sysIPv4 + "ip_conntrack_count"},
		func(f *Facts, v uint64) { f.Count = v }},
	{FactLimit, [2]string{sysNetfilter + "nf_conntrack_max", sysIPv4 + "ip_conntrack_max"},
		func(f *Facts, v uint64) { f.Limit = v }},
	{FactBuckets, [2]string{sysNetfilter + "nf_conntrack_buckets", sysIPv4 + "ip_conntrack_buckets"},
		func(f *Facts, v uint64) { f.Buckets = v }},
	{FactUDPTimeout, [2]string{sysNetfilter + "nf_conntrack_udp_timeout", sysIPv4 + "ip_conntrack_udp_timeout"},
		func(f *Facts, v uint64) { f.UDPTimeout = seconds(v) }},
	{FactUDPStreamTimeout, [2]string{sysNetfilter + "nf_conntrack_udp_timeout_stream", sysIPv4 + "ip_conntrack_udp_timeout_stream"},
		func(f *Facts, v uint64) { f.UDPStreamTimeout = seconds(v) }},
}

const (
	sysNetfilter = "/proc/sys/net/netfilter/"
	sysIPv4      = "/proc/sys/net/ipv4/netfilter/"
)

// statPaths are the counters' file today and before Linux 2.6.20. thread-self, because /proc/net is the main
// thread's.
var statPaths = [...]string{"/proc/thread-self/net/stat/nf_conntrack", "/proc/thread-self/net/stat/ip_conntrack"}

func seconds(v uint64) time.Duration {
	return time.Duration(min(v, uint64(1<<63-1)/uint64(time.Second))) * time.Second
}

// Reader reads the facts of one network namespace again and again through files it keeps open, which is what makes a
// reading cheap (about ten system calls). It may be used from any thread, since an open file stays with its
// namespace, but by one goroutine at a time.
type Reader struct {
	values  [len(values)]int // file descriptors, -1 where there is none
	stat    int              // file descriptor of the counters, or -1
	netlink *stats           // in the place of stat
	present bool
	sources map[string]string
	missing []string
	buf     []byte
}

// Open opens the files of the calling thread's network namespace. A file that cannot be opened is no error: its fact
// is listed in Facts.Unchecked.
func Open() (*Reader, error) {
	r := &Reader{stat: -1, sources: make(map[string]string, len(values)+1), buf: make([]byte, 64<<10)}
	reasons := make(map[string]error)
	for i, v := range values {
		r.values[i] = r.open(v.fact, v.paths[:], reasons)
	}
	r.stat = r.open(FactCounters, statPaths[:], reasons)
	r.present = len(r.sources) > 0
	if r.stat < 0 && r.present {
		var err error
		if r.netlink, err = openStats(); err != nil {
			reasons[FactCounters] = errors.Join(reasons[FactCounters], err)
		} else {
			delete(reasons, FactCounters)
			r.sources[FactCounters] = "netlink"
		}
	}
	for _, fact := range factOrder {
		// A kernel without connection tracking has nothing to check.
		if err := reasons[fact]; err != nil && (r.present || !errors.Is(err, fs.ErrNotExist)) {
			r.missing = append(r.missing, fact+": "+err.Error())
		}
	}
	return r, nil
}

var factOrder = [...]string{FactCount, FactLimit, FactBuckets, FactUDPTimeout, FactUDPStreamTimeout, FactCounters}

// open returns the first of paths that opens, or -1 and a reason.
func (r *Reader) open(fact string, paths []string, reasons map[string]error) int {
	for _, p := range paths {
		fd, err := unix.Open(p, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			r.sources[fact] = p
			delete(reasons, fact)
			return fd
		}
		// A path of another age of the kernel is not the reason; a refusal is.
		if reasons[fact] == nil || !errors.Is(err, fs.ErrNotExist) {
			reasons[fact] = &fs.PathError{Op: "open", Path: p, Err: err}
		}
	}
	return -1
}

// Read reads all facts now. The error is never about a single fact, which would be in Facts.Unchecked, but about a
// Reader that was closed.
func (r *Reader) Read() (Facts, error) {
	if r.buf == nil {
		return Facts{}, fmt.Errorf("read conntrack facts: %w", fs.ErrClosed)
	}
	f := Facts{Present: r.present, Sources: r.sources, Unchecked: r.missing[:len(r.missing):len(r.missing)]}
	for i, fd := range r.values {
		if fd < 0 {
			continue
		}
		v, err := r.value(fd)
		if err != nil {
			f.Unchecked = append(f.Unchecked, fmt.Sprintf("%s: %v", values[i].fact, err))
			continue
		}
		values[i].set(&f, v)
	}
	var err error
	switch {
	case r.stat >= 0:
		f.Counters, err = r.counters(&f)
	case r.netlink != nil:
		f.Counters, err = r.netlink.read()
	}
	if err != nil {
		f.Unchecked = append(f.Unchecked, fmt.Sprintf("%s: %v", FactCounters, err))
	}
	return f, nil
}

func (r *Reader) value(fd int) (uint64, error) {
	n, err := unix.Pread(fd, r.buf[:64], 0)
	if err != nil {
		return 0, fmt.Errorf("read: %w", err)
	}
	return parseValue(r.buf[:n])
}

func (r *Reader) counters(f *Facts) (Counters, error) {
	b, err := r.slurp(r.stat)
	if err != nil {
		return nil, err
	}
	sum, entries, ok, err := parseStats(bytes.NewReader(b))
	if err == nil && ok && r.values[0] < 0 {
		f.Count = entries // the sysctl is hidden, but the table repeats its value
	}
	return sum, err
}

// slurp reads the whole file into r.buf. A seq_file hands out a page at a time, more processors need more pages.
func (r *Reader) slurp(fd int) ([]byte, error) {
	for n := 0; ; {
		if n == len(r.buf) {
			r.buf = append(r.buf, make([]byte, len(r.buf))...)
		}
		m, err := unix.Pread(fd, r.buf[n:], int64(n))
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		if m == 0 {
			return r.buf[:n], nil
		}
		n += m
	}
}

// Close closes the files. It is safe to call again.
func (r *Reader) Close() error {
	if r.buf == nil {
		return nil
	}
	r.buf = nil
	var errs []error
	for _, fd := range append(r.values[:], r.stat) {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	if r.netlink != nil {
		errs = append(errs, r.netlink.close())
	}
	return errors.Join(errs...)
}

// Read returns the facts of the calling thread's network namespace. Whoever reads often keeps a Reader.
func Read() (Facts, error) {
	r, err := Open()
	if err != nil {
		return Facts{}, err
	}
	defer r.Close()
	return r.Read()
}
