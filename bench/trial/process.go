package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// stopTimeout is how long a program may take to end when asked to.
	stopTimeout = 5 * time.Second
	// stderrTimeout is how long a program's standard error is still listened to when the program has ended: what it
	// started may hold it open for ever.
	stderrTimeout = time.Second
)

// process is a program that is kept alive over all trials, with the end of what it said on standard error.
type process struct {
	role string // what it is to the harness: "server"
	cmd  *exec.Cmd
	said tail
	done chan struct{} // closed when the program has ended; err is then set
	err  error
}

// start starts cmd through start, which puts it in its place: a namespace, a core.
func (p *process) start(role string, cmd *exec.Cmd, start func(*exec.Cmd) error) error {
	p.role, p.cmd, p.done = role, cmd, make(chan struct{})
	cmd.Stderr, cmd.WaitDelay = &p.said, stderrTimeout
	if err := start(cmd); err != nil {
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

// Stop asks the program to end, and makes it. A program that has ended is no error: whoever needed it was told.
func (p *process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails when there is nobody to ask
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
	}
	_ = p.cmd.Process.Signal(syscall.SIGQUIT) // has a program in Go say what it is at
	select {
	case <-p.done:
	case <-time.After(stderrTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return fmt.Errorf("stop %s: it did not end within %v of SIGTERM and was killed%s", p, stopTimeout, p.lastWords())
}

// gone is the error of a program that has ended, and nil while it runs.
func (p *process) gone() error {
	if p.cmd.Process.Signal(syscall.Signal(0)) == nil {
		return nil
	}
	return p.ended()
}

// ended waits for the end of a program that is ending, and says how that was.
func (p *process) ended() error {
	<-p.done
	how := "exit status 0: it must stay in the foreground"
	if p.err != nil && !errors.Is(p.err, exec.ErrWaitDelay) { // that is status 0, and a child that holds standard error
		how = p.err.Error()
	}
	return fmt.Errorf("%s has ended (%s)%s", p, how, p.lastWords())
}

// String names the program in errors.
func (p *process) String() string { return p.role + " " + p.cmd.Path }

// lastWords is what to add to an error about the program: the end of its standard error, if it used that.
func (p *process) lastWords() string {
	text := p.said.String()
	switch {
	case text == "":
		return ""
	case strings.Contains(text, "\n"):
		return "; it said:\n  " + strings.ReplaceAll(text, "\n", "\n  ")
	}
	return "; it said: " + text
}

// during returns ctx, which then also ends when the program does, and has that for its cause. The caller calls stop
// when it has no more use for it.
func (p *process) during(ctx context.Context) (bounded context.Context, stop func()) {
	bounded, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-p.done:
			cancel(p.ended())
		case <-bounded.Done():
		}
	}()
	return bounded, func() { cancel(nil) }
}

// within bounds ctx by d and says what for when that was too little.
func within(ctx context.Context, d time.Duration, what string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%s took longer than %v", what, d))
}

// tail keeps the last bytes written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
	cut  bool // there was more before text
}

const tailBytes = 8000 // some stacks of a program in Go

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text, t.cut = append(t.text[:0], t.text[over:]...), true
	}
	return len(p), nil
}

// String returns the last lines, whole ones if there is more than one.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := t.text
	if t.cut {
		if _, rest, ok := bytes.Cut(text, []byte("\n")); ok && len(bytes.TrimSpace(rest)) > 0 {
			text = rest
		}
		text = append([]byte("…"), text...)
	}
	return string(bytes.TrimSpace(text))
}
