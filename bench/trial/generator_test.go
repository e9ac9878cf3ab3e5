package trial

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	ready     = `say {"event":"ready","flows":10}`
	measuring = `say {"event":"measuring"}`
	measured  = `say {"event":"measured"}`
	finished  = `say {"event":"result","result":{"sent":9,"answered":8,"lost":1,"answers_in_interval":7,"interval_ns":600,"new":"kept"}}`
)

func startFake(t *testing.T, steps ...string) (*generator, error) {
	t.Helper()
	g, err := startGenerator(t.Context(), scripted(steps...), (*exec.Cmd).Start)
	if err == nil {
		t.Cleanup(func() { require.NoError(t, g.Stop()) })
	}
	return g, err
}

func nothing() error { return nil }

func TestGenerator(t *testing.T) {
	t.Parallel()
	g, err := startFake(t, ready, "read", measuring, measured, finished, "read", measuring, measured, finished, "hang")
	require.NoError(t, err)
	for range 2 {
		var calls []string
		note := func(what string) func() error {
			return func() error { calls = append(calls, what); return nil }
		}
		r, err := g.run(t.Context(), Load{Rate: 100, DurationS: 0.6, Flows: 10, Mix: "ping=1", Seed: 3}, note("begin"), note("end"))
		require.NoError(t, err)
		require.Equal(t, []string{"begin", "end"}, calls)
		require.EqualValues(t, 8, r.Answered)
		require.EqualValues(t, 7, r.AnswersInInterval)
		require.EqualValues(t, 600, r.IntervalNS)
		require.Contains(t, string(r.Raw), `"new":"kept"`, "what this program does not know is kept")
	}
	require.NoError(t, g.Stop()) // after which all it said has been read
	const request = `{"rate":100,"duration_s":0.6,"warmup_s":0,"flows":10,"mix":"ping=1","seed":3}`
	require.Equal(t, request+"\n"+request, g.said.String())
}

func TestGeneratorThatDoesNotStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps []string
		want  string
	}{
		{"ends", []string{"err cannot open 10 flows", "exit 2"}, "generator /proc/self/exe has ended (exit status 2); it said: cannot open 10 flows"},
		{"ends in the middle of a line", []string{`part {"event":"rea`, "exit 1"}, "has ended (exit status 1)"},
		{"another event", []string{measuring, "hang"}, `generator said "measuring" where "ready" was due`},
		{"no event", []string{"say hello", "hang"}, `read generator's output "hello\n"`},
		{"an error", []string{`say {"event":"error","error":"no"}`, "hang"}, "refused the trial: no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := startFake(t, c.steps...)
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := startGenerator(t.Context(), exec.Command("/nonexistent"), (*exec.Cmd).Start)
	require.ErrorContains(t, err, "/nonexistent")
}

func TestGeneratorThatFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps []string
		want  string
	}{
		{"refuses", []string{"read", `say {"event":"error","error":"flows 11: only 10 were opened"}`, "hang"}, "generator refused the trial: flows 11: only 10 were opened"},
		{"wrong order", []string{"read", measured, measuring, finished, "hang"}, `said "measured" where "measuring" was due`},
		{"an event is missing", []string{"read", measuring, finished, "hang"}, `said "result" where "measured" was due`},
		{"no JSON", []string{"read", measuring, "say 100000/s", "hang"}, `read generator's output "100000/s\n"`},
		{"no result in the result", []string{"read", measuring, measured, `say {"event":"result","result":"none"}`, "hang"}, "read generator's result"},
		{"does not even read", []string{"err tired", "exit 5"}, "has ended (exit status 5); it said: tired"},
		{"ends before", []string{"read", "err why", "exit 5"}, "has ended (exit status 5); it said:"},
		{"ends within", []string{"read", measuring, "exit 5"}, "has ended (exit status 5)"},
		{"ends in the middle of a line", []string{"read", measuring, `part {"event":"measured"`, "exit 5"}, "has ended (exit status 5)"},
		{"ends after", []string{"read", measuring, measured, "exit 5"}, "has ended (exit status 5)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g, err := startFake(t, append([]string{ready}, c.steps...)...)
			require.NoError(t, err)
			_, err = g.run(t.Context(), Load{Rate: 1}, nothing, nothing)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// Whatever stops a trial in its middle is the error, and a generator that goes on talking is stopped all the same.
func TestInterruptedTrial(t *testing.T) {
	mine := errors.New("mine")
	before := runtime.NumGoroutine()
	for _, c := range []struct {
		name  string
		begin func(cancel context.CancelCauseFunc) error
	}{
		{"context", func(cancel context.CancelCauseFunc) error { cancel(mine); return nil }},
		{"clock", func(context.CancelCauseFunc) error { return mine }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := startFake(t, ready, "read", measuring, "hang")
			require.NoError(t, err)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			_, err = g.run(ctx, Load{}, func() error { return c.begin(cancel) }, nothing)
			require.ErrorIs(t, err, mine)
		})
	}
	t.Run("flood", func(t *testing.T) {
		g, err := startFake(t, ready, "read", measuring, "flood")
		require.NoError(t, err)
		_, err = g.run(t.Context(), Load{}, func() error { return mine }, nothing)
		require.ErrorIs(t, err, mine)
	})
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; runtime.Gosched() { // Eventually has its own
		require.True(t, time.Now().Before(deadline), "%d goroutines are left of %d", runtime.NumGoroutine(), before)
	}
}

func TestGeneratorStopTwice(t *testing.T) {
	t.Parallel()
	g, err := startFake(t, ready, "hang")
	require.NoError(t, err)
	require.NoError(t, g.Stop())
	require.NoError(t, g.Stop())
	_, err = g.run(t.Context(), Load{}, nothing, nothing)
	require.ErrorContains(t, err, "has ended (signal: terminated)")
}
