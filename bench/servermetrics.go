package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"supernode/bench/lab"
)

// metricsTimeout is how long a server that is not under load may take to tell its metrics.
const metricsTimeout = 5 * time.Second

// metrics reads what a server tells at addr in its namespace (Prometheus text format): each sample by its name with its
// labels, and the sum of a family's samples by the name alone.
func (c *comparison) metrics(addr string) (map[string]uint64, error) {
	dial := func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		err = c.lab.Do(lab.Server, func() error {
			conn, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return conn, err
	}
	client := http.Client{Timeout: metricsTimeout, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	reply, err := client.Get("http://" + addr + "/metrics")
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer reply.Body.Close()
	out := map[string]uint64{}
	lines := bufio.NewScanner(reply.Body)
	for lines.Scan() {
		sample, value, ok := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil || !(n >= 0) {
			continue // a comment
		}
		out[sample] = uint64(n)
		if name, _, labelled := strings.Cut(sample, "{"); labelled {
			out[name] += uint64(n)
		}
	}
	return out, lines.Err()
}
