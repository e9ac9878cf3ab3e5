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

	"supernode/internal/apart"
)

// TestPriority: the threads of workers are ahead of others, if that is what --priority says, and no other threads. auto
// leaves a processor of the machine to others, and is not misled by how few this process may use.
func TestPriority(t *testing.T) {
	apart.NeedRoot(t)
	spare := func(workers int) int {
		if onlineProcessors() > workers {
			return workers
		}
		return 0
	}
	for _, c := range []struct {
		name  string
		args  []string
		ahead int
	}{
		{"auto", nil, spare(1)},
		{"auto, pinned", []string{"--cpu", "0"}, spare(1)},
		{"auto, workers that may meet on a processor", []string{"--workers", "2"}, 0},
		{"realtime", []string{"--priority", "realtime"}, 1},
		{"normal", []string{"--priority", "normal"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, c.args...)
			await(t, "the thread's priority", func() bool { return realtimeThreads(t, p.cmd.Process.Pid) == c.ahead })
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
	apart.NeedRoot(t)
	cmd := exec.Command(built, "--priority", "realtime", "--listen", "127.0.0.1:0", "--bootstrap", none, "--state-dir", none, "--http", none)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	require.Error(t, cmd.Run())
	require.Equal(t, exitUsage, cmd.ProcessState.ExitCode(), stderr.String())
	require.Contains(t, stderr.String(), "--priority realtime: schedule thread as SCHED_RR (needs CAP_SYS_NICE or RLIMIT_RTPRIO): operation not permitted")
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
}
