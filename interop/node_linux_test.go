package interop

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	dhtPort = 6881
	webAddr = "127.0.0.1:6880" // the node's default, on its own host
)

// node is a running supernode.
type node struct {
	*process
	addr netip.AddrPort
	web  *http.Client
}

// startNode starts the real program as a user would who knows that node to start from, or "none", and returns when
// /healthz says that it is ready. The lab's addresses are private ones; nothing else differs from the defaults.
func startNode(ctx context.Context, t *testing.T, h *host, bootstrap string) *node {
	t.Helper()
	cmd := exec.Command(buildSupernode(t), "--bootstrap", bootstrap, "--allow-private", "--log-level", "debug")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"HOME=" + cmd.Dir, "XDG_STATE_HOME=" + cmd.Dir, "STATE_DIRECTORY=" + cmd.Dir}
	n := &node{
		process: h.start(t, cmd),
		addr:    netip.AddrPortFrom(h.addr, dhtPort),
		web:     &http.Client{Transport: &http.Transport{DialContext: h.dial}},
	}
	t.Cleanup(func() {
		if t.Failed() {
			n.logMetrics(t)
		}
		n.web.CloseIdleConnections()
	})
	await(ctx, t, "the node is ready", func() error {
		response, err := n.get(ctx, "/healthz")
		if err == nil {
			response.Body.Close()
		}
		return err
	})
	return n
}

// dial connects from the host.
func (h *host) dial(ctx context.Context, network, addr string) (c net.Conn, err error) {
	err = h.do(func() (err error) {
		c, err = (&net.Dialer{}).DialContext(ctx, network, addr)
		return err
	})
	return c, err
}

// get asks the node's web server; another status than 200 is an error. The caller closes the body.
func (n *node) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+webAddr+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := n.web.Do(request)
	if err == nil && response.StatusCode != http.StatusOK {
		response.Body.Close()
		err = fmt.Errorf("GET %s: %s", path, response.Status)
	}
	return response, err
}

// metrics reads /metrics. A key is a name and its labels, as they stand there.
func (n *node) metrics(ctx context.Context) (map[string]float64, error) {
	response, err := n.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	values := make(map[string]float64)
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		line := lines.Text()
		i := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || i < 0 {
			continue
		}
		if values[line[:i]], err = strconv.ParseFloat(line[i+1:], 64); err != nil {
			return nil, fmt.Errorf("parse metric %q: %w", line, err)
		}
	}
	return values, lines.Err()
}

// logMetrics shows what the node counted.
func (n *node) logMetrics(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	values, err := n.metrics(ctx)
	if err != nil {
		t.Logf("no metrics: %v", err)
	}
	for name, value := range values {
		if strings.HasPrefix(name, "supernode_") && value != 0 {
			t.Logf("%s %v", name, value)
		}
	}
}

// awaitMetric waits until a metric is at least want, and returns all metrics of that moment.
func (n *node) awaitMetric(ctx context.Context, t *testing.T, name string, want float64) (values map[string]float64) {
	t.Helper()
	await(ctx, t, fmt.Sprintf("%s reaches %v", name, want), func() (err error) {
		values, err = n.metrics(ctx)
		if err == nil && values[name] < want {
			err = fmt.Errorf("it is %v", values[name])
		}
		return err
	})
	return values
}
