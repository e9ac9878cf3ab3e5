package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
	"supernode/internal/pin"
)

// parse runs the command line without starting anything.
func parse(args ...string) (*config, error) {
	var got *config
	cmd := newCommand(func(c *config) error { got = c; return nil })
	cmd.SetArgs(args)
	err := cmd.Execute()
	return got, err
}

func TestFlags(t *testing.T) {
	c, err := parse("127.0.0.1:1")
	require.NoError(t, err)
	require.EqualValues(t, 1000, c.rate)
	require.Equal(t, 10*time.Second, c.duration)
	require.Equal(t, time.Second, c.warmup)
	require.Equal(t, defaultMix, c.mix.String())
	require.False(t, c.sources.IsValid())

	c, err = parse("--rate", "max", "--window", "7", "--mix", "ping=1", "--sources", "198.18.0.0/15", "--cpu", "0,2-4", "x:1")
	require.NoError(t, err)
	require.Equal(t, rateMax, c.rate)
	require.Equal(t, 7, c.window)
	require.EqualValues(t, 1, c.mix.weight[wire.Ping])
	require.Equal(t, "198.18.0.0/15", c.sources.String())
	require.Equal(t, pin.List{0, 2, 3, 4}, c.cpus)
	require.Equal(t, "0,2,3,4", c.cpus.String())
	require.Equal(t, "x:1", c.target)
}

