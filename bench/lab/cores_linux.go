package lab

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A lab holds a lock (flock(2)) on the directory of each of its cores in sysfs, so that two benches at once know of each
// other: also in other mount or user namespaces, where they cannot see each other's names, and without leaving a file
// behind. Nobody is kept from anything; whoever comes second is warned.
const coreDirs = "/sys/devices/system/cpu/cpu%d"

// cores is the locks of a lab, as open directories.
type cores []int

// occupy takes the locks that are free, and says which processes hold the others, by core. dirs is coreDirs.
func (c *cores) occupy(dirs string, wanted ...int) (taken map[int][]int) {
	slices.Sort(wanted)
	for _, cpu := range slices.Compact(wanted) {
		fd, err := unix.Open(fmt.Sprintf(dirs, cpu), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // no sysfs, no warning
		}
		if errors.Is(unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK) {
			if taken == nil {
				taken = map[int][]int{}
			}
			taken[cpu] = holders(fd)
			unix.Close(fd)
			continue
		}
		*c = append(*c, fd)
	}
	return taken
}

// free gives the locks back.
func (c *cores) free() {
	for _, fd := range *c {
		unix.Close(fd)
	}
	*c = nil
}

// holders lists the processes that have a lock on an open file.
func holders(fd int) []int {
	var st unix.Stat_t
	text, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Fstat(fd, &st) != nil {
		return nil
	}
	return parseLocks(string(text), fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino))
}

// parseLocks finds the processes with a lock on a file, MAJOR:MINOR:INODE, in the text of /proc/locks (proc_locks(5)):
//
//	1: FLOCK  ADVISORY  WRITE 8661 00:16:3578 0 EOF
//
// Lines of who waits have an arrow before the kind. A process id of 0 or less is one that is not to be seen from here.
func parseLocks(text, file string) (pids []int) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || f[5] != file {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// sharedCores are the warnings about cores that are taken.
func sharedCores(taken map[int][]int) (warnings []string) {
	for _, cpu := range slices.Sorted(maps.Keys(taken)) {
		owner := "another process"
		if pids := taken[cpu]; len(pids) > 0 {
			owner = fmt.Sprintf("process %d", pids[0])
		}
		warnings = append(warnings, fmt.Sprintf("%s measures on core %d, too, so that neither's figures are worth anything: run one after the other", owner, cpu))
	}
	return warnings
}
