package main

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"supernode/dht/wire"
)

// Parts are the whole, none of them more than one larger than another.
func TestParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, of := rapid.IntRange(0, 10_000).Draw(t, "n"), rapid.IntRange(1, maxThreads).Draw(t, "of")
		sum := 0
		for i := range of {
			p := part{i, of}
			if p.before(n) != sum || p.share(n) < n/of || p.share(n) > n/of+1 {
				t.Fatalf("part %d of %d: %d of %d, from %d on, want %d", i, of, p.share(n), n, p.before(n), sum)
			}
			sum += p.share(n)
		}
		if sum != n || (part{}).share(n) != n {
			t.Fatalf("%d in all parts, of %d", sum, n)
		}
	})
}

// The flows of the threads are those of one: as many, with the same numbers, and an address of their own as long as there
// are enough.
func TestThreadsShareFlows(t *testing.T) {
	for _, tt := range []struct {
		sources        string
		flows, threads int
		addresses      int
	}{{"10.0.0.0/24", 200, 3, 200}, {"10.0.0.0/24", 254, 4, 254}, {"10.0.0.0/31", 30, 5, 2}} {
		p := netip.MustParsePrefix(tt.sources)
		next, addresses := uint32(0), map[netip.Addr]bool{}
		for i := range tt.threads {
			l, err := planFlows(tt.flows, p.Addr(), p, true, part{i, tt.threads})
			require.NoError(t, err)
			require.Equal(t, next, l.first)
			next += uint32(l.flows)
			for f := range uint32(l.flows) {
				addresses[l.source(f)] = true
				got, ok := l.flowOf(l.socket(f), l.source(f))
				require.True(t, ok)
				require.Equal(t, f, got)
			}
		}
		require.EqualValues(t, tt.flows, next)
		require.Len(t, addresses, tt.addresses)
	}
}

// Rounds of several threads are told so that all have been taken when it says so, and not before.
func TestTours(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sum tour
		least, all := uint64(1<<60), uint64(0)
		for range rapid.IntRange(1, 5).Draw(t, "threads") {
			one := tour{rapid.Uint64Range(0, 50).Draw(t, "taken"), rapid.Uint64Range(1, 20).Draw(t, "of")}
			least, all = min(least, one.taken/one.of), all+one.of
			sum.add(one)
		}
		if sum.of != all || sum.taken/sum.of != least {
			t.Fatalf("%+v, where the slowest has gone round %d times", sum, least)
		}
	})
}

// However many threads there are, every query is accounted for, and the flows are as many, each with an id of its own.
func TestThreads(t *testing.T) {
	t.Parallel()
	for _, extra := range [][]string{
		nil,
		{"--rate", "max", "--window", "10"},
		{"--arrivals", "poisson"},
		{"--io", "net"},
		{"--walk", "--mix", "get_peers=1", "--infohashes", "1000", "--rate", "500", "--duration", "150ms"},
	} {
		t.Run(strings.Join(extra, " "), func(t *testing.T) {
			t.Parallel()
			r := startResponder(t, good)
			got := measure(t, append([]string{"--threads", "3", "--flows", "100", "--duration", "1s", r.addr.String()}, extra...)...)
			queries := r.all()
			require.EqualValues(t, len(queries), got.Sent)
			require.Equal(t, got.Sent, got.Answered)
			require.Zero(t, got.Late+got.Duplicate+got.unexplained(), "%+v", got.MalformedBy)
			require.Equal(t, 3, got.Threads)
			for _, m := range mixMethods {
				require.Equal(t, r.count(m), got.Mix[m.String()].Sent)
			}
			flows, ids, ports := map[netip.AddrPort]string{}, map[string]bool{}, map[uint16]bool{}
			hashes := map[string]bool{}
			for _, q := range queries {
				flows[q.from] = string(q.m.ID)
				ids[string(q.m.ID)] = true
				ports[q.from.Port()] = true
				hashes[string(q.m.InfoHash)] = true
			}
			require.Len(t, ids, len(flows))
			if got.Walked != nil {
				require.Len(t, hashes, len(queries), "each info_hash once")
				require.Len(t, flows, min(100, len(queries)))
				require.EqualValues(t, len(queries), got.Walked.Infohashes)
				return
			}
			require.LessOrEqual(t, len(flows), 100)
			if got.Loop == "open" { // a thread that gets no processor does little in a closed loop
				require.Len(t, flows, 100)
			}
			if len(extra) == 0 {
				require.Len(t, ports, 3, "a socket for each thread")
				require.EqualValues(t, 1000, got.Scheduled)
			}
		})
	}
}

