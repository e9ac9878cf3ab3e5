package measure

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Descendants lists the children of a process, theirs, and so on, in rising order. A kernel without CONFIG_PROC_CHILDREN
// says of none (proc_pid_task_children(5)).
func Descendants(pid int) (all []int, err error) {
	for open := []int{pid}; len(open) > 0; {
		children, err := childrenOf(open[0])
		if err != nil {
			return nil, err
		}
		all, open = append(all, children...), append(open[1:], children...)
	}
	slices.Sort(all)
	return all, nil
}

func childrenOf(pid int) (children []int, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			return nil, fmt.Errorf("look for the children of process %d: %w", pid, err)
		}
		for word := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				return nil, fmt.Errorf("parse %s: %w", file, err)
			}
			children = append(children, child)
		}
	}
	return children, nil
}
