package trial

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"supernode/bench/lab"
	"supernode/bench/measure"
)

// server is a server under test that runs in the lab's server namespace.
type server struct {
	process
	addr   netip.AddrPort
	family family // that descends from it, as meet has found it
}

// startServer starts command on the server's core.
func startServer(l *lab.Lab, command string, addr netip.AddrPort) (*server, error) {
	return newServer(command, addr, func(cmd *exec.Cmd) error { return l.Start(lab.Server, l.Spec().ServerCPU, cmd) })
}

// newServer starts command through start.
func newServer(command string, addr netip.AddrPort, start func(*exec.Cmd) error) (*server, error) {
	words := commandLine(command, addr)
	if len(words) == 0 {
		return nil, errors.New("start server: its command is empty")
	}
	s := &server{addr: addr}
	cmd := exec.Command(words[0], words[1:]...)
	lab.AsCaller(cmd)
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

// Placeholders in a server's command.
const (
	AddrMark = "{addr}" // ADDR:PORT, an IPv6 address in brackets
	HostMark = "{host}" // ADDR, without brackets
	PortMark = "{port}"
)

// commandLine splits a command at spaces and puts in where the server is to answer. There is no quoting: no shell reads it.
func commandLine(command string, addr netip.AddrPort) []string {
	host, port, _ := net.SplitHostPort(addr.String()) // which String has just joined
	return strings.Fields(strings.NewReplacer(AddrMark, addr.String(), HostMark, host, PortMark, port).Replace(command))
}

// Stop ends the server and what descends from it.
func (s *server) Stop() error {
	s.family.signal(unix.SIGTERM) // a wrapper may not pass it on
	err := s.process.Stop()
	s.family.end(stopTimeout)
	return err
}

// checkFamily refuses an interval in which other processes worked for the server at its end than at its beginning: what
// those that came or went have done is not in its CPU time.
func (s *server) checkFamily() error {
	if gone := s.gone(); gone != nil {
		return gone
	}
	now, err := measure.Descendants(s.PID())
	if err != nil || slices.Equal(now, s.family.pids()) {
		return err
	}
	return fmt.Errorf("%s: its processes beside %d were %v before a trial and %v after it, so that some CPU time is not counted: "+
		"have it start all it needs before it answers", s, s.PID(), s.family.pids(), now)
}

// leaves reports whether a thread of the server may run on another core than the one that it was started on. Servers with
// settings of their own for that do, and the core's figures do not tell.
func (s *server) leaves(core int) (bool, error) {
	var only unix.CPUSet
	only.Set(core)
	for _, pid := range append(s.family.pids(), s.PID()) {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if errors.Is(err, os.ErrNotExist) {
			continue // it has ended, which others find out
		}
		if err != nil {
			return false, fmt.Errorf("list the server's threads: %w", err)
		}
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			if err != nil {
				return false, fmt.Errorf("list the server's threads: %w", err)
			}
			var allowed unix.CPUSet
			if unix.SchedGetaffinity(tid, &allowed) == nil && allowed != only { // or it has ended
				return true, nil
			}
		}
	}
	return false, nil
}

// sum adds up what is read of each of the server's processes.
func (s *server) sum(read func(pid int) (uint64, error)) (total uint64, err error) {
	for _, pid := range append(s.family.pids(), s.PID()) {
		n, err := read(pid)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// meet finds out which processes work for the server now, and has the clocks read theirs.
func (r *Rig) meet() error {
	if err := r.server.family.meet(r.server.PID()); err != nil {
		return fmt.Errorf("%s: %w", r.server, err)
	}
	r.clocks.ServedBy(r.server.family.pids())
	return nil
}
