package conntrack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace of this machine.
type Namespace struct {
	Inode uint64 // its number, by which the kernel's log calls it
	Name  string // as `ip netns` calls it, or by one process in it: "pid 217 (dockerd)"; printable
	path  string // a file that opens it
}

// Namespaces lists the network namespaces that have a process (/proc/*/ns/net) or a name (/run/netns), each once, that
// of process 1 first. Those of processes that we may not look at are only in hidden, by the number of such processes.
// root is where /proc and /run are, "/" but in tests.
func Namespaces(root string) (list []Namespace, hidden int, err error) {
	seen := map[uint64]int{} // inode to index in list
	add := func(path, name string, named bool) {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESRCH) { // it ended meanwhile
				hidden++
			}
			return
		}
		if i, ok := seen[st.Ino]; ok {
			if named {
				list[i].Name = name
			}
			return
		}
		seen[st.Ino] = len(list)
		list = append(list, Namespace{st.Ino, name, path})
	}
	processes, err := os.ReadDir(filepath.Join(root, "proc"))
	if err != nil {
		return nil, 0, fmt.Errorf("list processes: %w", err)
	}
	pids := make([]int, 0, len(processes))
	for _, p := range processes {
		if pid, err := strconv.Atoi(p.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	for _, pid := range pids {
		dir := filepath.Join(root, "proc", strconv.Itoa(pid))
		command, _ := os.ReadFile(filepath.Join(dir, "comm")) // without it the number will do
		add(filepath.Join(dir, "ns/net"), fmt.Sprintf("pid %d (%s)", pid, printable(strings.TrimSpace(string(command)))), false)
	}
	named, err := os.ReadDir(filepath.Join(root, "run/netns"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return list, hidden, fmt.Errorf("list named namespaces: %w", err)
	}
	for _, n := range named {
		add(filepath.Join(root, "run/netns", n.Name()), printable(n.Name()), true)
	}
	return list, hidden, nil
}

// atOnce is how many namespaces are entered at a time: each takes a thread, and a host may have thousands.
const atOnce = 64

// ForEach runs f in each of the namespaces, many at once, and returns what it returned, in their order. A namespace that
// cannot be entered (it needs CAP_SYS_ADMIN) has the error in its place.
func ForEach[T any](list []Namespace, f func(Namespace) (T, error)) ([]T, []error) {
	results, errs := make([]T, len(list)), make([]error, len(list))
	var running sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for i, n := range list {
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			// Never unlocked: the thread stays in the namespace, and ends with the goroutine.
			runtime.LockOSThread()
			if errs[i] = n.enter(); errs[i] == nil {
				results[i], errs[i] = f(n)
			}
		})
	}
	running.Wait()
	return results, errs
}

func (n Namespace) enter() error {
	var here unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &here); err == nil && here.Ino == n.Inode {
		return nil // which takes no right
	}
	fd, err := unix.Open(n.path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open namespace %s: %w", n.Name, err)
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s (needs CAP_SYS_ADMIN): %w", n.Name, err)
	}
	return nil
}
