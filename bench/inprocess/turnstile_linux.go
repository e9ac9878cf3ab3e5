package inprocess

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"supernode/internal/pin"
)

// turnstile lets a test program repeat a benchmark only when told to.
//
// The program's standard output is a pipe that keeps each write apart (O_DIRECT, pipe(2)) and has room for one
// (F_SETPIPE_SZ, fcntl(2)). Before each repetition package testing writes the benchmark's name, and after it the result,
// each in one write. So a result that is left in the pipe unread holds the program in its next write: the name of what it
// would do next. Taking the result lets it go on, by one repetition.
//
//	result k    | in the pipe, unread, while others have their turns
//	name k+1    | waits in write(2); fits once result k is taken; is taken at once, so that
//	            | repetition k+1 runs
//	result k+1  | fits; its arrival ends the turn
type turnstile struct {
	cmd    *exec.Cmd
	out    *os.File // our end of the pipe
	fd     syscall.RawConn
	text   strings.Builder // all that was read
	stderr strings.Builder
	done   chan error // receives the end of the process, once
}

// patience is how long a turn may take, the building of tables before a first one included.
const patience = 2 * time.Minute

// stdoutLimit bounds a write; a longer one would come in pieces (PIPE_BUF, pipe(7)).
const stdoutLimit = 4096

// enter starts a test program on a core, in the directory of its package. It must be left by leave.
func enter(program, dir string, env []string, cpu int, args ...string) (*turnstile, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_DIRECT); err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	in := os.NewFile(uintptr(ends[1]), "pipe")
	defer in.Close() // the program has its own
	err := unix.SetNonblock(ends[0], true)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(ends[0]), unix.F_SETPIPE_SZ, 1) // rounded up to a page, which is one write
	}
	out := os.NewFile(uintptr(ends[0]), "pipe")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make pipe with room for one write: %w", err), out.Close())
	}
	t := &turnstile{cmd: exec.Command(program, args...), out: out, done: make(chan error, 1)}
	t.cmd.Dir, t.cmd.Env, t.cmd.Stdout, t.cmd.Stderr = dir, env, in, &t.stderr
	if t.fd, err = out.SyscallConn(); err == nil {
		err = start(t.cmd, cpu, t.done)
	}
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return t, nil
}

// start starts cmd on a core from its first instruction, and has its end sent to done. The process does not outlive this
// one: it dies with the thread that started it (PR_SET_PDEATHSIG, prctl(2)), which stays for that. It is out of reach of
// the terminal's Ctrl-C, which is for us to heed.
func start(cmd *exec.Cmd, cpu int, done chan<- error) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: a pinned thread is of no use to others
		err := pin.Thread(cpu)
		if err == nil {
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
			err = cmd.Start()
		}
		if err != nil {
			started <- err
			return
		}
		started <- nil
		done <- cmd.Wait()
	}()
	return <-started
}

// turn lets the program make its next repetition, and returns when that is done; more is false once there is none.
func (t *turnstile) turn(ctx context.Context) (more bool, err error) {
	if err := t.out.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return false, err
	}
	stop := context.AfterFunc(ctx, func() { _ = t.out.SetReadDeadline(time.Now()) })
	defer stop()
	buf := make([]byte, stdoutLimit)
	for {
		n, err := t.out.Read(buf)
		t.text.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, t.failed(ctx, err)
		}
		if isName(string(buf[:n])) {
			break
		}
	}
	if err := t.awaitResult(); err != nil {
		return false, t.failed(ctx, err)
	}
	return true, nil
}

// isName tells the write before a repetition from all others: "BenchmarkParse/ping \t".
func isName(write string) bool {
	return strings.HasPrefix(write, "Benchmark") && strings.HasSuffix(write, "\t") && strings.Count(write, "\t") == 1
}

// awaitResult returns when something is in the pipe, or nothing will be, and leaves it there.
func (t *turnstile) awaitResult() error {
	var failed error
	err := t.fd.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		failed = err
		return n > 0 || err != nil && err != unix.EINTR
	})
	return errors.Join(err, failed)
}

func (t *turnstile) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%s has not ended a repetition within %v", t.name(), patience)
	}
	return fmt.Errorf("read from %s: %w", t.name(), err)
}

func (t *turnstile) name() string { return filepath.Base(t.cmd.Path) }

// leave ends the program if it has not ended by itself, which is no error, and says what it printed.
func (t *turnstile) leave(finished bool) (text string, err error) {
	if !finished {
		_ = t.cmd.Process.Kill()
	}
	err = errors.Join(<-t.done, t.out.Close())
	if !finished {
		return t.text.String(), nil
	}
	if err != nil {
		return t.text.String(), fmt.Errorf("%s failed (%w); it said:\n%s", t.name(), err, tail(t.text.String()+t.stderr.String()))
	}
	return t.text.String(), nil
}

// tail is the end of a text.
func tail(text string) string {
	const most = 2000
	if text = strings.TrimSpace(text); len(text) > most {
		text = "…" + text[len(text)-most:]
	}
	return text
}
