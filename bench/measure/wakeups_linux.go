package measure

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Wakeups is how often the threads that a process has now have gone to sleep (voluntary context switches, proc(5)):
// what has to be woken again.
func Wakeups(pid int) (sum uint64, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		return 0, errors.Join(fmt.Errorf("count wake-ups: process %d has no threads, it has ended", pid), err)
	}
	for _, file := range files {
		status, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // ended since
		}
		if err != nil {
			return 0, fmt.Errorf("count wake-ups: %w", err)
		}
		n, err := parseWakeups(status)
		if err != nil {
			return 0, fmt.Errorf("count wake-ups: parse %s: %w", file, err)
		}
		sum += n
	}
	return sum, nil
}

func parseWakeups(status []byte) (uint64, error) {
	for line := range bytes.Lines(status) {
		if number, ok := bytes.CutPrefix(line, []byte("voluntary_ctxt_switches:")); ok {
			return strconv.ParseUint(string(bytes.TrimSpace(number)), 10, 64)
		}
	}
	return 0, errors.New("no line voluntary_ctxt_switches")
}
