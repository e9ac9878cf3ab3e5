package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/internal/apart"
	"supernode/internal/conntrack"
)

// watchDoctor starts doctor --watch on a port that nobody uses, reads until the reader has seen enough, and ends it as Ctrl-C
// does. It returns the exit status.
func watchDoctor(t *testing.T, stdout io.Writer, enough func(), args ...string) (exit int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, built, append([]string{"doctor", "--watch", "--interval", "100ms", "--port", "9"}, args...)...)
	cmd.Stdout = stdout
	require.NoError(t, cmd.Start())
	enough()
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait() // the status says it
	return cmd.ProcessState.ExitCode()
}

// lines reads that many lines.
func lines(t *testing.T, r io.Reader, n int) (read []string) {
	t.Helper()
	for sc := bufio.NewScanner(r); len(read) < n; read = append(read, sc.Text()) {
		require.True(t, sc.Scan(), "%v after %q", sc.Err(), read)
	}
	return read
}

func TestDoctorWatchesInLines(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	exit := watchDoctor(t, w, func() {
		for _, line := range lines(t, r, 2) {
			require.Regexp(t, `^\d\d:\d\d:\d\d port 9 (inactive|tracked|exempt|near_limit|dropping|unknown): \d+ of \d+ entries \(.*%\), [+-]\d+ in 0\.\d s, \d+ new flows/s, \d+ dropped, \d+ evicted, .*full.*$`, line)
		}
	})
	require.Contains(t, []int{0, 1, 2, 3}, exit)
	require.GreaterOrEqual(t, exit, 0)
}

func TestDoctorWatchesInJSON(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	var last conntrack.Diagnosis
	exit := watchDoctor(t, w, func() {
		for _, line := range lines(t, r, 2) {
			require.NoError(t, json.Unmarshal([]byte(line), &last), line)
			require.EqualValues(t, 9, last.Port)
		}
	}, "--json")
	require.Equal(t, last.Verdict.ExitStatus(), exit, "that of the last verdict")
}

// TestDoctorWatchesLive gives the command a terminal: the kernel's other end of a pseudo-terminal.
func TestDoctorWatchesLive(t *testing.T) {
	ptmx, terminal := apart.Terminal(t)
	var screen string
	watchDoctor(t, terminal, func() {
		screen = strings.Join(lines(t, ptmx, 12), "\n")
	})
	require.True(t, strings.HasPrefix(screen, clearScreen), "%q", screen)
	for _, part := range []string{"port 9: ", "table     [", "arriving ", "lost ", "sockets ", "forecast "} {
		require.Contains(t, screen, part)
	}
}

// TestDoctorEverywhere asks in all namespaces, among them one that tracks and has a socket on a port of its own.
func TestDoctorEverywhere(t *testing.T) {
	apart.NeedRoot(t)
	var all []conntrack.Diagnosis
	var ofNobody []conntrack.Diagnosis
	var text, nobody string
	status := 0
	const port = 26881
	visit(t, func(p *patient) {
		p.nft(statefulRules)
		p.bindPort(port)
		held := exec.Command("cat") // a process in the namespace, besides a thread of ours
		stdin, err := held.StdinPipe()
		p.must("make a pipe", err)
		p.must("start a process", held.Start())
		p.clean = append(p.clean, func() { stdin.Close(); held.Wait() })
		run := func(credential *syscall.Credential, args ...string) []byte {
			cmd := exec.Command(built, append([]string{"doctor", "--all-netns", "--interval", "100ms", "--port", strconv.Itoa(port)}, args...)...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
			out, err := cmd.Output()
			if ended, ok := err.(*exec.ExitError); ok && len(ended.Stderr) == 0 {
				status, err = ended.ExitCode(), nil // the verdict of some namespace of this machine
			}
			p.must("run doctor", err)
			return out
		}
		p.must("read what doctor printed", json.Unmarshal(run(nil, "--json"), &all))
		text = string(run(nil))
		nobody = string(run(&syscall.Credential{Uid: 65534, Gid: 65534}))
		status = 0
		p.must("read what doctor printed for nobody", json.Unmarshal(run(&syscall.Credential{Uid: 65534, Gid: 65534}, "--json"), &ofNobody))
	})
	require.Regexp(t, `(?m)^pid \d+ \(supernode\) +26881 bound +tracked `, nobody, "one's own namespace is open to everybody")
	require.Regexp(t, `not checked: the namespaces of \d+ processes`, nobody)
	hidden := ofNobody[len(ofNobody)-1]
	require.Equal(t, conntrack.Unknown, hidden.Verdict)
	require.Regexp(t, `namespaces of \d+ processes`, strings.Join(hidden.Unchecked, "\n"))
	require.NotZero(t, status, "something was not seen")
	tracked := 0
	for _, d := range all {
		require.NotEmpty(t, d.Netns)
		if d.Socket.Bound {
			require.Equal(t, conntrack.Tracked, d.Verdict)
			tracked++
		}
	}
	require.Equal(t, 1, tracked, "%+v", all)
	require.GreaterOrEqual(t, len(all), 2)
	require.Regexp(t, `(?m)^NAMESPACE +PORT +VERDICT`, text)
	require.Regexp(t, `(?m)^pid \d+ \(.+\) +26881 bound +tracked +\d+ +\d+ +0 +datagrams of port 26881 are tracked`, text)
}
