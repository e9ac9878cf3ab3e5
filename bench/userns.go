package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"supernode/bench/lab"
)

// asRoot makes sure that a command which builds a lab may do so. As an ordinary user it runs the whole command line again,
// as the root of a user namespace, and says that it is done; what comes of that is the error.
func asRoot(cmd *cobra.Command) (done bool, err error) {
	if os.Geteuid() == 0 {
		return false, nil
	}
	again := exec.Command("/proc/self/exe", os.Args[1:]...)
	again.Args[0] = os.Args[0] // for the records
	again.Stdin, again.Stdout, again.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	lab.Unprivileged(again)
	// It dies with this process. In its own process group, Ctrl-C does not reach it but through this one, once.
	again.SysProcAttr.Pdeathsig, again.SysProcAttr.Setpgid = syscall.SIGKILL, true
	runtime.LockOSThread() // which the kernel takes for the parent (prctl(2), PR_SET_PDEATHSIG)
	defer runtime.UnlockOSThread()

	caught := make(chan os.Signal, 4)
	signal.Notify(caught, signals()...)
	defer signal.Stop(caught)
	if err := again.Start(); err != nil {
		return true, usagef("needs root, or a user namespace of its own, which is forbidden here (%w): %srun it with sudo", err, mend())
	}
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-caught:
				_ = again.Process.Signal(s)
			case <-ended:
				return
			}
		}
	}()
	err = again.Wait()
	close(ended)
	exit := (*exec.ExitError)(nil)
	switch {
	case err == nil:
		return true, nil
	case !errors.As(err, &exit):
		return true, fmt.Errorf("run in a user namespace: %w", err)
	case exit.ExitCode() < 0: // a signal's, as shells have it
		return true, exitError{status: 128 + int(exit.Sys().(syscall.WaitStatus).Signal())}
	}
	return true, exitError{status: exit.ExitCode()}
}

// mend is the kernel's setting that forbids user namespaces, with what permits them, as the beginning of a sentence.
func mend() string {
	if setting := lab.Forbidden(); setting != "" {
		return setting + ", or "
	}
	return ""
}

// notes are what a reader of a run's figures must know of its lab. What a run without root could not do is in the first.
func notes(l *lab.Lab) []string {
	warnings := l.Warnings()
	if lab.InUserNamespace() {
		warnings = []string{"measured without root: " + strings.Join(append(warnings, withoutRoot()...), "; ")}
	}
	return append(warnings, l.Shared()...)
}

// withoutRoot tries what root can do, and says what of it cannot be done here.
func withoutRoot() (lacks []string) {
	if limit, err := os.ReadFile("/proc/sys/net/core/rmem_max"); err == nil {
		lacks = append(lacks, fmt.Sprintf("socket buffers are no larger than net.core.rmem_max, %s bytes", strings.TrimSpace(string(limit))))
	} else {
		lacks = append(lacks, "socket buffers are no larger than the host's net.core.rmem_max")
	}
	var most unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_RTPRIO, &most) == nil && most.Cur == 0 {
		lacks = append(lacks, "no thread runs at realtime priority")
	}
	if entryBytes() == 0 {
		lacks = append(lacks, "the size of a conntrack entry is not known, since /proc/slabinfo is root's")
	}
	if log, err := os.Open("/dev/kmsg"); err == nil {
		log.Close()
	} else {
		lacks = append(lacks, "the kernel log cannot be read (/dev/kmsg), so that nobody sees its lines about a full table")
	}
	if uid, ok := lab.Caller(); ok {
		lacks = append(lacks, "the server runs as user "+strconv.Itoa(uid)+" without rights over its network")
	}
	return append(lacks, "ip netns does not list the lab's namespaces, which end with the run")
}
