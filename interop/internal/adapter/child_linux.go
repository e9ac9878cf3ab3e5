package adapter

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Child is a client that runs as a program of its own. It ends with this process, however that ends.
type Child struct {
	name  string
	ended chan struct{}
	err   error // valid when ended is closed
}

// Start runs a program. What it says goes to standard error.
func Start(name string, args ...string) (*Child, error) {
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c := &Child{name: name, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel takes the end of the thread that started the child for the parent's
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return c, nil
}

// Ended says whether the client has ended, which it should not, and why.
func (c *Child) Ended() error {
	select {
	case <-c.ended:
		return fmt.Errorf("%s ended: %v", c.name, c.err)
	default:
		return nil
	}
}
