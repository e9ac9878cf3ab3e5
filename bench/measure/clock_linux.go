package measure

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Process returns the ns on CPU of all threads a process has and had. A process that has ended can be read until its
// parent waits for it. Kernel threads are processes with one thread.
func Process(pid int) (int64, error) {
	if pid <= 0 {
		return 0, fmt.Errorf("read CPU clock: %d is not a process id", pid)
	}
	// MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of include/linux/posix-timers.h.
	const sched = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(^int32(pid)<<3|sched, &ts); err != nil {
		return 0, fmt.Errorf("read CPU clock of process %d (has it ended?): %w", pid, err)
	}
	return ts.Nano(), nil
}

// Threads returns the ns on CPU of all threads a process has now.
func Threads(pid int) (int64, error) {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	d, err := os.Open(dir)
	if err != nil {
		return 0, fmt.Errorf("list threads of process %d: %w", pid, err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return 0, fmt.Errorf("list threads of process %d: %w", pid, err)
	}
	var sum int64
	for _, name := range names {
		ns, err := readSchedstat(dir + "/" + name + "/schedstat")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // ended since
		}
		if err != nil {
			return 0, err
		}
		sum += ns
	}
	return sum, nil
}

// Task returns the ns on CPU of one thread, a kernel thread for example.
func Task(tid int) (int64, error) { return readSchedstat(fmt.Sprintf("/proc/%d/schedstat", tid)) }

func readSchedstat(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read schedstat: %w", err)
	}
	ns, err := parseSchedstat(b)
	if err != nil {
		return 0, fmt.Errorf("parse %s: %w", path, err)
	}
	return ns, nil
}

// RSS returns the resident memory of a process in bytes. Kernel threads have none, which is an error.
func RSS(pid int) (uint64, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read resident memory of process %d: %w", pid, err)
	}
	kib, err := kibibytes(b, "VmRSS:")
	if err != nil {
		return 0, fmt.Errorf("parse %s: %w", path, err)
	}
	return kib << 10, nil
}

// parseSchedstat takes the first of three numbers: time on CPU, time waiting, timeslices.
func parseSchedstat(b []byte) (int64, error) {
	fields := bytes.Fields(b)
	if len(fields) != 3 {
		return 0, fmt.Errorf("schedstat has %d numbers, want 3", len(fields))
	}
	ns, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil || ns < 0 {
		return 0, fmt.Errorf("schedstat begins with %.32q, want nanoseconds", fields[0])
	}
	return ns, nil
}

// kibibytes takes the number from the line "KEY   NUMBER kB" of /proc/PID/status or /proc/meminfo.
func kibibytes(b []byte, key string) (uint64, error) {
	for line := range bytes.Lines(b) {
		rest, ok := bytes.CutPrefix(line, []byte(key))
		if !ok {
			continue
		}
		fields := bytes.Fields(rest)
		if len(fields) != 2 || string(fields[1]) != "kB" {
			return 0, fmt.Errorf("%s %.32q is not a number of kB", key, bytes.TrimSpace(rest))
		}
		v, err := strconv.ParseUint(string(fields[0]), 10, 54)
		if err != nil {
			return 0, fmt.Errorf("%s %.32q is not a number of kB", key, bytes.TrimSpace(rest))
		}
		return v, nil
	}
	return 0, fmt.Errorf("no line %s", key)
}
