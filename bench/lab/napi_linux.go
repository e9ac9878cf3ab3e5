package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// napiTimeout bounds the wait for the kernel thread to be seen in /proc.
const napiTimeout = 2 * time.Second

// threadNAPI gives the side's device its own receive thread, finds it and pins it.
func (l *Lab) threadNAPI(ctx context.Context, side Side) error {
	e := &l.ends[side]
	if err := setThreaded(e.ns, e.dev); err != nil {
		return err
	}
	tid, err := awaitNAPI(ctx, e.dev)
	if err != nil {
		return err
	}
	e.napi = tid
	if !l.spec.PinNAPI {
		return nil
	}
	err = pin(tid, l.cpu(side))
	if errors.Is(err, unix.EPERM) {
		return nil // realise says so for both
	}
	e.pinned = err == nil
	return err
}

// setThreaded writes the device's threaded attribute. /sys shows the devices of the namespace it was mounted from, so
// it is mounted anew, in a mount namespace that lives as long as one thread.
func setThreaded(ns int, dev string) error {
	return inside(ns, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("create mount namespace (needs root): %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("make mounts private: %w", err)
		}
		if err := unix.Mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return fmt.Errorf("mount sysfs of the network namespace: %w", err)
		}
		err := os.WriteFile(filepath.Join("/sys/class/net", dev, "threaded"), []byte("1"), 0)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("enable threaded NAPI on %s: this kernel has none, Linux 5.12 is needed: %w", dev, err)
		}
		if err != nil {
			return fmt.Errorf("enable threaded NAPI on %s: %w", dev, err)
		}
		return nil
	})
}

// awaitNAPI returns the id of the device's receive thread, which may be seen only a moment after it was asked for.
func awaitNAPI(ctx context.Context, dev string) (int, error) {
	for deadline := time.Now().Add(napiTimeout); ; {
		tids, err := findNAPI("/proc", dev)
		switch {
		case err != nil:
			return 0, err
		case len(tids) == 1:
			return tids[0], nil
		case len(tids) > 1:
			return 0, fmt.Errorf("find receive thread of %s: %d threads are named after it, want one", dev, len(tids))
		case time.Now().After(deadline):
			return 0, fmt.Errorf("find receive thread of %s: no %s* in /proc after %v; a container that does not show kernel threads cannot be used", dev, napiComm(dev), napiTimeout)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// napiComm is how the thread's name begins; the NAPI id follows. Kernels before 5.17 cut it to 15 bytes, so devices
// have names of at most 9, which leaves the beginning whole.
func napiComm(dev string) string { return "napi/" + dev + "-" }

// findNAPI returns the processes under proc whose name says that they are the device's receive threads.
func findNAPI(proc, dev string) ([]int, error) {
	dirs, err := os.ReadDir(proc)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var tids []int
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		comm, err := os.ReadFile(filepath.Join(proc, d.Name(), "comm"))
		if err == nil && strings.HasPrefix(string(comm), napiComm(dev)) {
			tids = append(tids, pid)
		}
	}
	return tids, nil
}

// deviceNames returns the names of the two ends: unique on the host among living labs, since they are made of the
// inode number of the server's namespace, and at most 9 bytes long.
func deviceNames(ns int) (names [2]string, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(ns, &st); err != nil {
		return names, fmt.Errorf("stat network namespace: %w", err)
	}
	// Inode numbers of namespaces begin at PROC_DYNAMIC_FIRST (fs/proc/generic.c); 32 bits are 7 digits at most.
	const first = 0xF0000000
	tag := strconv.FormatUint((st.Ino-first)&(1<<32-1), 36)
	return [2]string{Server: "sv" + tag, Client: "cl" + tag}, nil
}
