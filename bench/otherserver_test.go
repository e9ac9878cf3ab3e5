package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/internal/apart"
)

func TestOtherServerUsage(t *testing.T) {
	t.Parallel()
	dir := home(t)
	for _, c := range []struct{ args, says string }{
		{"--server-cmd=", "--server-cmd: must not be empty"},
		{"--ready-timeout 0s", "--ready-timeout 0s: must be more than 0"},
		{"--server-port 0", "--server-port 0: must be 1 to 65535"},
		{"--server-port 65536", `invalid argument "65536" for "--server-port" flag`},
		{"--payload bep15", "--payload bep15: supernode answers dht only: give the server that it is for with --server-cmd"},
		{"--server-cmd x --payload smtp", `"smtp" for "--payload" flag: must be dht, bep15, dns:NAME or hex:BYTES with {seq} in them`},
		{"--server-cmd x --payload dns:a..b", `name "a..b": its parts must have 1 to 63 letters`},
		{"--server-cmd x --payload hex:00", "must hold one {seq}"},
		{"--server-cmd x --payload hex:{seq} --reply-at -1", "--reply-at -1: must be 0 to "},
		{"--server-cmd x --payload bep15 --reply-at 4", "--reply-at: only means something with --payload hex:BYTES"},
		{"--server-cmd x --reply-at 4", "--reply-at: only means something with --payload hex:BYTES"},
		{"--server-cmd x --payload dns:example.org --rate 1000000", "too many for the 16 bits of --payload dns:example.org"},
	} {
		t.Run(c.args, func(t *testing.T) {
			status, stdout, stderr := ended(t, dir, nil, append([]string{"conntrack"}, strings.Fields(c.args)...)...)
			require.Equal(t, 2, status, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, c.says)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			require.True(t, strings.HasPrefix(stderr, "bench: "), stderr)
		})
	}
}

// attempts is how often a run is made whose server is of normal priority: others on this machine, of real-time priority,
// may keep it from its core for three trials.
const attempts = 4

// insist runs the bench with its records in a directory that parent holds, again if the machine had no time for the server.
func insist(t *testing.T, dir, parent string, edit func(*exec.Cmd), args func(out string) []string) (r *running, out string, status int) {
	t.Helper()
	for n := range attempts {
		out = filepath.Join(parent, fmt.Sprintf("out%d", n))
		r = begin(t, dir, edit, args(out)...)
		if status = r.end(); status == 0 || !strings.Contains(lastLine(r.told.String()), "has answered nothing in 3 trials") {
			break
		}
		t.Logf("this machine is too busy: %s", r.told.String())
	}
	return r, out, status
}

// dnsmasq is what docs/conntrack.md has for it.
const dnsmasq = "dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --no-resolv --no-hosts --user=root " +
	"--bind-interfaces --listen-address={host} --port={port} --address=/example.org/192.0.2.1"

// TestForeignServers measures other people's servers that speak other protocols than the DHT's: each answers all that it
// is asked, and pays for it.
func TestForeignServers(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	here, err := os.Getwd()
	require.NoError(t, err)
	opentracker := filepath.Join(here, "peers/opentracker-server/main.sh")
	for _, c := range []struct {
		name, program, command, payload string
		more                            []string
		kind                            string // what loadgen calls its queries
		replyBytes                      float64
	}{
		{"dns", "/usr/sbin/dnsmasq", dnsmasq, "dns:example.org", nil, "dns", 45},
		// Another name each time: the number is a label of four bytes, which the reply repeats where it was.
		{"hex", "/usr/sbin/dnsmasq", dnsmasq, "hex:00000100000100000000000004{seq}076578616d706c65036f72670000010001", []string{"--server-port", "53", "--rate", "1000", "--reply-at", "13"}, "hex", 50},
		{"bep15", opentrackerProgram(here), opentracker + " {addr}", "bep15", []string{"--rate", "1000"}, "connect", 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			apart.NeedProgram(t, c.program)
			r, out, status := insist(t, home(t), t.TempDir(), func(cmd *exec.Cmd) {
				cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin")
			}, func(out string) []string {
				return append([]string{"conntrack", "--quick", "--blocks", "1", "--flows", "few", "--arms", "on", "--out", out,
					"--server-cmd", c.command, "--payload", c.payload}, c.more...)
			})
			require.Zero(t, status, r.told.String())
			r.requireNothingLeft()
			require.Contains(t, r.told.String(), "bench: warming the server up\n")
			require.Contains(t, r.stdout.String(), "note: the server was asked `"+c.payload+"`")

			run, err := record.ReadDir(out)
			require.NoError(t, err)
			require.Equal(t, c.payload, run.Header.Payload)
			require.Equal(t, c.command, run.Header.Versions["server"])
			require.Equal(t, c.kind == "hex", run.Header.ReplyAt != nil && *run.Header.ReplyAt == 13)
			require.Len(t, run.Trials, 3)
			for _, trial := range run.Trials {
				requireProven(t, trial, run.Header.Machine.ConntrackLimit)
				requireReplies(t, trial, c.kind, c.replyBytes)
			}
			page, err := os.ReadFile(filepath.Join(out, report.ReportFile))
			require.NoError(t, err)
			require.Contains(t, string(page), c.command)
		})
	}
}

// opentrackerProgram is where opentracker-server finds it.
func opentrackerProgram(here string) string {
	if path, err := exec.LookPath("opentracker"); err == nil {
		return path
	}
	return filepath.Join(here, "peers/opentracker-server/debian/usr/bin/opentracker")
}

// requireReplies checks that what came back were right answers to what was asked.
func requireReplies(t *testing.T, trial record.Trial, kind string, size float64) {
	t.Helper()
	if trial.Answered == 0 {
		return // requireProven has said so
	}
	result := resultOf(t, trial)
	require.Equal(t, size, result.Replies[kind].Bytes)
	require.Zero(t, result.Replies[kind].Wrong)
	require.Len(t, result.Replies, 1)
}

// A server below a wrapper that waits for it, and workers of one that forks, are measured with it, and end with it.
func TestWrappedServer(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	dir := home(t)
	wrapper := filepath.Join(dir, "wrapper")
	require.NoError(t, os.WriteFile(wrapper, fmt.Appendf(nil,
		"#!/bin/sh\n%s/supernode run --listen $1 --bootstrap none --state-dir none --http none --allow-private\necho ended\n", dir), 0o755))
	r, out, status := insist(t, dir, t.TempDir(), nil, func(out string) []string { return shorter(out, "--server-cmd", wrapper+" {addr}") })
	require.Zero(t, status, r.told.String())
	r.requireNothingLeft()
	run, err := record.ReadDir(out)
	require.NoError(t, err)
	for _, trial := range run.Trials {
		requireProven(t, trial, run.Header.Machine.ConntrackLimit)
	}
}

// loadResult is what tests look at of a generator's result beside what the harness does.
type loadResult struct {
	Replies map[string]struct {
		Bytes float64 `json:"bytes_p50"`
		Wrong uint64  `json:"wrong"`
	} `json:"replies"`
}

func resultOf(t *testing.T, trial record.Trial) (result loadResult) {
	t.Helper()
	require.NoError(t, json.Unmarshal(trial.Load.Raw, &result))
	return result
}
