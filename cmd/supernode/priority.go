package main

import (
	"fmt"
	"runtime"

	"supernode/internal/pin"
)

// The values of --priority. In overload the kernel's receive thread and ours want the same core. Sharing it evenly means
// that half of it goes into receiving what is then dropped for want of time to answer it; ahead of that thread, ours
// leaves it what it does not need itself, and what is too much is dropped at the interface, at no cost to the core.
const (
	priorityAuto     = "auto"
	priorityRealtime = "realtime"
	priorityNormal   = "normal"
)

// settlePriority checks --priority, also against what this process may do if it is told to. It makes auto normal where
// going ahead would do harm: where no processor is left for others while all workers are busy, and where a worker that
// waits for another one's lock might keep it from the processor.
func (c *config) settlePriority() error {
	apart := c.workers == 1 || len(c.cpu) >= c.workers
	switch c.priority {
	case priorityAuto:
		if !apart || onlineProcessors() <= c.workers {
			c.priority = priorityNormal
		}
		return nil
	case priorityNormal:
		return nil
	case priorityRealtime:
		if !apart {
			return wrong("priority", c.priority, fmt.Sprintf("needs a processor for each worker: name %d of them with --cpu", c.workers))
		}
		if err := tryRealtime(); err != nil {
			return usageError{fmt.Errorf("--priority %s: %w", c.priority, err)}
		}
		return nil
	}
	return wrong("priority", c.priority, "must be auto, realtime or normal")
}

// onlineProcessors is how many the machine has, whichever this process may use: it need not leave some to itself, but to the
// shell of who runs it.
func onlineProcessors() int {
	online, err := pin.Online()
	if err != nil {
		return runtime.NumCPU()
	}
	return len(online)
}

// tryRealtime finds out whether a thread of this process may be put ahead of others.
func tryRealtime() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	restore, err := pin.Realtime()
	if err == nil {
		restore()
	}
	return err
}

// ahead puts the calling thread, which must be locked, ahead of others if it may be, and returns what undoes that.
func ahead(priority string) (restore func()) {
	if priority == priorityAuto || priority == priorityRealtime {
		if restore, err := pin.Realtime(); err == nil {
			return restore
		}
	}
	return func() {}
}
