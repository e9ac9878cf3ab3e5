package main

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

func TestEveryQueryIsAccountedFor(t *testing.T) {
	t.Parallel()
	r := startResponder(t, good)
	got := measure(t, "--flows", "100", r.addr.String())
	queries := r.all()

	require.EqualValues(t, len(queries), got.Sent)
	require.NotZero(t, got.Sent)
	require.Equal(t, got.Sent, got.Answered)
	require.LessOrEqual(t, got.AnswersInInterval, got.Answered)
	require.Zero(t, got.Lost+got.Late+got.Duplicate+got.unexplained(), "%+v", got.MalformedBy)
	require.Empty(t, got.Errors)
	for _, m := range mixMethods {
		require.Equal(t, methodCount{r.count(m), r.count(m)}, got.Mix[m.String()])
	}
	flows := flowsOf(queries)
	require.Len(t, flows, 100)
	ids, seqs := map[string]netip.AddrPort{}, map[string]bool{}
	for _, q := range queries {
		require.True(t, netip.MustParsePrefix("127.1.0.0/16").Contains(q.from.Addr()))
		if from, known := ids[string(q.m.ID)]; known {
			require.Equal(t, from, q.from, "a flow keeps its id, and it is nobody else's")
		}
		ids[string(q.m.ID)] = q.from
		require.False(t, seqs[string(q.m.T)], "a transaction id comes twice")
		seqs[string(q.m.T)] = true
		if q.m.Method == wire.AnnouncePeer {
			require.Equal(t, tokenFor(q), q.m.Token, "a token of another flow or info_hash")
			require.True(t, q.m.ImpliedPort)
		}
	}
	require.Len(t, ids, 100)
	require.Equal(t, "open", got.Loop)
	require.EqualValues(t, 1000, got.OfferedQPS)
	require.Positive(t, got.LatencyUS.P50)
	require.LessOrEqual(t, got.LatencyUS.P50, got.LatencyUS.Max)
	h, err := hdrhistogram.Decode([]byte(got.LatencyHDR))
	require.NoError(t, err)
	require.EqualValues(t, got.Answered, h.TotalCount())
}

// The same seed asks the same questions, in the same order, from the same flows.
func TestSeedDecidesEverything(t *testing.T) {
	t.Parallel()
	ask := func(seed string) (out []string) {
		r := startResponder(t, good)
		measure(t, "--seed", seed, "--duration", "100ms", "--mix", "ping=1,find_node=1,get_peers=1", "--timeout", "200ms", r.addr.String())
		for _, q := range r.all() {
			out = append(out, q.from.Addr().String()+q.m.Method.String()+string(q.m.Target)+string(q.m.InfoHash))
		}
		return out
	}
	first, again, other := ask("5"), ask("5"), ask("6")
	n := min(len(first), len(again), len(other))
	require.NotZero(t, n)
	require.Equal(t, first[:n], again[:n])
	require.NotEqual(t, first[:n], other[:n])
}

func TestLossIsFound(t *testing.T) {
	t.Parallel()
	for _, extra := range [][]string{{}, {"--io", "net", "--flows", "20"}, {"--rate", "max", "--window", "16", "--timeout", "100ms"}} {
		r := startResponder(t, func(r *responder, n int, q seen) {
			if n%10 != 3 {
				good(r, n, q)
			}
		})
		got := measure(t, append(extra, r.addr.String())...)
		n := uint64(len(r.all()))
		require.Equal(t, n, got.Sent)
		require.Equal(t, (n+6)/10, got.Lost)
		require.Equal(t, n-got.Lost, got.Answered)
		require.InDelta(t, 0.1, got.LossRatio, 0.02)
		require.Zero(t, got.Late+got.Duplicate+got.unexplained(), "%+v", got.MalformedBy)
	}
}

