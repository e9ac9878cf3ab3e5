package trial

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"supernode/bench/measure"
)

// family is the processes that descend from a server, by process id in rising order: the workers of one that forks, or the
// server itself below a wrapper that waits for it. Each is held by a descriptor, which cannot come to mean another process
// as an id can.
type family []member

type member struct{ pid, fd int }

// meetings is how often meet looks for a family that does not change under its eyes.
const meetings = 20

// meet makes f the family of the process parent as it is now.
func (f *family) meet(parent int) error {
	for range meetings {
		pids, err := measure.Descendants(parent)
		if err != nil {
			return err
		}
		// Those that were opened in the last round are there still, so none of the descriptors is of another process.
		if slices.Equal(pids, f.pids()) {
			return nil
		}
		f.release()
		for _, pid := range pids {
			if fd, err := unix.PidfdOpen(pid, 0); err == nil { // or it has ended
				*f = append(*f, member{pid, fd})
			}
		}
	}
	return errors.New("it does not stop starting processes, so that its CPU time cannot be counted: have it start all it needs before it answers")
}

func (f family) pids() []int {
	pids := make([]int, len(f))
	for i, m := range f {
		pids[i] = m.pid
	}
	return pids
}

// signal sends s to all. Those that have ended do not mind.
func (f family) signal(s unix.Signal) {
	for _, m := range f {
		_ = unix.PidfdSendSignal(m.fd, s, nil, 0)
	}
}

// end gives all some time to end, kills those that do not, and forgets them.
func (f *family) end(patience time.Duration) {
	for deadline := time.Now().Add(patience); ; {
		left := slices.ContainsFunc(*f, func(m member) bool { return !ended(m.fd, time.Until(deadline)) })
		if !left || time.Now().After(deadline) {
			break
		}
	}
	f.signal(unix.SIGKILL)
	f.release()
}

// ended waits until a process has ended.
func ended(pidfd int, timeout time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(max(0, timeout).Milliseconds()))
	return err == nil && n > 0
}

func (f *family) release() {
	for _, m := range *f {
		unix.Close(m.fd)
	}
	*f = nil
}