// Each wrong value is refused with a line that names the flag and says what would be right.
func TestFlagErrors(t *testing.T) {
	for _, tt := range []struct {
		args []string
		err  string
	}{
		{[]string{}, "want one target HOST:PORT"},
		{[]string{"a:1", "b:1"}, "got 2 arguments"},
		{[]string{"--rate", "0"}, `"--rate" flag: must be queries a second`},
		{[]string{"--rate", "-5"}, `"--rate"`},
		{[]string{"--rate", "NaN"}, `"--rate"`},
		{[]string{"--rate", "1e9"}, "at most 10000000"},
		{[]string{"--rate", "fast"}, "or max"},
		{[]string{"--rate", "max", "--window", "0"}, "--window 0: must be 1 to"},
		{[]string{"--rate", "max", "--window", "1000000"}, "--window 1000000: must be 1 to"},
		{[]string{"--window", "5"}, "--window: only means something with --rate max"},
		{[]string{"--duration", "0s"}, "--duration 0s: must be longer"},
		{[]string{"--duration", "soon"}, `"--duration"`},
		{[]string{"--warmup", "-1s"}, "--warmup -1s: must not"},
		{[]string{"--timeout", "0s"}, "--timeout 0s"},
		{[]string{"--timeout", "2m"}, "--timeout 2m0s"},
		{[]string{"--timeout", "50s", "--rate", "1e6"}, "--rate 1e+06: with --timeout 50s more than"},
		{[]string{"--mix", "pong=1"}, `"--mix" flag: unknown method "pong": use ping`},
		{[]string{"--flows", "0"}, "--flows 0: must be 1"},
		{[]string{"--sources", "10.0.0.0"}, `"--sources" flag: must be ADDRESS/BITS`},
		{[]string{"--sources", "224.0.0.0/4"}, "addresses of hosts"},
		{[]string{"--infohashes", "0"}, "--infohashes 0: must be 1"},
		{[]string{"--infohashes", "99999999"}, "--infohashes 99999999: must be 1"},
		{[]string{"--zipf", "-1"}, "--zipf -1: must be 0 to"},
		{[]string{"--zipf", "NaN"}, "--zipf NaN"},
		{[]string{"--seed", "-1"}, `"--seed"`},
		{[]string{"--cpu", "1-"}, `"--cpu" flag: "1-": must be processors`},
		{[]string{"--cpu", "3-1"}, `"3-1"`},
		{[]string{"--cpu", "5000"}, `"5000"`},
		{[]string{"--io", "raw"}, `--io "raw": must be mmsg, packet, xdp or net`},
		{[]string{"--io", "xdp", "--threads", "2"}, "--threads 2: --io xdp has one thread"},
		{[]string{"--control", "--json", "-"}, "--json: with --control"},
		{[]string{"--control", "--hdr", "x"}, "--hdr: with --control"},
		{[]string{"--control", "--csv", "x"}, "--csv, --benchfmt: with --control"},
		{[]string{"--json", "-", "--benchfmt", "-"}, "--benchfmt -: --json goes to standard output already"},
		{[]string{"--threads", "0"}, "--threads 0: must be 1 to 64"},
		{[]string{"--threads", "65"}, "--threads 65: must be 1 to 64"},
		{[]string{"--threads", "4", "--flows", "3"}, "--flows 3: must be at least one for each of 4 threads"},
		{[]string{"--threads", "4", "--rate", "max", "--window", "3"}, "--window 3: must be at least one query for each of 4"},
		{[]string{"--threads", "4", "--walk", "--infohashes", "3"}, "--infohashes 3: must be at least one for each of 4"},
		{[]string{"--arrivals", "pareto"}, `"--arrivals" flag: must be constant or poisson`},
		{[]string{"--arrivals", "poisson", "--rate", "max"}, "--arrivals: in a closed loop the answers decide"},
		{[]string{"--profile", "1000"}, `"--profile" flag: "1000": must be RATE@DURATION`},
		{[]string{"--profile", "1@1s", "--rate", "5"}, "--rate: --profile says the rates"},
		{[]string{"--profile", "1@1s", "--duration", "5s"}, "--duration: --profile says the rates"},
		{[]string{"--profile", "1@1s", "--window", "5"}, "--window: only means something with --rate max"},
		{[]string{"--profile", "1000..1e6@1s", "--timeout", "50s"}, "--profile: rate 1e+06: with --timeout 50s more than"},
		{[]string{"--profile", "1000000@1s", "--payload", "dns:a"}, "--profile: rate 1e+06: with --timeout 250ms more than 65536"},
		{[]string{"--miss"}, "--miss: with announce_peer in the mix some info_hashes are found, give a --mix without it"},
		{[]string{"--payload", "smtp"}, `"--payload" flag: must be dht, bep15, dns:NAME or hex:BYTES with {seq}`},
		{[]string{"--payload", "dns:"}, `name "": its parts must have 1 to 63 letters`},
		{[]string{"--payload", "dns:a..b"}, `name "a..b"`},
		{[]string{"--payload", "dns:" + strings.Repeat("abcdefg.", 40)}, "at most 253 letters"},
		{[]string{"--payload", "hex:00"}, "hex:00: must hold one {seq}"},
		{[]string{"--payload", "hex:{seq}{seq}"}, "must hold one {seq}"},
		{[]string{"--payload", "hex:0{seq}"}, "pairs of hexadecimal digits"},
		{[]string{"--payload", "hex:zz{seq}"}, "pairs of hexadecimal digits"},
		{[]string{"--payload", "hex:{seq}" + strings.Repeat("00", 2000)}, "must be at most 1536 bytes"},
		{[]string{"--payload", "bep15", "--mix", "ping=1"}, "--mix: means nothing with --payload bep15"},
		{[]string{"--payload", "bep15", "--zipf", "1"}, "--zipf: means nothing"},
		{[]string{"--payload", "bep15", "--infohashes", "5"}, "--infohashes: means nothing"},
		{[]string{"--payload", "bep15", "--miss"}, "--miss"},
		{[]string{"--payload", "dns:a", "--rate", "max", "--window", "65537"}, "--window 65537: must be at most 65536 with --payload dns:a"},
		{[]string{"--payload", "dns:a", "--rate", "1000000"}, "--rate 1e+06: with --timeout 250ms more than 65536 queries"},
		{[]string{"--reply-at", "4"}, "--reply-at: only means something with --payload hex"},
		{[]string{"--payload", "hex:{seq}", "--reply-at", "1533"}, "--reply-at 1533: must be 0 to 1532"},
		{[]string{"--payload", "hex:{seq}", "--reply-at", "-1"}, "--reply-at -1"},
		{[]string{"--frobnicate"}, "--frobnicate"},
	} {
		args := tt.args
		if len(args) != 0 && args[0][0] == '-' {
			args = append(args, "127.0.0.1:1")
		}
		_, err := parse(args...)
		require.ErrorContains(t, err, tt.err, "%q", args)
		require.NotContains(t, err.Error(), "\n")
		require.Equal(t, 2, exitStatus(err))
	}
	require.Equal(t, 0, exitStatus(nil))
	require.Equal(t, 1, exitStatus(errors.Join(errNoAnswer)))
}

