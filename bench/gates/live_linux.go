package gates

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"supernode/internal/pin"
)

// Load describes a measurement on loopback: a closed loop, in which as many datagrams wait for the server as it leaves
// waiting. An open one of a rate that any server keeps up with finds it idle, with one datagram a batch whatever it can do.
type Load struct {
	Loadgen   string // path
	Window    int    // queries outstanding
	Duration  time.Duration
	ServerCPU int
	ClientCPU int
}

// Live is what a server did under a load.
type Live struct {
	CallsPerDatagram float64 // that moved datagrams, by datagram received
	BatchFill        float64 // datagrams in a received batch, on average
	Received         uint64
}

// startTimeout is how long a server may take until it is ready, and stopTimeout how long until it has stopped.
const (
	startTimeout = 20 * time.Second
	stopTimeout  = 5 * time.Second
)

// Measure runs a supernode on loopback, offers it the load, and reads its own counters before and after. Nothing is left
// running.
func Measure(ctx context.Context, supernode string, l Load) (live Live, err error) {
	ports, err := freePorts()
	if err != nil {
		return live, err
	}
	listen, web := fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	flags, _ := Accepted(ctx, supernode, "--listen="+listen, "--http="+web, "--bootstrap=none",
		"--state-dir=none", "--allow-private", "--rate-limit=off", "--conntrack=ignore", "--log-level=warn")
	server, err := start(ctx, l.ServerCPU, supernode, append([]string{"run"}, flags...)...)
	if err != nil {
		return live, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	if err := server.awaitReady(ctx, "http://"+web+"/healthz"); err != nil {
		return live, err
	}
	before, err := counters(ctx, web)
	if err != nil {
		return live, err
	}
	client, err := start(ctx, l.ClientCPU, l.Loadgen, "--rate", "max", "--window", strconv.Itoa(l.Window), "--duration", l.Duration.String(), "--warmup", "0s", "--flows", "64", "--quiet", listen)
	if err != nil {
		return live, err
	}
	if err := client.wait(); err != nil {
		return live, err
	}
	after, err := counters(ctx, web)
	if err != nil {
		return live, err
	}
	return between(before, after)
}

// between makes figures of counters.
func between(before, after map[string]float64) (Live, error) {
	grown := func(name string) float64 { return after[name] - before[name] }
	received, batches := grown("supernode_received_total"), grown("supernode_receive_batch_size_count")
	calls := grown("supernode_syscalls_total")
	if received <= 0 || batches <= 0 || calls <= 0 {
		return Live{}, fmt.Errorf("the server's metrics count %.0f datagrams, %.0f batches and %.0f system calls under load", received, batches, calls)
	}
	return Live{CallsPerDatagram: calls / received, BatchFill: grown("supernode_receive_batch_size_sum") / batches, Received: uint64(received)}, nil
}

// counters reads metrics (Prometheus text format), each by its name, labels summed up.
func counters(ctx context.Context, addr string) (map[string]float64, error) {
	body, err := get(ctx, "http://"+addr+"/metrics")
	if err != nil {
		return nil, fmt.Errorf("read the server's metrics: %w", err)
	}
	return parseMetrics(body), nil
}

func parseMetrics(text []byte) map[string]float64 {
	out := map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 || lines.Text()[0] == '#' {
			continue
		}
		if v, err := strconv.ParseFloat(lines.Text()[at+1:], 64); err == nil {
			name, _, _ := strings.Cut(lines.Text()[:at], "{")
			out[name] += v
		}
	}
	return out
}

func get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: this is loopback
	reply, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", url, reply.Status)
	}
	return io.ReadAll(reply.Body)
}

// freePorts finds two ports of loopback that nobody has, for a server that is started at once.
func freePorts() (ports [2]int, err error) {
	for i := range ports {
		udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return ports, fmt.Errorf("find a free port: %w", err)
		}
		defer udp.Close()
		ports[i] = udp.LocalAddr().(*net.UDPAddr).Port
		tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: ports[i]})
		if err != nil {
			return ports, fmt.Errorf("find a free port: %w", err)
		}
		defer tcp.Close()
	}
	return ports, nil
}

// running is a program that was started.
type running struct {
	cmd  *exec.Cmd
	said bytes.Buffer // standard error, to be read when it has ended
	done chan error   // receives its end, once
}

// start starts a program on a core. It ends with ctx, and does not outlive this process (PR_SET_PDEATHSIG, prctl(2)).
func start(ctx context.Context, cpu int, program string, args ...string) (*running, error) {
	r := &running{cmd: exec.CommandContext(ctx, program, args...), done: make(chan error, 1)}
	r.cmd.Stderr, r.cmd.WaitDelay = &r.said, time.Second
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: pinned, it is of no use to others, and it must live as long as the program
		err := pin.Thread(cpu)
		if err == nil {
			err = r.cmd.Start()
		}
		started <- err
		if err == nil {
			r.done <- r.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return r, nil
}

// awaitReady asks until the server says that it is ready.
func (r *running) awaitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for look := time.NewTicker(5 * time.Millisecond); ; {
		if _, err := get(ctx, url); err == nil {
			return nil
		}
		select {
		case err := <-r.done:
			r.done <- err
			return r.failed(err)
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready within %v", r.cmd.Path, startTimeout)
		case <-look.C:
		}
	}
}

func (r *running) wait() error {
	if err := <-r.done; err != nil {
		return r.failed(err)
	}
	return nil
}

// stop asks the program to end, and makes it.
func (r *running) stop() error {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.done:
		return nil
	case <-time.After(stopTimeout):
	}
	_ = r.cmd.Process.Kill()
	<-r.done
	return fmt.Errorf("stop %s: it did not end within %v of SIGTERM and was killed", r.cmd.Path, stopTimeout)
}

func (r *running) failed(err error) error {
	return fmt.Errorf("%s has ended (%v): %s", r.cmd.Path, err, strings.TrimSpace(r.said.String()))
}
