package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
	"supernode/internal/udp"
)

// hosts are good nodes at addresses of their own, with ids all over the place.
func hosts(t *testing.T, n int) (all []*peer) {
	for i := range n {
		h := newPeer(t, fmt.Sprintf("127.0.%d.1", i+1)).alive()
		hostID(&h.id, h.addr().Addr())
		all = append(all, h)
	}
	return all
}

// hashOf is the info_hash that host number i announces.
func hashOf(i int) []byte { return fmt.Appendf(nil, "info_hash of host %02d", i)[:20] }

// TestWorkers: several threads are one node to everybody. What one stores the others hand out, whom one has verified the
// others name, and all of it is there again after a restart with another number of them.
func TestWorkers(t *testing.T) {
	const count = 12
	dir := t.TempDir()
	p := start(t, "--workers", "2", "--state-dir", dir)
	all := hosts(t, count)
	for i, h := range all {
		ask := func(m wire.Message) *wire.Message {
			reply, from := h.ask(p.listen[0], m)
			require.Equal(t, wire.Response, reply.Kind, "%s", reply.Text)
			require.Equal(t, p.listen[0], from)
			require.Equal(t, p.id, fmt.Sprintf("%x", reply.ID))
			return reply
		}
		token := ask(wire.Message{Method: wire.GetPeers, InfoHash: hashOf(i)}).Token
		ask(wire.Message{Method: wire.AnnouncePeer, InfoHash: hashOf(i), Token: token, ImpliedPort: true})
		if h.queries == 0 {
			h.await(nil)
		}
	}
	p.awaitMetrics(map[string]float64{
		`supernode_nodes{family="ipv4"}`: count, `supernode_peers`: count, `supernode_infohashes`: count,
		`supernode_own_answers_total`: count, `supernode_received_total`: 3 * count, `supernode_replies_total`: 2 * count,
		`supernode_receive_batch_size_sum`: 3 * count,
	})
	m := p.metrics()
	first, second := m[`supernode_worker_datagrams_total{worker="0"}`], m[`supernode_worker_datagrams_total{worker="1"}`]
	require.EqualValues(t, 3*count, first+second)
	require.Positive(t, first)
	require.Positive(t, second)
	requireShared(t, p, all)
	for _, h := range all {
		found, _ := h.ask(p.listen[0], wire.Message{Method: wire.FindNode, Target: all[0].id[:]})
		require.Len(t, found.Nodes, 8*wire.CompactNode4)
	}
	p.stopped()

	p = start(t, "--workers", "3", "--state-dir", dir, "--listen", p.listen[0].String())
	requireShared(t, p, all)
	p.awaitMetrics(map[string]float64{`supernode_nodes{family="ipv4"}`: count, `supernode_peers`: count})
	_, page := p.get("/")
	requireValidHTML(t, page)
	require.Contains(t, page, `Workers</th><td>3</td>`)
	p.stopped()
}

// requireShared: every host finds what the others have announced.
func requireShared(t *testing.T, p *process, all []*peer) {
	for i := range all {
		for k := range all {
			reply, _ := all[k].ask(p.listen[0], wire.Message{Method: wire.GetPeers, InfoHash: hashOf(i)})
			require.Equal(t, []netip.AddrPort{all[i].addr()}, slices.Collect(reply.Peers()))
		}
	}
}

// TestWorkersPinned: each has one of the processors, and no more.
func TestWorkersPinned(t *testing.T) {
	a, b := processors(t)
	p := start(t, "--workers", "2", "--cpu", fmt.Sprintf("%d,%d", a, b))
	var alone map[string]int
	var files []string
	// The thread that tried the processors beforehand may take a moment to end.
	await(t, "one thread on each processor", func() bool {
		alone = map[string]int{}
		var err error
		files, err = filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.cmd.Process.Pid))
		require.NoError(t, err)
		for _, file := range files {
			status, err := os.ReadFile(file)
			if err != nil {
				continue // a thread that has ended
			}
			_, list, _ := strings.Cut(string(status), "Cpus_allowed_list:\t")
			list, _, _ = strings.Cut(list, "\n")
			alone[list]++
		}
		return alone[strconv.Itoa(a)] == 1 && alone[strconv.Itoa(b)] == 1
	})
	require.Greater(t, len(files), 2, "the others run on both")
	p.stopped()
}

