package lab

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs f on an operating-system thread of its own, which ends with f: whatever f does to the thread
// (namespaces, affinity, mounts) ends there too. It returns what f returns.
//
// The main thread cannot be used up so: the Go runtime parks it for ever instead of ending it, and /proc/PID would show
// its namespace as the whole process's. When the goroutine happens to be on it, the goroutine holds it, so that nobody
// is scheduled on it, and lets another do the work.
func onThread(f func() error) error {
	var err error
	done := make(chan struct{})
	var run func()
	run = func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			go run()
			<-done
			runtime.UnlockOSThread()
			return
		}
		defer close(done) // also on Goexit, as a test's FailNow does
		err = f()
		// Never unlocked: the thread ends with this goroutine.
	}
	go run()
	<-done
	return err
}

// inside runs f as onThread does, in the network namespace ns.
func inside(ns int, f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return f()
	})
}

// pin restricts the thread tid (0: the calling one) to one core.
func pin(tid, cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	err := unix.SchedSetaffinity(tid, &set)
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("pin to core %d: there is no such core online; choose another in the Spec: %w", cpu, err)
	}
	if err != nil {
		return fmt.Errorf("pin thread %d to core %d: %w", tid, cpu, err)
	}
	return nil
}
