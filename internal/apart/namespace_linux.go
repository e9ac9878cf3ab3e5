package apart

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// In runs f in a network namespace of its own, as [Enter] makes it, and returns when f does. f may end the test.
func In(t testing.TB, f func()) {
	t.Helper()
	NeedRoot(t)
	done := make(chan error)
	go func() {
		var err error
		defer func() { done <- err }()
		if err = Enter(); err == nil {
			f()
		}
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Enter puts the calling goroutine into a network namespace of its own, in which there is but loopback, up. What it
// starts and the sockets that it opens belong there. Its thread is never unlocked, so that it ends with the goroutine, and
// the namespace with it and with what was started.
func Enter() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set loopback up: %w", err)
	}
	return nil
}
