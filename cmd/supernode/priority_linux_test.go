package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPriority: one thread of the command is ahead of others, if that is what --priority says, and no other.
func TestPriority(t *testing.T) {
	needRoot(t)
	for priority, ahead := range map[string]int{"auto": 1, "realtime": 1, "normal": 0} {
		t.Run(priority, func(t *testing.T) {
			p := start(t, "--priority", priority)
			await(t, "the thread's priority", func() bool { return realtimeThreads(t, p.cmd.Process.Pid) == ahead })
			p.stopped()
		})
	}
}

// realtimeThreads counts the threads of a process that are scheduled as SCHED_RR: field 41 of proc_pid_stat(5), counted
// from behind the name, which is field 2 and may hold spaces.
func realtimeThreads(t *testing.T, pid int) (n int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	require.NoError(t, err)
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // ended
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if fields[41-3] == "2" {
			n++
		}
	}
	return n
}

// TestPriorityNotAllowed: who may not have it is told so if he insists, and does without it otherwise.
func TestPriorityNotAllowed(t *testing.T) {
	needRoot(t)
	cmd := exec.Command(built, "--priority", "realtime", "--listen", "127.0.0.1:0", "--bootstrap", none, "--state-dir", none, "--http", none)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	require.Error(t, cmd.Run())
	require.Equal(t, exitUsage, cmd.ProcessState.ExitCode(), stderr.String())
	require.Contains(t, stderr.String(), "--priority realtime: schedule thread as SCHED_RR (needs CAP_SYS_NICE or RLIMIT_RTPRIO): operation not permitted")
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
}
