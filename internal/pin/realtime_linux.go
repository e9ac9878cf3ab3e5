package pin

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Realtime puts the calling thread, to which the goroutine must be locked, ahead of all that is scheduled normally, the
// kernel's receive threads (ksoftirqd, threaded NAPI) included: SCHED_RR at the lowest priority, see sched(7). restore
// undoes it. Threads that begin from this one do not inherit it. What is left to the normal threads of a processor that
// such a thread never leaves is the share that the kernel keeps for them: 5 %, see sched_rt_runtime_us.
//
// It needs CAP_SYS_NICE or a limit that allows it (RLIMIT_RTPRIO of 1; LimitRTPRIO=1 to systemd).
func Realtime() (restore func(), err error) {
	before, err := unix.SchedGetAttr(0, 0)
	if err == nil {
		err = unix.SchedSetAttr(0, &unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
		}, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("schedule thread as SCHED_RR (needs CAP_SYS_NICE or RLIMIT_RTPRIO): %w", err)
	}
	return func() {
		before.Flags |= unix.SCHED_FLAG_RESET_ON_FORK // which only a privileged thread may take off
		_ = unix.SchedSetAttr(0, before, 0)           // giving up priority is always allowed
	}, nil
}
