package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// logTail is how many bytes of what a process said are shown when a test fails.
const logTail = 16 << 10

// process is a program that runs on a host until the test ends. Its end before that fails the test.
type process struct {
	name   string
	stdout io.Reader
	log    tail
	ended  chan struct{}
	err    error // why it ended; valid when ended is closed
}

// start runs cmd on the host. The process gets SIGKILL when the test ends, and from the kernel when the thread that
// started it ends, which therefore waits for it: nothing outlives a test that was killed itself.
func (h *host) start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	stdout, writer := io.Pipe()
	p := &process{name: h.name, stdout: stdout, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = writer, &p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		p.err = h.do(func() error {
			err := cmd.Start()
			started <- err
			if err != nil {
				return err
			}
			return cmd.Wait()
		})
		select {
		case started <- p.err: // not even the namespace was entered
		default:
		}
		writer.Close()
		close(p.ended)
		h.lost(fmt.Errorf("the %s ended: %v", h.name, p.err))
	}()
	require.NoError(t, <-started, "start %s on host %s", cmd.Path, h.name)
	t.Cleanup(func() {
		stdout.Close()
		_ = cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("host %s: %s: %v: last words:\n%s", h.name, cmd, p.err, p.log.String())
		}
	})
	return p
}

// stream is what a process says on standard output: JSON values, one after the other.
type stream[T any] struct {
	*process
	values chan T
	err    error // why no more come; valid when values is closed
}

// read makes the stream of a process.
func read[T any](p *process) *stream[T] {
	s := &stream[T]{process: p, values: make(chan T, 1)}
	go func() { // ends with the process, which ends with the test
		defer close(s.values)
		for from := json.NewDecoder(p.stdout); ; {
			var v T
			if s.err = from.Decode(&v); s.err != nil {
				return
			}
			select {
			case s.values <- v:
			case <-p.ended:
				return
			}
		}
	}()
	return s
}

// next is the next value, which the process is to say in order to do what.
func (s *stream[T]) next(ctx context.Context, t *testing.T, what string) T {
	t.Helper()
	select {
	case <-ctx.Done():
		t.Fatalf("waited in vain for the %s to %s: %v", s.name, what, context.Cause(ctx))
	case v, ok := <-s.values:
		if ok {
			return v
		}
		if !errors.Is(s.err, io.EOF) {
			t.Fatalf("the %s does not %s, it says what cannot be read: %v", s.name, what, s.err)
		}
		<-s.ended
		t.Fatalf("the %s ended instead of going on to %s: %v", s.name, what, s.process.err)
	}
	panic("not reached")
}

// await tries until try succeeds, or fails the test when ctx ends.
func await(ctx context.Context, t *testing.T, what string, try func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s: %v; at last: %v", what, context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *tail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.buf.Write(b)
	if over := l.buf.Len() - logTail; over > 0 {
		l.buf.Next(over)
	}
	return n, err
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
