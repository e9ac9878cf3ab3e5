package measure

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Event is something that the kernel or the processor can count (perf_event_open(2)).
type Event struct {
	Type   uint32
	Config uint64
}

// Hardware lists events of the processor, the commonest first. Few virtual machines have them.
var Hardware = []Event{
	{unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_CPU_CYCLES},
	{unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_INSTRUCTIONS},
	{unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_CACHE_MISSES},
}

// Counters counts events for some threads from when it is opened, in user and kernel mode alike. The events of a thread
// form a group, so that they are counted in the same moments. To read them interrupts the processor that the thread runs
// on, for some microseconds. One goroutine at a time may use it.
type Counters struct {
	events  int
	leaders []int // of the groups, one a thread
	fds     []int // all, leaders included
	buf     []byte
}

// OpenCounters begins to count. Threads that have ended are passed over; those that begin later are not counted.
func OpenCounters(threads []int, events []Event) (*Counters, error) {
	c := &Counters{events: len(events), buf: make([]byte, 8*(3+len(events)))}
	for _, thread := range threads {
		if err := c.open(thread, events); err != nil && !errors.Is(err, unix.ESRCH) {
			return nil, errors.Join(fmt.Errorf("count events of thread %d: %w", thread, err), c.Close())
		}
	}
	if len(c.leaders) == 0 {
		return nil, fmt.Errorf("count events: of %d threads all have ended", len(threads))
	}
	return c, nil
}

// open opens a thread's group, the first event leading it.
func (c *Counters) open(thread int, events []Event) error {
	leader := -1
	for _, e := range events {
		attr := unix.PerfEventAttr{
			Type: e.Type, Config: e.Config, Size: unix.PERF_ATTR_SIZE_VER0,
			Read_format: unix.PERF_FORMAT_GROUP | unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING,
		}
		fd, err := unix.PerfEventOpen(&attr, thread, -1, leader, unix.PERF_FLAG_FD_CLOEXEC)
		if err != nil {
			return err
		}
		c.fds = append(c.fds, fd)
		if leader < 0 {
			leader = fd
		}
	}
	c.leaders = append(c.leaders, leader)
	return nil
}

// Events is how many events are counted of each thread.
func (c *Counters) Events() int { return c.events }

// Read stores in counts what was counted so far, in the order of the events, over all threads.
func (c *Counters) Read(counts []uint64) error {
	clear(counts)
	for _, fd := range c.leaders {
		n, err := unix.Read(fd, c.buf)
		if err != nil {
			return fmt.Errorf("read counters: %w", err)
		}
		if err := addGroup(c.buf[:n], counts[:c.events]); err != nil {
			return fmt.Errorf("read counters: %w", err)
		}
	}
	return nil
}

// addGroup adds what a read of a group says: how many values, how long the group was to count and how long it did, the
// values. Where others wanted the processor's counters as well, it did for a part of the time only, and the values are
// scaled up from that.
func addGroup(b []byte, counts []uint64) error {
	word := func(i int) uint64 { return binary.NativeEndian.Uint64(b[8*i:]) }
	if len(b) != 8*(3+len(counts)) || word(0) != uint64(len(counts)) {
		return fmt.Errorf("%d bytes for %d events", len(b), len(counts))
	}
	enabled, running := word(1), word(2)
	for i := range counts {
		v := word(3 + i)
		if running > 0 && running < enabled {
			v = uint64(float64(v) * float64(enabled) / float64(running))
		}
		counts[i] += v
	}
	return nil
}

// Close ends the counting.
func (c *Counters) Close() error {
	var errs []error
	for _, fd := range c.fds {
		errs = append(errs, unix.Close(fd))
	}
	c.fds, c.leaders = nil, nil
	return errors.Join(errs...)
}

// TaskIDs lists the threads that a process has now.
func TaskIDs(pid int) ([]int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, fmt.Errorf("list threads of process %d: %w", pid, err)
	}
	ids := make([]int, 0, len(entries))
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
