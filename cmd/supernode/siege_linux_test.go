package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/lab"
	"supernode/internal/apart"
	"supernode/internal/udp"
)

const (
	siegeTime   = 8 * time.Second
	siegeWarmup = 5 * time.Minute // at most, and at most half of the time, for the stores to fill
	siegeStores = 1000            // nodes, and peers

	siegeHonest = 500    // valid queries a second
	siegeAttack = 20_000 // hostile datagrams a second, about

	siegeMaxGrown = 6 << 20 // bytes of resident memory, over any time
)

// TestSiege runs the command in a network namespace. From another one, 64 honest hosts ask it a few queries a second
// each, while tens of thousands of addresses do to it what hostile ones do. Every honest query is answered, unless the
// kernel counted a datagram lost; none is sent twice. The process does not grow.
//
// SOAK=30m makes it last that long; the length that it always has is for the machinery.
func TestSiege(t *testing.T) {
	apart.NeedRoot(t)
	length := siegeTime
	if text := os.Getenv("SOAK"); text != "" {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(t, err, "SOAK says how long, as in SOAK=30m")
	}
	l, p := besieged(t)
	before := lossesOf(t, l)

	honest, hostile := newHonest(t, l), newHostile(t, l)
	ctx, lift := context.WithTimeout(t.Context(), length)
	defer lift()
	ended := make(chan error, 2)
	go func() { ended <- hostile.run(ctx) }()
	go func() { ended <- honest.run(ctx) }()
	warm, end := watch(ctx, t, p, min(length/2, siegeWarmup))
	for range 2 {
		require.NoError(t, <-ended)
	}

	lost := lossesOf(t, l).since(before)
	lost.atHosts = honest.dropped()
	m := p.metrics()
	t.Logf("%v: of %d honest queries %d had no answer (%d announces were refused), the kernel lost %+v datagrams; %d hostile datagrams, "+
		"%.0f of them limited; resident memory %d KiB, at most %d afterwards; %d goroutines, %d",
		length, honest.sent, honest.unanswered, honest.refused, lost, hostile.sent, m[`supernode_dropped_total{reason="limited"}`],
		warm.resident>>10, end.resident>>10, warm.goroutines, end.goroutines)

	require.Empty(t, honest.outstanding)
	require.LessOrEqual(t, honest.unanswered, lost.total(), "honest queries without an answer, and datagrams that the kernel lost")
	require.LessOrEqual(t, honest.unanswered, honest.sent/10, "the kernel lost too much to prove anything")
	require.Greater(t, honest.sent, int(length.Seconds())*siegeHonest/4, "too few honest queries to prove anything")
	require.Greater(t, hostile.sent, int(length.Seconds())*siegeAttack/10, "hardly an attack")
	for _, effect := range []string{"limited", "malformed", "unsolicited", "transaction"} {
		require.Positive(t, m[fmt.Sprintf("supernode_dropped_total{reason=%q}", effect)], "that attack did not arrive")
	}
	require.Positive(t, m["supernode_own_answers_total"])
	require.LessOrEqual(t, m["supernode_amplification_ratio"], 10.0)
	if !raceEnabled { // the detector's own memory grows
		require.LessOrEqual(t, end.resident, warm.resident+siegeMaxGrown)
	}
	await(t, "no more goroutines than before", func() bool { return sizeOf(p).goroutines <= warm.goroutines })
	p.stopped()
}

// besieged is a lab with the command in its server's namespace.
func besieged(t *testing.T) (*lab.Lab, *process) {
	spec := lab.Default()
	spec.ClientCPU, spec.ServerCPU = processors(t)
	l, err := lab.Up(t.Context(), spec)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	inside := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
			err = l.Do(lab.Server, func() error {
				conn, err = new(net.Dialer).DialContext(ctx, network, addr)
				return err
			})
			return conn, err
		},
	}}
	limit := fmt.Sprint(siegeStores)
	cmd := exec.Command(built, "--listen", l.ServerEndpoint().String(), "--allow-private", "--max-nodes", limit, "--max-peers", limit)
	return l, startElsewhere(t, cmd, inside, func() error { return l.Start(lab.Server, spec.ServerCPU, cmd) })
}

// watch looks at the process every second until ctx ends: how large it is after the warm-up, and at most from then on.
// It must be healthy each time, and its stores within their bounds.
func watch(ctx context.Context, t *testing.T, p *process, warmup time.Duration) (warm, most size) {
	began, look := time.Now(), time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			require.NotZero(t, warm.resident, "it ended in the warm-up")
			return warm, most
		case <-look.C:
		}
		status, body := p.get("/healthz")
		require.Equal(t, http.StatusOK, status, body)
		m := p.metrics()
		require.LessOrEqual(t, m["supernode_peers"], float64(siegeStores))
		require.LessOrEqual(t, m[`supernode_nodes{family="ipv4"}`], float64(siegeStores))
		now := sizeOf(p)
		if time.Since(began) < warmup {
			continue
		}
		if warm.resident == 0 {
			warm = now
		}
		most = size{max(most.resident, now.resident), max(most.goroutines, now.goroutines)}
	}
}

// losses are datagrams that the kernel dropped and counted: on the link to the node, at its socket, on the link back, and
// at the socket of the honest hosts.
type losses struct{ toNode, atNode, toHosts, atHosts int }

func (l losses) total() int { return l.toNode + l.atNode + l.toHosts + l.atHosts }

func (l losses) since(before losses) losses {
	return losses{l.toNode - before.toNode, l.atNode - before.atNode, l.toHosts - before.toHosts, l.atHosts - before.atHosts}
}

// lossesOf reads what the lab counts, which at the hosts' end are drops at the sockets of hostile ones too: left out.
func lossesOf(t *testing.T, l *lab.Lab) losses {
	t.Helper()
	server, err := l.Losses(lab.Server)
	require.NoError(t, err)
	client, err := l.Losses(lab.Client)
	require.NoError(t, err)
	return losses{toNode: int(server.Ring), atNode: int(server.ReceiveBuffer + server.SendBuffer), toHosts: int(client.Ring)}
}

// openInClient is a socket in the client's namespace, for all of its addresses.
func openInClient(t *testing.T, l *lab.Lab) (transport udp.Transport) {
	t.Helper()
	require.NoError(t, l.Do(lab.Client, func() (err error) {
		transport, err = udp.OpenMmsg([]netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0")},
			udp.Options{ReceiveBuffer: 4 << 20, SendBuffer: 4 << 20})
		return err
	}))
	return transport
}
