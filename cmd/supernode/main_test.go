package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/internal/apart"
)

// built is the path of the command under test, built once.
var built string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "supernode-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		built = filepath.Join(dir, "supernode")
		build := exec.Command("go", "build", "-o", built, ".")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		// The directory is opened since one test runs the command as another user.
		if err := build.Run(); err != nil || os.Chmod(dir, 0o755) != nil {
			fmt.Fprintln(os.Stderr, "build supernode:", err)
			return 1
		}
		return m.Run()
	}())
}

// patience bounds every wait for an event that must come. How long it takes is nothing these tests judge.
const patience = 30 * time.Second

// stopLimit is the contract: the command ends within it after SIGTERM.
const stopLimit = 5 * time.Second

// await waits until done says so.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(patience); !done(); <-look.C {
		if time.Now().After(deadline) {
			require.FailNow(t, "waited in vain", "%s", what)
		}
	}
}

// process is a running command that has logged "ready".
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	http   string
	client *http.Client // to ask it for pages
	listen []netip.AddrPort
	id     string
	exited chan struct{} // closed when cmd.ProcessState and the whole log are there

	mu  sync.Mutex
	log []map[string]any
}

// start runs the command with JSON logs and ports of the kernel's choice, and waits until it is ready. The flags in
// args come first: others are added where they do not say.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	return startCommand(t, exec.Command(built, args...))
}

func startCommand(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	return startElsewhere(t, cmd, client, cmd.Start)
}

// startElsewhere starts a command by start, in a place that client reaches.
func startElsewhere(t testing.TB, cmd *exec.Cmd, client *http.Client, start func() error) *process {
	t.Helper()
	for flag, value := range map[string]string{
		"--listen": "127.0.0.1:0", "--http": "127.0.0.1:0", "--bootstrap": none, "--log-format": "json", "--state-dir": none,
	} {
		systemd := slices.ContainsFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, "STATE_DIRECTORY=") })
		if flag == "--state-dir" && systemd {
			continue // which says where
		}
		if !slices.Contains(cmd.Args, flag) {
			cmd.Args = append(cmd.Args, flag, value)
		}
	}
	p := &process{t: t, cmd: cmd, client: client, exited: make(chan struct{})}
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-p.exited
	})
	ready := make(chan struct{})
	go p.follow(stderr, ready)
	select {
	case <-ready:
	case <-p.exited:
		require.FailNow(t, "ended before it was ready", "%v: %v", cmd.Args, p.messages())
	case <-time.After(patience):
		require.FailNow(t, "never ready", "%v: %v", cmd.Args, p.messages())
	}
	if p.http = p.logged("ready")["http"].(string); p.http != none {
		p.readHealth()
	}
	return p
}

// follow collects the log, which must be JSON to the last line.
func (p *process) follow(stderr io.Reader, ready chan<- struct{}) {
	defer close(p.exited)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		entry := map[string]any{}
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			p.t.Errorf("log line is not JSON: %q", lines.Text())
		}
		p.mu.Lock()
		p.log = append(p.log, entry)
		p.mu.Unlock()
		if entry["msg"] == "ready" {
			close(ready)
		}
	}
	p.cmd.Wait()
}

// logged returns the first log entry with that message, nil if there is none.
func (p *process) logged(message string) map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, entry := range p.log {
		if entry["msg"] == message {
			return entry
		}
	}
	return nil
}

func (p *process) messages() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, entry := range p.log {
		all = append(all, fmt.Sprint(entry))
	}
	return all
}

func (p *process) readHealth() {
	p.t.Helper()
	status, body := p.get("/healthz")
	require.Equal(p.t, http.StatusOK, status, body)
	var health struct {
		ID     string
		Listen []netip.AddrPort
	}
	require.NoError(p.t, json.Unmarshal([]byte(body), &health))
	p.id, p.listen = health.ID, health.Listen
}

// client asks for each page over a connection of its own, so that nothing lingers in the server.
var client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

func (p *process) get(path string) (status int, body string) {
	p.t.Helper()
	response, err := p.client.Get("http://" + p.http + path)
	require.NoError(p.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	return response.StatusCode, string(text)
}

// metrics reads all series by name and labels, as they are written.
func (p *process) metrics() map[string]float64 {
	p.t.Helper()
	_, body := p.get("/metrics")
	series := map[string]float64{}
	for line := range strings.Lines(body) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			continue
		}
		space := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[space+1:], 64)
		require.NoError(p.t, err, line)
		series[line[:space]] = value
	}
	return series
}

// awaitMetrics waits until these series have these values.
func (p *process) awaitMetrics(want map[string]float64) {
	p.t.Helper()
	var now map[string]float64
	defer func() {
		if p.t.Failed() {
			for name, value := range want {
				p.t.Logf("%s: want %v, have %v", name, value, now[name])
			}
		}
	}()
	await(p.t, "metrics", func() bool {
		now = p.metrics()
		for name, value := range want {
			if have, ok := now[name]; !ok || have != value {
				return false
			}
		}
		return true
	})
}

// stop sends a signal and returns the exit status, which must come within the contract's time.
func (p *process) stop(signal os.Signal) (exit int) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(signal))
	select {
	case <-p.exited:
	case <-time.After(stopLimit):
		require.FailNow(p.t, "did not stop in time", "%v", p.messages())
	}
	return p.cmd.ProcessState.ExitCode()
}

// stopped is the end of most tests.
func (p *process) stopped() {
	p.t.Helper()
	require.Zero(p.t, p.stop(syscall.SIGTERM), p.messages())
	require.NotNil(p.t, p.logged("stopped"))
}

// needAddress skips if the machine does not have ip, as containers often have no ::1.
func needAddress(t testing.TB, ip string) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		apart.Lacking(t, ip)
	}
	conn.Close()
}

// command runs a command line that is to end by itself.
func command(t testing.TB, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, built, args...)
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "did not end: %v", args)
	if cmd.ProcessState == nil {
		require.NoError(t, err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}