// TestWorkersKeepTheirPort: a second command that is started by mistake does not take half of the queries.
func TestWorkersKeepTheirPort(t *testing.T) {
	p := start(t, "--workers", "2")
	for _, workers := range []string{"1", "2"} {
		_, stderr, exit := command(t, "--listen", p.listen[0].String(), "--workers", workers, "--http", none, "--state-dir", none)
		require.Equal(t, exitUsage, exit)
		require.Contains(t, stderr, "another program has this UDP port")
	}
	_, stderr, exit := command(t, "--workers", "2", "--cpu", "0,1023", "--http", none, "--state-dir", none)
	require.Equal(t, exitUsage, exit)
	require.Contains(t, stderr, "--cpu 0,1023: this process may not use processor 1023")
	p.stopped()
}

// newTestCrew makes a crew on 127.0.0.1. Its sockets stay open until it has run, or the test closes them.
func newTestCrew(t *testing.T, workers int) *worker {
	t.Helper()
	transports, err := udp.OpenMmsgGroup([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, udp.Options{}, workers)
	require.NoError(t, err)
	c := &config{listen: transports[0].Local(), options: options{
		batch: 64, workers: workers, maxNodes: 1000, maxPeers: 1000, maxItems: 1000, allowPrivate: true,
	}}
	w, err := newWorker(transports[0], c)
	require.NoError(t, err)
	w.hire(transports, c)
	require.Len(t, w.crew, workers)
	return w
}

// driven is a crew that the test drives itself.
func driven(t *testing.T) *worker {
	w := newTestCrew(t, 2)
	t.Cleanup(func() {
		for _, m := range w.crew {
			m.transport.Close()
		}
	})
	return w
}

// TestCrewStalls: one worker that does not go round its loop is enough to be unwell.
func TestCrewStalls(t *testing.T) {
	w := driven(t)
	health := func() int {
		recorder := httptest.NewRecorder()
		newMux(w).ServeHTTP(recorder, httptest.NewRequest("GET", "/healthz", nil))
		return recorder.Code
	}
	require.Equal(t, http.StatusOK, health())
	for _, m := range w.crew {
		m.clock.start = m.clock.start.Add(-2 * stallLimit)
	}
	for _, m := range w.crew {
		require.Equal(t, http.StatusServiceUnavailable, health())
		_, err := m.turn(0)
		require.NoError(t, err)
	}
	require.Equal(t, http.StatusOK, health())
}

// TestNudge: the first worker rests, and a mate hears of somebody to ask.
func TestNudge(t *testing.T) {
	w := driven(t)
	_, err := w.turn(0) // nothing to say
	require.NoError(t, err)
	returned := make(chan error, 1)
	go func() {
		_, err := w.receive(50 * time.Second) // it would have nothing to say for a minute
		returned <- err
	}()
	await(t, "rest", func() bool { return w.restsUntil.Load() != awake })
	mate := w.crew[1]
	mate.nudge()
	require.Greater(t, time.Duration(w.restsUntil.Load()), heartbeat, "there is nothing to be said yet")
	id := wire.ID{1}
	query := wire.Message{Kind: wire.Query, Method: wire.Ping, T: []byte("aa"), ID: id[:]}
	mate.residents[0].node.Handle(mate.clock.now(), netip.MustParseAddrPort("127.0.0.9:9"), query.Append(nil), nil)
	mate.nudge()
	select {
	case err := <-returned:
		require.NoError(t, err)
	case <-time.After(patience):
		require.FailNow(t, "the first worker rests, and has a ping to send")
	}
	_, err = w.turn(0)
	require.NoError(t, err)
	require.EqualValues(t, 1, w.tally.asked)
}

// TestCrewFails: with one worker all end, and a panic does not wait for those who may wait for it.
func TestCrewFails(t *testing.T) {
	w := newTestCrew(t, 3)
	require.NoError(t, w.crew[1].transport.Close())
	require.ErrorContains(t, w.runAll(quiet), "receive")

	w = newTestCrew(t, 3)
	w.crew[2].crew = nil // which it looks at in every turn
	require.ErrorAs(t, w.runAll(quiet), new(panicError))
	w.stop()
}
