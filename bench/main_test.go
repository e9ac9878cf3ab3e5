package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// apartEnv says that this is the second run of the test binary, in a mount namespace of its own.
const apartEnv = "SUPERNODE_BENCH_TEST_APART"

// aloneEnv says that this run of the test binary is for one test, and where the programs are.
const aloneEnv = "SUPERNODE_BENCH_TEST_ALONE"

const (
	netnsDir = "/run/netns"
	nobody   = 65534
	// patience is longer than anything here takes on a busy machine. Nothing waits that long unless it fails.
	patience = 2 * time.Minute
)

var programs = []string{"bench", "supernode", "supernode-burn", "loadgen", "anacrolix-server", "null-server"}

// built is the directory of the programs, made once from the source. Anybody may read it.
var built string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if os.Geteuid() == 0 && os.Getenv(apartEnv) == "" {
		return runApart()
	}
	if built = os.Getenv(aloneEnv); built != "" {
		return m.Run()
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(built)
	// The bench leaves alone a signal that it was started to ignore, as a shell's background jobs are. What the tests start
	// must not inherit that; a signal somebody asks for is not ignored.
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	return m.Run()
}

// runApart runs the tests again where no other process's labs are, for bench lab clean would remove those as well.
func runApart() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), apartEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(1, exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "run tests in a mount namespace of their own:", err)
		return 1
	}
	return 0
}

func prepare() (err error) {
	if os.Geteuid() == 0 {
		if err := os.MkdirAll(netnsDir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", netnsDir, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount tmpfs on %s: %w", netnsDir, err)
		}
	}
	if built, err = os.MkdirTemp("", "bench-test-"); err != nil {
		return err
	}
	if err := os.Chmod(built, 0o755); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"-o", built + "/", "./cmd/supernode", "./cmd/loadgen", "./bench", "./bench/peers/anacrolix-server", "./bench/peers/null-server"},
		{"-tags", "burn", "-o", filepath.Join(built, "supernode-burn"), "./cmd/supernode"},
	} {
		cmd := exec.Command("go", append([]string{"build"}, args...)...)
		cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("build the programs: %w", err)
		}
	}
	for _, program := range programs {
		if err := os.Chmod(filepath.Join(built, program), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// alone has a test run in a process of its own, and says whether this is that process. A test that makes a lab itself must:
// its threads end with what they did in a namespace, and what other tests started from such a thread dies with it
// (PR_SET_PDEATHSIG).
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneEnv) != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", patience.String())
	cmd.Env = append(os.Environ(), aloneEnv+"="+built)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return false
}

// home is a directory of a test's own, with the programs in it under names that tell its processes from others'.
// Anybody may read it.
func home(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(built, "home-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, program := range programs {
		require.NoError(t, os.Link(filepath.Join(built, program), filepath.Join(dir, program)))
	}
	return dir
}

// running is a bench under way.
type running struct {
	t      *testing.T
	home   string
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr io.ReadCloser
	lines  *bufio.Reader
	told   strings.Builder // standard error as far as it was read
}

// begin starts the bench in dir; edit may change the command before.
func begin(t *testing.T, dir string, edit func(*exec.Cmd), args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r := &running{t: t, home: dir, cmd: exec.CommandContext(ctx, filepath.Join(dir, "bench"), args...)}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	r.cmd.Stdout = &r.stdout
	var err error
	r.stderr, err = r.cmd.StderrPipe()
	require.NoError(t, err)
	r.lines = bufio.NewReader(r.stderr)
	if edit != nil {
		edit(r.cmd)
	}
	require.NoError(t, r.start())
	return r
}

// start starts the bench from a thread that lasts as long as the test. The kernel takes the thread for the parent
// (prctl(2), PR_SET_PDEATHSIG), and threads come to an end: those of tests that enter a namespace do.
func (r *running) start() error {
	started, over := make(chan error), make(chan struct{})
	r.t.Cleanup(func() { close(over) })
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		started <- r.cmd.Start()
		<-over
	}()
	return <-started
}

// await reads standard error up to the line that holds text.
func (r *running) await(text string) {
	r.t.Helper()
	for {
		line, err := r.lines.ReadString('\n')
		r.told.WriteString(line)
		require.NoError(r.t, err, "the bench never said %q, only:\n%s", text, r.told.String())
		if strings.Contains(line, text) {
			return
		}
	}
}

func (r *running) signal(s os.Signal) {
	r.t.Helper()
	require.NoError(r.t, r.cmd.Process.Signal(s))
}

// end waits until the bench has ended, and returns its exit status: -1 if a signal killed it.
func (r *running) end() int {
	r.t.Helper()
	rest, err := io.ReadAll(r.lines)
	if !errors.Is(err, os.ErrClosed) {
		require.NoError(r.t, err)
	}
	r.told.Write(rest)
	err = r.cmd.Wait()
	require.True(r.t, err == nil || errors.As(err, new(*exec.ExitError)), "%v", err)
	return r.cmd.ProcessState.ExitCode()
}

// ended is begin and end.
func ended(t *testing.T, dir string, edit func(*exec.Cmd), args ...string) (status int, stdout, stderr string) {
	t.Helper()
	r := begin(t, dir, edit, args...)
	status = r.end()
	return status, r.stdout.String(), r.told.String()
}

// lastLine is what the bench said last.
func lastLine(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	return lines[len(lines)-1]
}

// processes lists the processes that were started from a test's home, by what a process is: "supernode".
func processes(t *testing.T, dir string) map[string]int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	found := map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte(dir+"/")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		require.NoError(t, err)
		command, _, _ := strings.Cut(string(text), "\x00")
		found[filepath.Base(command)] = pid
	}
	return found
}

// namespaces lists the named namespaces of the bench.
func (r *running) namespaces() []string {
	r.t.Helper()
	names, err := filepath.Glob(fmt.Sprintf("%s/supernode-*.%d.*", netnsDir, r.cmd.Process.Pid))
	require.NoError(r.t, err)
	return names
}

// requireNothingLeft checks that a bench that has ended took everything with it.
func (r *running) requireNothingLeft() {
	r.t.Helper()
	require.Empty(r.t, r.namespaces(), "namespaces")
	require.Empty(r.t, processes(r.t, r.home), "processes")
	c, err := nftables.New()
	require.NoError(r.t, err)
	tables, err := c.ListTables()
	require.NoError(r.t, err)
	for _, table := range tables {
		require.NotContains(r.t, table.Name, "supernode", "a table outside the lab")
	}
}
