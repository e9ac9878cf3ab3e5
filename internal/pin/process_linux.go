package pin

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Thread keeps the calling thread, to which its goroutine must be locked, on one processor. The goroutine must end
// locked, so that the thread ends with it: Go would give it to another goroutine.
func Thread(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	switch err := unix.SchedSetaffinity(0, &set); {
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("this process may not use processor %d: see nproc and taskset -p $$", cpu)
	case err != nil:
		return fmt.Errorf("pin a thread: %w", err)
	}
	return nil
}

// Process lets this process run on the listed processors only: all its threads, and those that begin later, which
// inherit it. An empty list changes nothing.
func Process(cpus List) error {
	if len(cpus) == 0 {
		return nil
	}
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("list the threads to pin: %w", err)
	}
	for _, entry := range entries {
		tid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		switch err := unix.SchedSetaffinity(tid, &set); {
		case errors.Is(err, unix.ESRCH): // it has ended
		case errors.Is(err, unix.EINVAL):
			return fmt.Errorf("this process may use none of the processors %s: see nproc and taskset -p $$", cpus.String())
		case err != nil:
			return fmt.Errorf("pin thread %d: %w", tid, err)
		}
	}
	return nil
}
