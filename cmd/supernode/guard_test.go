package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/internal/conntrack"
)

// TestSteady: what is worse is news at once, what is better when it stays.
func TestSteady(t *testing.T) {
	var s steady
	take := func(v conntrack.Verdict, believed conntrack.Verdict, news bool) {
		t.Helper()
		b, n := s.take(v)
		require.Equal(t, believed, b)
		require.Equal(t, news, n)
	}
	take(conntrack.Tracked, conntrack.Tracked, true)
	take(conntrack.Tracked, conntrack.Tracked, false)
	take(conntrack.Dropping, conntrack.Dropping, true)
	for range guardSure - 1 {
		take(conntrack.Tracked, conntrack.Dropping, false)
	}
	take(conntrack.Dropping, conntrack.Dropping, false) // and the count begins again
	for range guardSure - 1 {
		take(conntrack.NearLimit, conntrack.Dropping, false)
	}
	take(conntrack.Tracked, conntrack.Tracked, true)
}

func TestVerdictsAreAllRanked(t *testing.T) {
	seen := map[int]bool{}
	for _, v := range []conntrack.Verdict{conntrack.Inactive, conntrack.Exempt, conntrack.Tracked, conntrack.NearLimit,
		conntrack.Dropping, conntrack.Unknown} {
		require.NotEqual(t, -1, rank(v), v)
		seen[rank(v)] = true
	}
	require.Len(t, seen, len(verdicts))
}

// watched is a guard with a judge and a table of the test's making.
func watched(t *testing.T) (g *guard, log *bytes.Buffer) {
	t.Helper()
	log = new(bytes.Buffer)
	g, err := startGuard(conntrackWarn, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:6881")}, slog.New(slog.NewJSONHandler(log, nil)))
	require.NoError(t, err)
	t.Cleanup(func() {
		g.reader.Close()
		require.NoError(t, g.close())
	})
	return g, log
}

// TestGuardSaysWhatIsNew: a line at the first verdict and at each other one, with the mend if it is bad.
func TestGuardSaysWhatIsNew(t *testing.T) {
	g, log := watched(t)
	var next conntrack.Diagnosis
	g.judge = func(conntrack.Observation) conntrack.Diagnosis { return next }
	g.probe = func(uint16) (conntrack.Activity, error) { return conntrack.Activity{}, errors.New("not permitted") }
	now := g.since
	look := func(v conntrack.Verdict, evidence string) {
		now = now.Add(guardPeriod)
		next = conntrack.Diagnosis{Verdict: v, Evidence: []string{evidence}}
		require.NoError(t, g.look(now))
	}
	for range 3 {
		look(conntrack.Tracked, "room for all")
	}
	for range 3 {
		look(conntrack.Dropping, "17 packets in 5 s")
	}
	var lines []map[string]any
	for d := json.NewDecoder(log); d.More(); {
		line := map[string]any{}
		require.NoError(t, d.Decode(&line))
		lines = append(lines, line)
	}
	require.Len(t, lines, 2)
	require.Equal(t, "INFO", lines[0]["level"])
	require.Equal(t, "tracked", lines[0]["verdict"])
	require.Equal(t, "WARN", lines[1]["level"])
	require.Equal(t, "17 packets in 5 s", lines[1]["evidence"])
	require.Equal(t, "supernode doctor --port 6881", lines[1]["mend"])
	require.Equal(t, conntrack.Dropping, g.status().Verdict)
}

// TestGuardProbesFirst: before it gives alarm, it asks whether the alarm is about our port, and not too often.
func TestGuardProbesFirst(t *testing.T) {
	g, _ := watched(t)
	g.judge = func(o conntrack.Observation) conntrack.Diagnosis {
		if o.Activity.Exempt {
			return conntrack.Diagnosis{Verdict: conntrack.Exempt}
		}
		return conntrack.Diagnosis{Verdict: conntrack.Dropping}
	}
	probes, exempt := 0, true
	g.probe = func(port uint16) (conntrack.Activity, error) {
		require.EqualValues(t, 6881, port)
		probes++
		return conntrack.Activity{Active: conntrack.Yes, Exempt: exempt}, nil
	}
	full := conntrack.Facts{Present: true, Count: 1000}
	require.False(t, g.activity(full).Exempt)
	now := time.Now()
	require.True(t, g.exempt(now))
	require.True(t, g.activity(full).Exempt)
	exempt = false // somebody has changed the rules
	require.True(t, g.exempt(now.Add(guardProbe-1)))
	require.Equal(t, 1, probes)
	require.False(t, g.exempt(now.Add(guardProbe)))
	require.Equal(t, 2, probes)
	require.False(t, g.activity(full).Exempt)
}

// TestGuardOfManyPorts: one exempt port does not speak for the others, and the log names the one that is not.
func TestGuardOfManyPorts(t *testing.T) {
	g, log := watched(t)
	g.ports = []uint16{6881, 6882}
	g.judge = func(o conntrack.Observation) conntrack.Diagnosis {
		if o.Activity.Exempt {
			return conntrack.Diagnosis{Verdict: conntrack.Exempt}
		}
		return conntrack.Diagnosis{Verdict: conntrack.Dropping}
	}
	exempt := map[uint16]bool{6881: true}
	g.probe = func(port uint16) (conntrack.Activity, error) {
		return conntrack.Activity{Active: conntrack.Yes, Exempt: exempt[port]}, nil
	}
	now := time.Now()
	require.NoError(t, g.look(now))
	require.Equal(t, conntrack.Dropping, g.status().Verdict)
	require.Contains(t, log.String(), `"port":6882`)
	require.Contains(t, log.String(), "supernode doctor --port 6882")
	exempt[6882] = true
	require.True(t, g.exempt(now.Add(guardProbe)))
	require.True(t, g.activity(conntrack.Facts{Present: true, Count: 1000}).Exempt)
}

// TestGuardAwaitsTracking: where the kernel has no connection tracking, the guard does not bring it; when it comes, the
// ports are exempted, once.
func TestGuardAwaitsTracking(t *testing.T) {
	g, log := watched(t)
	g.ports, g.notrack = []uint16{6881, 6882}, true
	var held []uint16
	g.hold = func(port uint16) (*conntrack.Hold, error) {
		held = append(held, port)
		return &conntrack.Hold{}, nil
	}
	require.NoError(t, g.exemptPorts(conntrack.Facts{}))
	require.Empty(t, held)
	require.True(t, g.notrack)
	require.Contains(t, log.String(), "nothing to exempt")
	if !g.first.Present {
		return // what follows is of a kernel that has it
	}
	for range 2 {
		require.NoError(t, g.look(time.Now()))
		require.Equal(t, []uint16{6881, 6882}, held)
	}
	require.True(t, g.held())
}

func TestGuardIgnores(t *testing.T) {
	g, err := startGuard(conntrackIgnore, nil, nil)
	require.NoError(t, err)
	require.Nil(t, g)
	require.Nil(t, g.status())
	g.run(t.Context())
	require.NoError(t, g.close())
}

func TestPortsOf(t *testing.T) {
	var addrs []netip.AddrPort
	for _, a := range []string{"0.0.0.0:6881", "[::]:6881", "192.0.2.1:6882"} {
		addrs = append(addrs, netip.MustParseAddrPort(a))
	}
	require.Equal(t, []uint16{6881, 6882}, portsOf(addrs))
}
