package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"supernode/bench/lab"
)

// Server is a server under test that runs in the lab's server namespace.
type Server struct {
	Addr netip.AddrPort
	process
}

// StartServer starts command on the server's core. The command's words are separated by spaces; {addr} in them
// stands for the address and port to answer on.
func StartServer(l *lab.Lab, command string, addr netip.AddrPort) (*Server, error) {
	words := strings.Fields(strings.ReplaceAll(command, "{addr}", addr.String()))
	if len(words) == 0 {
		return nil, errors.New("server command is empty")
	}
	s := &Server{Addr: addr}
	cmd := exec.Command(words[0], words[1:]...)
	if err := s.start(l, lab.Server, l.Spec().ServerCPU, cmd); err != nil {
		return nil, fmt.Errorf("start server %s: %w", words[0], err)
	}
	return s, nil
}

// process is a program in the lab, with the end of what it said on stderr.
type process struct {
	cmd  *exec.Cmd
	said tail
	done chan struct{} // closed when the program has ended; err is then set
	err  error
}

func (p *process) start(l *lab.Lab, side lab.Side, cpu int, cmd *exec.Cmd) error {
	p.cmd, p.done = cmd, make(chan struct{})
	cmd.Stderr = &p.said
	if err := l.Start(side, cpu, cmd); err != nil {
		return err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return nil
}

// PID is the program's process id.
func (p *process) PID() int { return p.cmd.Process.Pid }

// stopTimeout is how long a program may take to end when asked to.
const stopTimeout = 5 * time.Second

// Stop asks the program to end, and makes it.
func (p *process) Stop() error {
	select {
	case <-p.done:
		return p.ended()
	default:
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
		p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not end within %v of SIGTERM", p.cmd.Path, stopTimeout)
	}
}

// ended is the error of a program that is not there any more.
func (p *process) ended() error {
	return fmt.Errorf("%s has ended (%v): %s", p.cmd.Path, p.err, p.said.String())
}

// tail keeps the last bytes written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 2000

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}

// within bounds ctx by d and says what for when that was too little.
func within(ctx context.Context, d time.Duration, what string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%s took longer than %v", what, d))
}
