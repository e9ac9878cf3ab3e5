package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/inprocess"
	"supernode/bench/regress"
)

// What could not be compared does not end the run, and is not passed over either.
func TestRegressionGoesOn(t *testing.T) {
	r := regression{}
	require.NoError(t, r.failed(t.Context(), "servers under load", nil))
	require.False(t, r.result.Incomplete)
	require.NoError(t, r.failed(t.Context(), "servers under load", errors.New("too busy")))
	require.Equal(t, []string{"servers under load: too busy"}, r.result.NotCompared)
	require.True(t, r.result.Incomplete)
	require.Error(t, r.failed(t.Context(), "x", usagef("a mistake")), "what a person has to mend")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, r.failed(ctx, "x", ctx.Err()), context.Canceled)
}

// A run that ended before its second one calls nothing that only that could have confirmed.
func TestRegressionEndsEarly(t *testing.T) {
	s := regress.Series{Metric: regress.Metric{Name: "slow"}}
	for range 20 {
		s.Pairs, s.Control = append(s.Pairs, regress.Pair{Base: 100, Arm: 150}), append(s.Control, regress.Pair{Base: 100, Arm: 100})
	}
	r := regression{series: map[string]regress.Series{}, decisions: map[string]regress.Decision{}, result: regress.Result{Rules: regress.DefaultRules()}}
	r.add([]regress.Series{s})
	r.conclude()
	require.Equal(t, regress.Inconclusive, r.result.Decisions[0].Verdict)
	require.Contains(t, r.result.Decisions[0].Why, "no time for a second run")
}

// An older server is not told what it does not know; its generator's failure is told from a server's.
func TestOlderBase(t *testing.T) {
	dir := t.TempDir()
	help := "#!/bin/sh\necho '--listen ADDR --http ADDR --bootstrap HOST --state-dir DIR --log-level LEVEL'\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, supernodeBinary), []byte(help), 0o755))
	r := regression{}
	for range 2 {
		got := r.serverCommand(t.Context(), inprocess.Side{Programs: dir}, "base")
		require.Equal(t, dir+"/supernode run --listen={addr} --bootstrap=none --state-dir=none --http=none --log-level=warn", got)
	}
	require.Equal(t, []string{"base does not know --allow-private, --rate-limit and is run without"}, r.result.Notes)

	require.True(t, ofGenerator.MatchString(`measure base generator: json: unknown field "grace_s"`))
	require.False(t, ofGenerator.MatchString("start base: exit status 2"))
}