func TestParseRequest(t *testing.T) {
	c, err := parse("--control", "--flows", "500", "--rate", "2000", "--seed", "3", "x:1")
	require.NoError(t, err)

	p, err := parseRequest([]byte(`{}`), c)
	require.NoError(t, err)
	require.Equal(t, c.params, p)

	p, err = parseRequest([]byte(`{"rate":100000,"window":0,"duration_s":1.5,"warmup_s":0.4,"flows":100,"mix":"ping=1","seed":7}`), c)
	require.NoError(t, err)
	require.EqualValues(t, 100_000, p.rate)
	require.Equal(t, 1500*time.Millisecond, p.duration)
	require.Equal(t, 400*time.Millisecond, p.warmup)
	require.Equal(t, 100, p.flows)
	require.Equal(t, "ping=1", p.mix.String())
	require.EqualValues(t, 7, p.seed)
	require.Equal(t, defaultMix, c.mix.String(), "the command line's stays")

	p, err = parseRequest([]byte(`{"rate":0,"window":64}`), c)
	require.NoError(t, err)
	require.Equal(t, rateMax, p.rate)
	require.Equal(t, 64, p.window)

	p, err = parseRequest([]byte(`{"miss":true,"walk":true,"mix":"get_peers=1"}`), c)
	require.NoError(t, err)
	require.True(t, p.miss)
	require.True(t, p.inOrder)

	tracker, err := parse("--control", "--payload", "dns:a", "--rate", "10", "x:1")
	require.NoError(t, err)
	for _, tt := range []struct{ line, err string }{
		{`{"mix":"ping=1"}`, "mix, infohashes, zipf, miss: mean nothing with --payload dns:a"},
		{`{"infohashes":5}`, "mean nothing with --payload dns:a"},
		{`{"zipf":1}`, "mean nothing with --payload dns:a"},
		{`{"rate":2000,"timeout_s":40}`, "rate 2000: with --timeout 40s more than 65536 queries"},
		{`{"miss":true}`, "mean nothing"},
		{`{"rate":0,"window":100000}`, "window 100000: must be at most 65536"},
		{`{"rate":1000000}`, "rate 1e+06: with --timeout"},
	} {
		_, err := parseRequest([]byte(tt.line), tracker)
		require.ErrorContains(t, err, tt.err, tt.line)
	}
	p, err = parseRequest([]byte(`{"walk":true}`), tracker)
	require.NoError(t, err, "it is flows that come one after the other")
	require.True(t, p.inOrder)

	for _, tt := range []struct{ line, err string }{
		{`what`, "read request"},
		{`[]`, "read request"},
		{`{} {}`, "more than one"},
		{`{"raet":1}`, "raet"},
		{`{"rate":"max"}`, "rate"},
		{`{"rate":-1}`, "rate -1: must be 0 to"},
		{`{"rate":0,"window":0}`, "window 0: must be 1"},
		{`{"flows":501}`, "flows 501: only 500 were opened"},
		{`{"flows":0}`, "flows 0: must be 1"},
		{`{"duration_s":0}`, "duration 0s: must be longer"},
		{`{"duration_s":1e300}`, "duration_s 1e+300"},
		{`{"warmup_s":-1}`, "warmup -1s"},
		{`{"mix":"pong=1"}`, `mix: unknown method "pong"`},
		{`{"rate":9000000,"seed":-1}`, "seed"},
	} {
		_, err := parseRequest([]byte(tt.line), c)
		require.ErrorContains(t, err, tt.err, tt.line)
	}
}

// The names in the JSON are a contract.
func TestResultNames(t *testing.T) {
	p := params{rate: 1000, duration: time.Second, flows: 3}
	require.NoError(t, p.mix.Set("ping=1"))
	l, err := planFlows(3, wireLoopback, prefix{}.Prefix, true, part{})
	require.NoError(t, err)
	tr := newTrial(p, l)
	tr.errors.add(203, 1)
	r, err := newResult(&engine{timeout: time.Second}, tr)
	require.NoError(t, err)
	text, err := json.Marshal(r)
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(text, &got))
	for _, name := range []string{"target", "duration_s", "offered_qps", "sent", "answered", "lost", "late", "duplicate",
		"malformed", "errors", "send_qps", "answer_qps", "loss_ratio", "latency_us", "flows", "mix", "schedule_slip_us",
		"generator_limited", "answers_in_interval", "interval_ns", "served", "replies", "payload",
		"threads", "arrivals", "scheduled", "measured_from", "schedule_slip_hdr", "version"} {
		require.Contains(t, got, name)
	}
	for _, name := range []string{"p50", "p90", "p99", "p99_9", "p99_99", "max", "mean"} {
		require.Contains(t, got["latency_us"], name)
	}
	for _, name := range []string{"p99", "max"} {
		require.Contains(t, got["schedule_slip_us"], name)
	}
	require.Equal(t, map[string]any{"sent": 0.0, "answered": 0.0}, got["mix"].(map[string]any)["ping"])
	require.Equal(t, map[string]any{"203": 1.0}, got["errors"])
}
