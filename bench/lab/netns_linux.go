package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// netnsDir is where iproute2 keeps named namespaces, so that `ip netns exec NAME` works on a lab.
const netnsDir = "/run/netns"

// killTimeout bounds the wait for killed processes to be gone. Only one in uninterruptible sleep takes that long.
const killTimeout = 5 * time.Second

// createNetns makes a named network namespace and returns it as an open file descriptor.
func createNetns(name string) (fd int, err error) {
	path := filepath.Join(netnsDir, name)
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL|unix.O_CLOEXEC, 0o444)
	if err != nil {
		return -1, fmt.Errorf("create network namespace name: %w", err)
	}
	defer f.Close()
	err = onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("create network namespace %s (needs root): %w", name, err)
		}
		if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind network namespace to %s: %w", path, err)
		}
		fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, errors.Join(err, removeName(name))
	}
	return fd, nil
}

// removeName takes the name of a namespace away. The namespace ends when nothing else is in it.
func removeName(name string) error {
	path := filepath.Join(netnsDir, name)
	// EINVAL: the name was made, but its maker died before it mounted the namespace.
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount network namespace %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove network namespace name: %w", err)
	}
	return nil
}

// openNetns opens a named namespace, or returns fd -1 when there is a name but no namespace mounted on it.
func openNetns(name string) (fd int, err error) {
	path := filepath.Join(netnsDir, name)
	fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return -1, nil
	}
	if err != nil {
		return -1, fmt.Errorf("open network namespace %s: %w", path, err)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.NSFS_MAGIC {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// emptyNetns kills every process in the namespace and deletes its veths, and so their peers and kernel threads.
func emptyNetns(fd int) error {
	return errors.Join(killInside(fd), deleteVeths(fd))
}

func deleteVeths(fd int) error {
	h, err := netlink.NewHandleAt(netns.NsHandle(fd), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink in network namespace: %w", err)
	}
	defer h.Close()
	links, err := h.LinkList()
	if err != nil {
		return fmt.Errorf("list links of network namespace: %w", err)
	}
	var errs []error
	for _, l := range links {
		if l.Type() != "veth" {
			continue
		}
		if err := h.LinkDel(l); err != nil && !errors.As(err, new(netlink.LinkNotFoundError)) && !errors.Is(err, unix.ENODEV) {
			errs = append(errs, fmt.Errorf("delete link %s: %w", l.Attrs().Name, err))
		}
	}
	return errors.Join(errs...)
}

// killInside kills every process whose network namespace is fd, this one excepted, and waits until they are gone. It
// looks again until it finds none, since a process may have forked while it was found.
func killInside(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("stat network namespace: %w", err)
	}
	deadline := time.Now().Add(killTimeout)
	for {
		found, err := killOnce(st.Dev, st.Ino, deadline)
		if err != nil || !found {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("kill processes in the lab: new ones keep coming")
		}
	}
}

func killOnce(dev, ino uint64, deadline time.Time) (found bool, err error) {
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return false, fmt.Errorf("list processes: %w", err)
	}
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == os.Getpid() || !inNetns(pid, dev, ino) {
			continue
		}
		pidfd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // gone
		}
		// The id may have been reused between the look and the open; the descriptor cannot be.
		if inNetns(pid, dev, ino) {
			found = true
			err = killAndWait(pidfd, deadline)
		}
		unix.Close(pidfd)
		if err != nil {
			return found, fmt.Errorf("kill process %d in the lab: %w", pid, err)
		}
	}
	return found, nil
}

// inNetns reports whether a process is in the namespace. A zombie is in none.
func inNetns(pid int, dev, ino uint64) bool {
	var st unix.Stat_t
	return unix.Stat(fmt.Sprintf("/proc/%d/ns/net", pid), &st) == nil && st.Dev == dev && st.Ino == ino
}

func killAndWait(pidfd int, deadline time.Time) error {
	if err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	exited, err := waitExit(pidfd, time.Until(deadline))
	if err == nil && !exited {
		err = fmt.Errorf("still there after %v", killTimeout)
	}
	return err
}

// waitExit waits until the process has ended (its parent may not have waited for it yet). A negative timeout is none.
func waitExit(pidfd int, timeout time.Duration) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	end := time.Now().Add(timeout)
	for {
		ms := -1
		if timeout >= 0 {
			ms = int(max(0, time.Until(end)).Milliseconds()) + 1
		}
		n, err := unix.Poll(fds, ms)
		if err == nil || !errors.Is(err, unix.EINTR) {
			return n > 0, err
		}
	}
}
