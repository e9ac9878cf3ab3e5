package main

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/lab"
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/trial"
	"supernode/internal/apart"
)

// Filling a table that is larger than usual takes a word of the user's.
func TestConsent(t *testing.T) {
	quick, full := plan.Quick(), plan.Full()
	quick.Arms = []plan.Arm{plan.Off, plan.Control, plan.On}
	for _, c := range []struct {
		spec   plan.Spec
		curves int
		allow  uint64
		limit  uint64
		ok     bool
	}{
		{full, 0, fullLimit, 262_144, true},
		{full, 0, fullLimit, fullLimit, true},
		{full, 0, fullLimit, fullLimit + 1, false},
		{full, 0, 4_000_000, 4_000_000, true},
		{full, 0, 1000, 262_144, false},
		{full, 0, fullLimit, 0, true}, // not known yet
		{quick, 0, fullLimit, 4_000_000, true},
		{quick, 1, fullLimit, 4_000_000, false},
	} {
		r := experiment{plan: plan.Plan{Spec: c.spec}, curves: c.curves, fullLimit: c.allow}
		err := r.consent(c.limit)
		require.Equal(t, c.ok, err == nil, "%+v", c)
		if err != nil {
			require.True(t, errors.As(err, new(usageError)))
			require.ErrorContains(t, err, "--full-limit ")
			require.ErrorContains(t, err, "MiB")
		}
	}
}

func TestConsentComesFirst(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(t.TempDir(), "out")
	status, stdout, stderr := ended(t, home(t), nil, short(out, "--arms", "full", "--full-limit", "5")...)
	require.Equal(t, 2, status, stderr)
	require.Empty(t, stdout)
	require.Regexp(t, `^bench: the table of this host takes [0-9,]+ entries, .*: allow it with --full-limit \d+, .*\n$`, stderr)
	require.NoDirExists(t, out)
}

// TestCurve takes a fill curve of a table that is full but for 4,000 entries, after one that is interrupted. However it
// ends, the time-outs are what they were.
func TestCurve(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	if !alone(t) {
		return
	}
	dir := home(t)
	l, err := lab.Up(t.Context(), lab.Default())
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	require.NoError(t, l.SetRules(lab.RulesStateful, lab.ServerPort))
	before, err := l.Conntrack()
	require.NoError(t, err)
	if before.Limit > 1<<20 {
		t.Logf("the table of this machine holds %d entries, more than a test should fill", before.Limit)
		return
	}
	spec := trial.CurveSpec{
		Rate: 4000, Mix: "ping=1", Seed: 1, Room: 4000, Flood: time.Second, Watch: time.Second,
	}
	take := func(ctx context.Context) (record.Curve, error) {
		rig, err := trial.Assemble(t.Context(), l, trial.Setup{
			Server: dir + "/null-server {addr}", Addr: l.ServerEndpoint(), Generator: dir + "/loadgen", Flows: 2000, Ready: patience,
		})
		require.NoError(t, err)
		defer func() { require.NoError(t, rig.Close()) }()
		c, err := rig.Curve(ctx, spec)
		after, readErr := l.Conntrack()
		require.NoError(t, readErr)
		require.Equal(t, before.UDPTimeout, after.UDPTimeout)
		require.Equal(t, before.UDPStreamTimeout, after.UDPStreamTimeout)
		return c, err
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = take(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	c, err := take(t.Context())
	require.NoError(t, err)
	require.Equal(t, before.Limit, c.Limit)
	require.EqualValues(t, before.Limit-4000, c.Others)
	require.NotEmpty(t, c.Points)
	if last := c.Points[len(c.Points)-1]; last.S > 2*0.25*float64(len(c.Points)) {
		t.Logf("this machine is too busy to fill a table: %d points took %v s", len(c.Points), last.S)
		return
	}
	require.Positive(t, c.FullS)
	require.Greater(t, c.FilledS, c.FullS)
	require.Greater(t, c.StopS, c.FilledS)
	require.True(t, c.RecoveredS == 0 || c.RecoveredS >= c.StopS)
	var asked, answered, known float64
	for i, p := range c.Points {
		if i > 0 {
			require.GreaterOrEqual(t, p.Drop, c.Points[i-1].Drop)
			require.Greater(t, p.S, c.Points[i-1].S)
		}
		if p.S > c.FilledS && p.S <= c.StopS {
			asked, answered, known = asked+p.NewSentPerS, answered+p.NewAnswered, known+p.KnownAnswered
		}
	}
	require.Positive(t, c.Points[len(c.Points)-1].Drop)
	require.Less(t, answered, 0.9*asked, "a full table refuses new flows")
	require.Positive(t, known, "and lets known ones pass")
	text := t.TempDir()
	require.NoError(t, record.AppendCurve(text, c))
	back, _, err := record.ReadCurves(text)
	require.NoError(t, err)
	require.Equal(t, []record.Curve{c}, back)
}

// Whoever interrupts a fill curve has all trials.
func TestInterruptedCurve(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(t.TempDir(), "out")
	r := begin(t, home(t), nil, shorter(out, "--curves", "1")...)
	r.await("fill curve 1 of 1")
	r.signal(syscall.SIGTERM)
	require.Equal(t, 130, r.end(), r.told.String())
	r.requireNothingLeft()
	require.Equal(t, "bench: interrupted: terminated signal received", lastLine(r.told.String()))
	require.Contains(t, r.told.String(), "bench: all trials are recorded; for what they say: bench report "+out)
	run, err := record.ReadDir(out)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(run.Trials), 2)
	require.NoFileExists(t, filepath.Join(out, record.CurveFile))
}
