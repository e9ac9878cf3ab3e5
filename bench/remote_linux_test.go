package main

import (
	"bytes"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/lab"
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/internal/apart"
)

// twoHosts is a server's host, with an agent and a secret, and a generator's.
type twoHosts struct {
	lab    *lab.Lab
	home   string // of the programs
	secret string
	agent  *exec.Cmd
	said   lines
}

// lines keeps what was written to it, and lets one line be awaited after the other.
type lines struct {
	io.Writer
	in chan string
}

const (
	agentPort = "10.18.0.1:7070"
	node      = "--listen 0.0.0.0:6881 --bootstrap none --state-dir none --http none --allow-private --rate-limit off --log-level error"
)

func newTwoHosts(t *testing.T) *twoHosts {
	t.Helper()
	apart.NeedRoot(t)
	apart.NeedProgram(t, "nft")
	l, err := lab.Up(t.Context(), lab.Default())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	h := &twoHosts{lab: l, home: home(t), secret: filepath.Join(t.TempDir(), "secret")}
	require.NoError(t, os.WriteFile(h.secret, []byte("known to both of them\n"), 0o600))
	return h
}

// start starts the agent with a node, and returns when it waits for the harness.
func (h *twoHosts) start(t *testing.T, more ...string) {
	t.Helper()
	h.agent = exec.Command(filepath.Join(h.home, "bench"), append([]string{"agent", "--listen", agentPort, "--port", "6881",
		"--server-cmd", filepath.Join(h.home, "supernode") + " " + strings.Replace(node, "0.0.0.0:6881", "{addr}", 1),
		"--secret-file", h.secret, "--i-consent-to-rules"}, more...)...)
	stderr, err := h.agent.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, h.lab.Start(lab.Server, -1, h.agent))
	h.said.in = make(chan string, 100)
	go func() {
		defer close(h.said.in)
		text := make([]byte, 4096)
		for rest := ""; ; {
			n, err := stderr.Read(text)
			rest += string(text[:n])
			for line, more, ok := strings.Cut(rest, "\n"); ok; line, more, ok = strings.Cut(rest, "\n") {
				h.said.in <- line
				rest = more
			}
			if err != nil {
				return
			}
		}
	}()
	h.await(t, "waiting at")
}

// await reads what the agent says up to a line that holds text.
func (h *twoHosts) await(t *testing.T, text string) {
	t.Helper()
	var heard []string
	for line := range h.said.in {
		heard = append(heard, line)
		if strings.Contains(line, text) {
			return
		}
	}
	require.Fail(t, "the agent has ended", "before %q: %q", text, heard)
}

// node starts a node without an agent and returns its process id.
func (h *twoHosts) node(t *testing.T) int {
	t.Helper()
	cmd := exec.Command(filepath.Join(h.home, "supernode"), strings.Fields(node)...)
	require.NoError(t, h.lab.Start(lab.Server, -1, cmd))
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process.Pid
}

func (h *twoHosts) ruleset(t *testing.T) string {
	t.Helper()
	var out string
	require.NoError(t, h.lab.Do(lab.Server, func() error { out = apart.Shell(t, "nft -s list ruleset"); return nil }))
	return out
}

// bench starts the harness on the other host.
func (h *twoHosts) bench(t *testing.T, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	cmd = exec.Command(filepath.Join(h.home, "bench"), append([]string{"conntrack", "--remote", agentPort, "--secret-file", h.secret,
		"--sources", "198.18.0.0/15", "--quick", "--blocks", "1", "--flows", "few", "--rate", "2000"}, args...)...)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	require.NoError(t, h.lab.Start(lab.Client, -1, cmd))
	return cmd, stdout, stderr
}

// TestRemote is a run over two hosts, on one that has no rules, and leaves none.
func TestRemote(t *testing.T) {
	t.Parallel()
	h := newTwoHosts(t)
	before := h.ruleset(t)
	h.start(t)
	out := filepath.Join(t.TempDir(), "out")
	cmd, stdout, stderr := h.bench(t, "--out", out)
	require.NoError(t, cmd.Wait(), stderr.String())
	h.await(t, "has ended, the rules are as they were")
	require.Equal(t, before, h.ruleset(t))
	require.Contains(t, stdout.String(), "report: "+filepath.Join(out, report.ReportFile))

	run, err := record.ReadDir(out)
	require.NoError(t, err)
	require.NotNil(t, run.Header.Client)
	require.Contains(t, strings.Join(run.Header.Notes, "\n"), "measured over two hosts")
	seen := map[plan.Arm]bool{}
	for _, trial := range run.Trials {
		seen[trial.Arm] = true
		require.Equal(t, trial.Arm.Tracks(), trial.Tracking, trial.Arm)
		if trial.Arm == plan.On {
			require.True(t, trial.Conntrack.Entries > 0 || trial.Answered == 0)
		} else {
			require.Zero(t, trial.Conntrack.Entries, trial.Arm)
		}
		if trial.Answered > 0 {
			require.Positive(t, trial.Server)
			require.Positive(t, trial.Client)
		}
	}
	require.Len(t, seen, 4)
	require.NoError(t, h.agent.Process.Signal(syscall.SIGTERM))
	require.NoError(t, h.agent.Wait(), "an agent ends when it is asked to")
}

