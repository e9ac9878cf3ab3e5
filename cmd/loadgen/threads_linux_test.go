package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/internal/pin"
)

// Each thread is on the processor that the list has for it.
func TestThreadsArePinned(t *testing.T) {
	t.Parallel()
	var may unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &may))
	var cpus pin.List
	for cpu := 1023; cpu >= 0 && len(cpus) < 2; cpu-- {
		if may.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	r := startResponder(t, good)
	c := startControlled(t, "--threads", "2", "--cpu", cpus.String(), r.addr.String())
	c.next("ready")
	alone := map[string]bool{}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", c.cmd.Process.Pid))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		_, after, _ := bytes.Cut(text, []byte("Cpus_allowed_list:"))
		list, _, _ := bytes.Cut(after, []byte("\n"))
		alone[string(bytes.TrimSpace(list))] = true
	}
	for _, cpu := range cpus {
		require.Contains(t, alone, fmt.Sprint(cpu))
	}
	c.end()
}
