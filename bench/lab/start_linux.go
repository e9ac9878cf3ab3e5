package lab

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Start starts cmd inside the side's namespace, on core cpu from its first instruction (a negative cpu pins nothing),
// and returns when it runs. The caller owns cmd and must Wait for it. A Go program started so sees one core and sets
// GOMAXPROCS to 1.
//
// The process dies with this one, however this one dies: the kernel sends it SIGKILL when the thread that started it
// ends (prctl(2), PR_SET_PDEATHSIG), so Start keeps that thread until the process has ended. It is in a process group
// of its own, so that the terminal's Ctrl-C reaches only this process, which then decides. Start sets these and PidFD
// in cmd.SysProcAttr and keeps its other fields.
func (l *Lab) Start(side Side, cpu int, cmd *exec.Cmd) error {
	ns, err := l.enter(side)
	if err != nil {
		return err
	}
	started := make(chan error, 1)
	go func() {
		defer unix.Close(ns)
		// The error was handed over already, or is about entering the namespace.
		if err := inside(ns, func() error { return l.startHere(cpu, cmd, started) }); err != nil {
			started <- err
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s in the %s namespace: %w", cmd.Path, side, err)
	}
	return nil
}

// startHere starts cmd from the calling thread, says so on started, and returns when the process has ended.
func (l *Lab) startHere(cpu int, cmd *exec.Cmd, started chan<- error) error {
	if cpu >= 0 {
		if err := pin(0, cpu); err != nil {
			return err
		}
	}
	p := &proc{pidfd: -1, ended: make(chan struct{})}
	attr := attributes(cmd)
	attr.Pdeathsig, attr.Setpgid, attr.PidFD = syscall.SIGKILL, true, &p.pidfd

	l.mu.Lock() // over the start, so that Close sees the process or Start sees the end
	if l.closed {
		l.mu.Unlock()
		return errClosed
	}
	if err := cmd.Start(); err != nil {
		l.mu.Unlock()
		return err
	}
	l.procs[p] = struct{}{}
	l.mu.Unlock()
	started <- nil

	_, err := waitExit(p.pidfd, -1)
	close(p.ended)
	l.mu.Lock()
	delete(l.procs, p)
	l.mu.Unlock()
	if err != nil { // cannot be: the descriptor is ours
		panic(fmt.Sprintf("lab: wait for process: %v", err))
	}
	unix.Close(p.pidfd)
	return nil
}

// proc is a process that Start started and that has not ended yet. While it is in Lab.procs its descriptor is open.
type proc struct {
	pidfd int
	ended chan struct{} // closed before it leaves Lab.procs
}

// kill ends the process and waits until it has ended. It needs the lab's lock.
func (p *proc) kill() error {
	if err := unix.PidfdSendSignal(p.pidfd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process of the lab: %w", err)
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(killTimeout):
		return fmt.Errorf("kill process of the lab: still there after %v", killTimeout)
	}
}