// TestRemoteOverPipes is a run whose agent some other program has started, here on the server's host.
func TestRemoteOverPipes(t *testing.T) {
	t.Parallel()
	h := newTwoHosts(t)
	before := h.ruleset(t)
	out := filepath.Join(t.TempDir(), "out")
	agent := strings.Join(append([]string{"ip", "netns", "exec", h.lab.Namespace(lab.Server), filepath.Join(h.home, "bench"), "agent", "--stdio"},
		"--port", "6881", "--pid", strconv.Itoa(h.node(t)), "--secret-file", h.secret, "--i-consent-to-rules"), " ")
	cmd := exec.Command(filepath.Join(h.home, "bench"), "conntrack", "--remote-cmd", agent, "--target", "10.18.0.1:6881", "--secret-file", h.secret,
		"--quick", "--blocks", "1", "--flows", "few", "--arms", "on", "--rate", "2000", "--sources", "198.18.0.0/15", "--out", out)
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	require.NoError(t, h.lab.Start(lab.Client, -1, cmd))
	require.NoError(t, cmd.Wait(), stderr.String())
	require.Equal(t, before, h.ruleset(t))
	run, err := record.ReadDir(out)
	require.NoError(t, err)
	require.Len(t, run.Trials, 3)
}

// TestRemoteFromOneAddress is a run without --sources, of a server that is asked by --payload: here a ping, whose answer has the
// number elsewhere than the query.
func TestRemoteFromOneAddress(t *testing.T) {
	t.Parallel()
	h := newTwoHosts(t)
	h.start(t)
	out := filepath.Join(t.TempDir(), "out")
	ping := "hex:" + hex.EncodeToString([]byte("d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t4:")) + "{seq}" + hex.EncodeToString([]byte("1:y1:qe"))
	cmd := exec.Command(filepath.Join(h.home, "bench"), "conntrack", "--remote", agentPort, "--secret-file", h.secret,
		"--quick", "--blocks", "1", "--arms", "on", "--payload", ping, "--reply-at", "50", "--out", out)
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	require.NoError(t, h.lab.Start(lab.Client, -1, cmd))
	require.NoError(t, cmd.Wait(), stderr.String())
	require.Contains(t, stderr.String(), "pattern many was left out")
	run, err := record.ReadDir(out)
	require.NoError(t, err)
	require.Equal(t, []plan.Pattern{plan.Few}, run.Header.Plan.Patterns)
	require.Equal(t, ping, run.Header.Payload)
	require.Equal(t, 50, *run.Header.ReplyAt)
	require.Contains(t, strings.Join(run.Header.Notes, "\n"), "pattern many was left out")
	require.Contains(t, strings.Join(run.Header.Notes, "\n"), "nftables' own hooks")
	for _, trial := range run.Trials {
		require.True(t, trial.ReceiveByTicks)
		require.NotContains(t, report.Excluded(trial), "receive thread")
		require.Len(t, trial.CPU, 2)
		require.Equal(t, record.AllOfServer, trial.CPU[0].ID)
		require.Equal(t, record.AllOfClient, trial.CPU[1].ID)
	}
}