func TestOdditiesAreToldApart(t *testing.T) {
	t.Parallel()
	stranger, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer stranger.Close()
	var held []seen
	var duplicates, late, garbage, unmatched, wrongFlow, strays uint64
	r := startResponder(t, func(r *responder, n int, q seen) {
		answer := goodAnswer(q)
		switch n % 8 {
		case 0:
			r.send(answer, q.from)
			duplicates++
		case 1:
			r.send([]byte("d1:y1:re"+"x"), q.from)
			garbage++
		case 2:
			m := wire.Message{Kind: wire.Response, T: []byte("abc"), ID: responderID}
			r.send(m.Append(nil), q.from)
			unmatched++
		case 3:
			_, _ = stranger.WriteToUDPAddrPort(answer, q.from)
			strays++
		case 4: // to another flow instead
			r.send(answer, anotherFlow(r.all(), q))
			wrongFlow++
			return
		case 5: // when 600 more have been due, 600 ms later and so after the time-out
			held = append(held, q)
			return
		}
		r.send(answer, q.from)
		if len(held) > 0 && n >= 605 && n%8 == 6 {
			r.send(goodAnswer(held[0]), held[0].from)
			held = held[1:]
			late++
		}
	})
	got := measure(t, "--duration", "1s", "--timeout", "500ms", "--flows", "50", r.addr.String())
	r.stop()
	require.EqualValues(t, len(r.all()), got.Sent)
	require.NotZero(t, late)
	require.Equal(t, duplicates, got.Duplicate)
	require.Equal(t, late, got.Late)
	require.Equal(t, malformedCount{Unparseable: garbage, Unmatched: unmatched, WrongFlow: wrongFlow, Stray: strays}, got.MalformedBy)
	require.Equal(t, garbage+unmatched+wrongFlow+strays, got.Malformed)
	require.Equal(t, wrongFlow+late+uint64(len(held)), got.Lost)
}

// anotherFlow is the latest flow that is not q's.
func anotherFlow(queries []seen, q seen) netip.AddrPort {
	for i := len(queries) - 1; ; i-- {
		if queries[i].from != q.from {
			return queries[i].from
		}
	}
}

func TestErrorsByCode(t *testing.T) {
	t.Parallel()
	want := map[int64]uint64{}
	r := startResponder(t, func(r *responder, n int, q seen) {
		code := [...]int64{0, 201, 203, 203, 0}[n%5]
		if code == 0 {
			good(r, n, q)
			return
		}
		want[code]++
		r.send(errorAnswer(q, code), q.from)
	})
	got := measure(t, r.addr.String())
	r.stop()
	require.Equal(t, got.Sent, got.Answered, "an error is an answer")
	require.Equal(t, want, got.Errors)
}

// The target verifies whoever asks it something: each flow has to answer, with the id that it asks with.
func TestFlowsAnswerTheTarget(t *testing.T) {
	t.Parallel()
	for _, extra := range [][]string{{}, {"--io", "net"}, {"--rate", "max", "--window", "8"}} {
		pinged := map[netip.AddrPort]string{}
		r := startResponder(t, func(r *responder, n int, q seen) {
			good(r, n, q)
			if _, known := pinged[q.from]; !known {
				pinged[q.from] = string(q.m.ID)
				m := wire.Message{Kind: wire.Query, Method: wire.Ping, T: []byte("ping!"), ID: responderID}
				r.send(m.Append(nil), q.from)
			}
		})
		got := measure(t, append(extra, "--flows", "30", r.addr.String())...)
		r.stop()
		answers := r.responses()
		require.Len(t, pinged, 30)
		require.Len(t, answers, 30)
		require.EqualValues(t, 30, got.Served)
		for _, a := range answers {
			require.Equal(t, "ping!", string(a.m.T))
			require.Equal(t, pinged[a.from], string(a.m.ID))
			require.Equal(t, r.addr, wire.Addr(a.m.IP))
		}
		require.Equal(t, got.Sent, got.Answered)
		require.Zero(t, got.unexplained(), "%+v", got.MalformedBy)
	}
}

