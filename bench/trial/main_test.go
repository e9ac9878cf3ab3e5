package trial

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scriptEnv makes the test binary play a program in the lab. It holds a script, a step a line:
//
//	say TEXT    a line on standard output       read      copy a line from standard input to standard error
//	part TEXT   the same, without its end       deaf      do not end when asked to
//	err TEXT    a line on standard error        child     start a process that holds standard error, say its id there
//	flood       lines without end               hang      wait for ever
//	exit N      end
const scriptEnv = "SUPERNODE_TRIAL_TEST_SCRIPT"

// patience is longer than anything here takes on a busy machine. Nothing waits that long unless it fails.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if script := os.Getenv(scriptEnv); script != "" {
		play(script)
	}
	os.Exit(m.Run())
}

func play(script string) {
	in := bufio.NewReader(os.Stdin)
	for step := range strings.Lines(script) {
		what, text, _ := strings.Cut(strings.TrimSpace(step), " ")
		switch what {
		case "say":
			fmt.Println(text)
		case "part":
			fmt.Print(text)
		case "err":
			fmt.Fprintln(os.Stderr, text)
		case "read":
			line, err := in.ReadString('\n')
			if err != nil {
				os.Exit(0)
			}
			fmt.Fprint(os.Stderr, line)
		case "flood":
			for {
				fmt.Println(`{"event":"measured"}`)
			}
		case "deaf":
			signal.Ignore(syscall.SIGTERM)
		case "child":
			child := scripted("hang")
			child.Stderr = os.Stderr
			if err := child.Start(); err != nil {
				panic(err)
			}
			fmt.Fprintln(os.Stderr, child.Process.Pid)
		case "hang":
			for {
				_, _ = io.Copy(io.Discard, in)
				time.Sleep(time.Hour)
			}
		case "exit":
			n, err := strconv.Atoi(text)
			if err != nil {
				panic(err)
			}
			os.Exit(n)
		default:
			panic("no such step: " + step)
		}
	}
	os.Exit(0)
}

// scripted returns a command that plays a script, and dies with this process.
func scripted(steps ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), scriptEnv+"="+strings.Join(steps, "\n"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// startScript starts a script as a process of the harness's.
func startScript(t *testing.T, steps ...string) *process {
	t.Helper()
	p := new(process)
	require.NoError(t, p.start("server", scripted(steps...), (*exec.Cmd).Start))
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

// said waits until the process has said something on standard error, and returns that.
func (p *process) awaitSaid(t *testing.T) string {
	t.Helper()
	require.Eventually(t, func() bool { return p.said.String() != "" }, patience, time.Millisecond)
	return p.said.String()
}