// TestAgentRefusesWorkers: the time of a server's other processes would not be counted.
func TestAgentRefusesWorkers(t *testing.T) {
	t.Parallel()
	h := newTwoHosts(t)
	cmd := exec.Command("sh", "-c", "sleep 1000 & echo; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	started, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait() })
	_, err = started.Read(make([]byte, 1))
	require.NoError(t, err)
	agent := exec.Command(filepath.Join(h.home, "bench"), "agent", "--listen", agentPort, "--port", "6881",
		"--pid", strconv.Itoa(cmd.Process.Pid), "--secret-file", h.secret, "--i-consent-to-rules")
	stderr := new(bytes.Buffer)
	agent.Stderr = stderr
	require.NoError(t, h.lab.Start(lab.Server, -1, agent))
	require.Error(t, agent.Wait())
	require.Contains(t, stderr.String(), "whose CPU time would not be counted")
}

// TestChildIsEnded: a program of --remote-cmd that heeds neither the end of its input nor SIGTERM is ended all the same.
func TestChildIsEnded(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "deaf")
	require.NoError(t, os.WriteFile(script, []byte("trap '' TERM\necho\nwhile :; do sleep 1000; done\n"), 0o700))
	c, err := runAgent([]string{"sh", script})
	require.NoError(t, err)
	c.patience = time.Millisecond
	_, err = c.Read(make([]byte, 1))
	require.NoError(t, err)
	require.ErrorContains(t, c.Close(), "it did not end by itself: signal: killed")
	c, err = runAgent([]string{"cat"})
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

// TestRemoteEnds: however a run over two hosts is broken off, the rules are gone.
func TestRemoteEnds(t *testing.T) {
	for name, end := range map[string]func(h *twoHosts, bench *exec.Cmd) error{
		"harness interrupted": func(_ *twoHosts, bench *exec.Cmd) error { return bench.Process.Signal(syscall.SIGINT) },
		"harness killed":      func(_ *twoHosts, bench *exec.Cmd) error { return bench.Process.Kill() },
		"agent stopped":       func(h *twoHosts, _ *exec.Cmd) error { return h.agent.Process.Signal(syscall.SIGTERM) },
		"agent killed":        func(h *twoHosts, _ *exec.Cmd) error { return h.agent.Process.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newTwoHosts(t)
			before := h.ruleset(t)
			h.start(t)
			bench, _, stderr := h.bench(t, "--arms", "on", "--blocks", "50", "--out", filepath.Join(t.TempDir(), "out"))
			for !strings.Contains(h.ruleset(t), "supernode_track_6881") { // until the first trial with rules
				require.NoError(t, bench.Process.Signal(syscall.Signal(0)), stderr.String())
			}
			require.NoError(t, end(h, bench))
			if strings.HasPrefix(name, "harness") {
				require.Error(t, bench.Wait())
				h.await(t, "the rules are as they were")
				require.NoError(t, h.agent.Process.Signal(syscall.SIGTERM))
				require.NoError(t, h.agent.Wait())
			} else {
				_ = h.agent.Wait()
				require.Error(t, bench.Wait())
				require.Contains(t, stderr.String(), "ask the agent")
			}
			requireRuleset(t, h, before)
		})
	}
}

// requireRuleset awaits the ruleset that was there before: after a kill the kernel takes the table away in its own time.
func requireRuleset(t *testing.T, h *twoHosts, want string) {
	t.Helper()
	for now := h.ruleset(t); now != want; now = h.ruleset(t) {
		require.NoError(t, t.Context().Err())
	}
}

func TestRemoteUsage(t *testing.T) {
	dir := home(t)
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("known to both of them\n"), 0o644))
	for args, want := range map[string]string{
		"conntrack --secret-file x":                                "--secret-file: only means something with --remote",
		"conntrack --remote host:1":                                "--secret-file: is missing",
		"conntrack --remote host --secret-file x":                  "must be HOST:PORT",
		"conntrack --remote host:1 --secret-file x --server-cmd y": "leave one of them out",
		"conntrack --remote host:1 --secret-file x --arms full":    "cannot be had on a host that others use",
		"conntrack --remote host:1 --secret-file x --curves 1":     "--curves: fills a table",
		"conntrack --remote host:1 --secret-file x --flows new":    "--flows new: fills a table",
		"conntrack --remote host:1 --secret-file x --flows many":   "--flows many: takes more addresses than one: give --sources",

		"conntrack --remote host:1 --secret-file x --server-port 7":    "--server-port: is for a server on this machine",
		"conntrack --remote host:1 --secret-file x --ready-timeout 7s": "--ready-timeout: is for a server on this machine",
		"conntrack --remote host:1 --secret-file x --sources y":        "--sources",
		"conntrack --remote host:1 --secret-file x --target y":         "--target",
		"conntrack --remote host:1 --secret-file " + secret:            "chmod 600",
		"conntrack --remote host:1 --remote-cmd y":                     "leave one of them out",
		"conntrack --remote-cmd y --secret-file x":                     "--target: is missing",
		"agent":                             "give --listen",
		"agent --stdio":                     "--port",
		"agent --stdio --port 6881":         "give --pid",
		"agent --stdio --port 6881 --pid 1": "--secret-file: is missing",
		"agent --stdio --port 6881 --pid 1 --secret-file x":                      "--i-consent-to-rules: is missing",
		"agent --stdio --port 6881 --pid 1 --secret-file x --i-consent-to-rules": "no such file",
	} {
		status, _, stderr := ended(t, dir, nil, strings.Fields(args)...)
		require.Equal(t, exitUsage, status, "%s: %s", args, stderr)
		require.Contains(t, stderr, want, args)
	}
}

// TestMostFlows: no more flows are opened than some pattern has, for one address has sockets for few.
func TestMostFlows(t *testing.T) {
	for _, c := range []struct {
		patterns []plan.Pattern
		want     int
	}{
		{[]plan.Pattern{plan.Few}, plan.Few.Flows()},
		{[]plan.Pattern{plan.Few, plan.Many, plan.Fresh}, plan.Many.Flows()},
		{[]plan.Pattern{plan.Fresh}, plan.Many.Flows()},
	} {
		require.Equal(t, c.want, mostFlows(plan.Spec{Patterns: c.patterns}), c.patterns)
	}
}