// An announce needs a token. A target that gives none gets get_peers instead, and is counted so.
func TestAnnounceFollowsGetPeers(t *testing.T) {
	t.Parallel()
	r := startResponder(t, func(r *responder, n int, q seen) {
		m := wire.Message{Kind: wire.Response, T: q.m.T, ID: responderID}
		r.send(m.Append(nil), q.from)
	})
	got := measure(t, "--mix", "announce_peer=1", r.addr.String())
	require.Equal(t, got.Sent, got.Mix["get_peers"].Sent)
	require.Zero(t, got.Mix["announce_peer"].Sent)

	r = startResponder(t, good)
	got = measure(t, "--mix", "announce_peer=1", "--flows", "5", r.addr.String())
	announces := got.Mix["announce_peer"]
	require.Equal(t, r.count(wire.AnnouncePeer), announces.Sent)
	require.Equal(t, announces.Sent, announces.Answered)
	require.InDelta(t, float64(got.Sent)/2, float64(announces.Sent), float64(got.Sent)/4)
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	r := startResponder(t, func(*responder, int, seen) {})
	for _, extra := range [][]string{{"--rate", "1000"}, {"--rate", "max", "--window", "10"}} {
		o := loadgen(t, append(extra, "--quiet", "--warmup", "0s", "--duration", "200ms", "--timeout", "50ms", r.addr.String())...)
		o.oneLine(t, 1, r.addr.String(), "never answered", "is a node running there")
		require.Contains(t, o.stdout, "100.000 %")
		require.Contains(t, o.stdout, "p99.99 0, max 0 µs")
	}
	r.stop() // now the kernel refuses, and says so by ICMP
	o := loadgen(t, "--quiet", "--warmup", "0s", "--duration", "50ms", "--timeout", "50ms", r.addr.String())
	o.oneLine(t, 1, "never answered")
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	r := startResponder(t, good)
	dir := t.TempDir()
	for _, tt := range []struct {
		args     []string
		contains []string
	}{
		{[]string{"--rate", "lots", r.addr.String()}, []string{"--rate", "max"}},
		{[]string{"127.0.0.1"}, []string{"HOST:PORT"}},
		{[]string{"8.8.8.8:6881"}, []string{"public", "--i-may-flood-this"}},
		{[]string{"255.255.255.255:6881", "--i-may-flood-this"}, []string{"no host's"}},
		{[]string{"--sources", "192.0.2.0/24", r.addr.String()}, []string{"--sources 192.0.2.0/24", "ip route add local 192.0.2.0/24 dev lo"}},
		{[]string{"--sources", "2001:db8::/64", "[::1]:1"}, []string{"ip -6 route add local", "nonlocal_bind"}},
		{[]string{"--sources", "fd00::/64", r.addr.String()}, []string{"another address family"}},
		{[]string{"--flows", "2000", "[::1]:1"}, []string{"--flows 2000", "--sources CIDR"}},
		{[]string{"--json", dir + "/no/such", r.addr.String()}, []string{"--json", "no/such"}},
		{[]string{"--hdr", dir + "/no/such", r.addr.String()}, []string{"--hdr", "no/such"}},
		{[]string{"--cpu", "1000", r.addr.String()}, []string{"--cpu", "processors"}},
	} {
		loadgen(t, tt.args...).oneLine(t, 2, tt.contains...)
	}
	require.Empty(t, r.all(), "no query leaves before everything is checked")
}

func TestFilesAndDisplay(t *testing.T) {
	t.Parallel()
	r := startResponder(t, good)
	dir := t.TempDir()
	report, log, percentiles := filepath.Join(dir, "r.json"), filepath.Join(dir, "r.hlog"), filepath.Join(dir, "r.hgrm")

	o := loadgen(t, "--duration", "300ms", "--warmup", "100ms", "--json", report, "--hdr", log, r.addr.String())
	require.Equal(t, 0, o.status, o.stderr)
	require.Contains(t, o.stderr, "offered 1,000/s")
	require.Contains(t, o.stdout, "latency")
	require.FileExists(t, report)
	f, err := os.Open(log)
	require.NoError(t, err)
	defer f.Close()
	reader := hdrhistogram.NewHistogramLogReader(f)
	logged := int64(0)
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil || h == nil {
			break
		}
		logged += h.TotalCount()
	}
	text, err := os.ReadFile(report)
	require.NoError(t, err)
	require.Contains(t, string(text), `"answered": `)
	require.Regexp(t, `"answered": (\d+)`, string(text))
	require.Positive(t, logged)

	o = loadgen(t, "--quiet", "--duration", "100ms", "--warmup", "0s", "--hdr", percentiles, r.addr.String())
	require.Equal(t, 0, o.status, o.stderr)
	require.Empty(t, o.stderr)
	text, err = os.ReadFile(percentiles)
	require.NoError(t, err)
	require.Contains(t, string(text), "1/(1-Percentile)")

	require.Contains(t, loadgen(t, "--version").stdout, "loadgen version")
	require.Contains(t, loadgen(t, "completion", "bash").stdout, "complete")
	require.Contains(t, loadgen(t, "--help").stdout, "--i-may-flood-this")
}

// Ctrl-C ends the run, and the result is that of the part that was run.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	for _, warmup := range []string{"0s", "1h"} {
		halfway := make(chan struct{})
		r := startResponder(t, func(r *responder, n int, q seen) {
			good(r, n, q)
			if n == 100 {
				close(halfway)
			}
		})
		cmd := exec.CommandContext(t.Context(), program, "--quiet", "--duration", "1h", "--warmup", warmup, r.addr.String())
		var out strings.Builder
		cmd.Stdout = &out
		require.NoError(t, cmd.Start())
		<-halfway
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		require.NoError(t, cmd.Wait())
		require.Contains(t, out.String(), "interrupted")
		require.GreaterOrEqual(t, len(r.all()), 100)
	}
}
