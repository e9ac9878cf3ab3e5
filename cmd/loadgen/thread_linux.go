package main

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// defaultIO is what --io is if not given.
const defaultIO = "mmsg"

// sharpenTimer lets the calling thread's sleeps end when they should: by default the kernel may add 50 µs, to
// wake for several timers at once.
func sharpenTimer() error {
	return os.NewSyscallError("prctl PR_SET_TIMERSLACK", unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0))
}

// threadTime reads, in ns, how long the calling thread has run, and how long it has waited for a processor
// while it could have run. It is false where the kernel does not say (no CONFIG_SCHED_INFO).
func threadTime() (ran, waited int64, ok bool) {
	b, err := os.ReadFile("/proc/thread-self/schedstat")
	fields := bytes.Fields(b)
	if err != nil || len(fields) < 2 {
		return 0, 0, false
	}
	ran, err1 := strconv.ParseInt(string(fields[0]), 10, 64)
	waited, err2 := strconv.ParseInt(string(fields[1]), 10, 64)
	return ran, waited, err1 == nil && err2 == nil
}
