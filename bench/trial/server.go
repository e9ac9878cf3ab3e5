package trial

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"supernode/bench/lab"
)

// server is a server under test that runs in the lab's server namespace.
type server struct {
	process
	addr netip.AddrPort
}

// startServer starts command on the server's core.
func startServer(l *lab.Lab, command string, addr netip.AddrPort) (*server, error) {
	return newServer(command, addr, func(cmd *exec.Cmd) error { return l.Start(lab.Server, l.Spec().ServerCPU, cmd) })
}

// newServer starts command through start.
func newServer(command string, addr netip.AddrPort, start func(*exec.Cmd) error) (*server, error) {
	words := strings.Fields(strings.ReplaceAll(command, "{addr}", addr.String()))
	if len(words) == 0 {
		return nil, errors.New("start server: its command is empty")
	}
	s := &server{addr: addr}
	cmd := exec.Command(words[0], words[1:]...)
	return s, s.start("server", cmd, start)
}

// startPinned starts cmd from a thread that lives as long as this process: the death of the thread that started a process
// is what PR_SET_PDEATHSIG looks at.
func startPinned(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		started <- cmd.Start()
		select {}
	}()
	return <-started
}

// checkAlone refuses a server that has started other processes: the clock that is read is that of one process, and
// what a child does would be free.
func (s *server) checkAlone() error {
	children, err := childrenOf(s.PID())
	if err != nil || len(children) == 0 {
		return err
	}
	return fmt.Errorf("%s has started process %s, whose CPU time would not be counted: "+
		"give the command of the server itself, or have the wrapper exec it", s, strings.Join(children, " and "))
}

// childrenOf lists the children of a process. A kernel without CONFIG_PROC_CHILDREN says of none
// (proc_pid_task_children(5)).
func childrenOf(pid int) (children []string, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("look for the server's children: %w", err)
		}
		children = append(children, strings.Fields(string(text))...)
	}
	return children, nil
}