// One process with several threads runs trial after trial, of fewer flows, too, and all of its flows answer in between.
func TestThreadsUnderControl(t *testing.T) {
	t.Parallel()
	r := startResponder(t, good)
	c := startControlled(t, "--threads", "3", "--flows", "30", "--timeout", "1s", "--warmup", "0s", "--mix", "ping=1", r.addr.String())
	require.Equal(t, 30, c.next("ready").Flows)
	first := c.trial(`{"rate": 600, "duration_s": 0.5}`)
	known := r.all()
	require.EqualValues(t, len(known), first.Sent)
	require.Len(t, flowsOf(known), 30)
	few := c.trial(`{"rate": 600, "duration_s": 0.5, "flows": 10, "arrivals": "poisson"}`)
	require.Equal(t, arrivePoisson, few.Arrivals)
	require.Len(t, flowsOf(r.all()[len(known):]), 10)
	require.Contains(t, c.askBadly(`{"flows": 2}`), "flows 2: must be at least one for each of 3 threads")

	ids := map[netip.AddrPort]string{}
	for _, q := range r.all() {
		if id, seen := ids[q.from]; seen {
			require.Equal(t, id, string(q.m.ID))
		}
		ids[q.from] = string(q.m.ID)
	}
	ping := wire.Message{Kind: wire.Query, Method: wire.Ping, T: []byte("idle"), ID: responderID}
	for to := range ids {
		r.send(ping.Append(nil), to)
	}
	require.Eventually(t, func() bool { return len(r.responses()) == 30 }, waitLimit, waitStep)
	for _, a := range r.responses() {
		require.Equal(t, ids[a.from], string(a.m.ID))
	}

	steps := c.trial(`{"profile": "500@200ms,1000@100ms"}`)
	require.Equal(t, "500@200ms,1000@100ms", steps.Profile)
	require.Len(t, steps.Segments, 2)
	require.EqualValues(t, 200, steps.Scheduled)
	require.Contains(t, c.askBadly(`{"profile": "500@1s", "rate": 5}`), "profile: says the rates")
	require.Contains(t, c.askBadly(`{"profile": "500"}`), "profile: \"500\": must be")
	require.Contains(t, c.askBadly(`{"arrivals": "odd"}`), `arrivals "odd": must be constant or poisson`)
	require.Contains(t, c.askBadly(`{"arrivals": "poisson", "rate": 0}`), "in a closed loop the answers decide")
	c.end()
}

// Ctrl-C ends all threads, and the result is that of the part that was run.
func TestInterruptThreads(t *testing.T) {
	t.Parallel()
	halfway := make(chan struct{})
	r := startResponder(t, func(r *responder, n int, q seen) {
		good(r, n, q)
		if n == 100 {
			close(halfway)
		}
	})
	c := startControlled(t, "--threads", "2", "--profile", "1000@1h,2000@1h", "--warmup", "0s", r.addr.String())
	c.next("ready")
	c.say("{}")
	c.next("measuring")
	<-halfway
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGINT))
	got := c.next("result").Result
	require.True(t, got.Interrupted)
	require.EqualValues(t, len(r.all()), got.Sent)
	require.Len(t, got.Segments, 1)
	require.Equal(t, got.Sent, got.Segments[0].Sent)
	require.InDelta(t, float64(got.Scheduled), float64(got.Segments[0].Scheduled), 3)
	require.InEpsilon(t, 1000, got.Segments[0].OfferedQPS, 0.1)
	require.NoError(t, c.cmd.Wait())
}
