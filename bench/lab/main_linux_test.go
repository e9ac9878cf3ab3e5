package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// roleEnv makes the test binary play a part of its own, see the roles below.
const roleEnv = "SUPERNODE_LAB_TEST_ROLE"

const (
	roleTests  = "tests"  // run the tests, in a mount namespace where /run/netns is empty and nobody else's
	roleOwner  = "owner"  // make a lab and start a process in it, say so, wait to be killed
	roleKeeper = "keeper" // make a lab that is kept, say so, end
	roleIdle   = "idle"   // do nothing
	roleShort  = "short"  // end at once
	roleUser   = "user"   // make a lab as the root of a user namespace, send through it, say what it warned of
)

// said is the line an owner, keeper or user writes to its standard output.
type said struct {
	ID       string
	Devices  [2]string
	Started  int // process id in the lab
	Warnings []string
}

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleEnv); role {
	case "":
		if os.Geteuid() == 0 {
			os.Exit(runApart())
		}
		os.Exit(m.Run())
	case roleTests:
		if err := coverNetnsDir(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	default:
		if err := play(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// runApart runs the tests again where no other process's Up or Clean can interfere.
func runApart() int {
	cmd := self(roleTests, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
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

func coverNetnsDir() error {
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", netnsDir, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount tmpfs on %s: %w", netnsDir, err)
	}
	return nil
}

// self returns a command that runs this test binary in a role.
func self(role string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

func play(role string) error {
	switch role {
	case roleIdle:
		return unix.Pause()
	case roleShort:
		return nil
	}
	spec := Default()
	spec.Keep = role == roleKeeper
	l, err := Up(context.Background(), spec)
	if err != nil {
		return err
	}
	s := said{ID: l.id.String(), Devices: [2]string{l.ends[Server].dev, l.ends[Client].dev}}
	switch role {
	case roleOwner:
		idle := self(roleIdle)
		if err := l.Start(Server, 0, idle); err != nil {
			return err
		}
		s.Started = idle.Process.Pid
	case roleUser:
		if err := echoOnce(l); err != nil {
			return errors.Join(err, l.Close())
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	s.Warnings = l.Warnings()
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
		return err
	}
	if role == roleOwner {
		return unix.Pause()
	}
	return nil
}

// hear starts a role and returns what it says. A role that fails says why on standard error.
func hear(t *testing.T, cmd *exec.Cmd) said {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var s said
	line, err := bufio.NewReader(out).ReadBytes('\n')
	require.NoError(t, err, "the %s said nothing", cmd.Env[len(cmd.Env)-1])
	require.NoError(t, json.Unmarshal(line, &s))
	return s
}
