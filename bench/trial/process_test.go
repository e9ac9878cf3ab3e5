package trial

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStop(t *testing.T) {
	t.Parallel()
	p := startScript(t, "hang")
	require.NoError(t, p.gone())
	require.NoError(t, p.Stop())
	require.ErrorContains(t, p.gone(), "server /proc/self/exe has ended (signal: terminated)")
	require.NoError(t, p.Stop(), "again")
}

func TestStopOfTheDeaf(t *testing.T) {
	t.Parallel()
	p := startScript(t, "deaf", "err listening", "hang")
	p.awaitSaid(t)
	require.ErrorContains(t, p.Stop(), "stop server /proc/self/exe: it did not end within 5s of SIGTERM and was killed")
	require.ErrorContains(t, p.gone(), "goroutine", "it said what it was at")
}

func TestEnded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps []string
		want  string
	}{
		{"silent", []string{"exit 0"}, "server /proc/self/exe has ended (exit status 0: it must stay in the foreground)"},
		{"a line", []string{"err no route", "exit 3"}, "server /proc/self/exe has ended (exit status 3); it said: no route"},
		{"lines", []string{"err panic", "err at x.go", "exit 2"}, "server /proc/self/exe has ended (exit status 2); it said:\n  panic\n  at x.go"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startScript(t, c.steps...)
			<-p.done
			require.EqualError(t, p.gone(), c.want)
			require.NoError(t, p.Stop(), "whoever needed it was told")
		})
	}
}

func TestDuring(t *testing.T) {
	t.Parallel()
	p := startScript(t, "read", "exit 4")
	ctx, stop := p.during(t.Context())
	require.NoError(t, ctx.Err())
	stop()
	require.ErrorIs(t, context.Cause(ctx), context.Canceled)

	ctx, stop = p.during(t.Context())
	defer stop()
	<-ctx.Done() // it reads from /dev/null
	require.ErrorContains(t, context.Cause(ctx), "has ended")

	mine := errors.New("mine")
	outer, cancel := context.WithCancelCause(t.Context())
	cancel(mine)
	alive := startScript(t, "hang")
	ctx, stop = alive.during(outer)
	defer stop()
	<-ctx.Done()
	require.ErrorIs(t, context.Cause(ctx), mine)
}

// What a program leaves behind may hold its standard error open for ever. Nobody waits for it.
func TestOrphanHoldsStandardError(t *testing.T) {
	t.Parallel()
	p := startScript(t, "child", "exit 0")
	pid, err := strconv.Atoi(p.awaitSaid(t))
	require.NoError(t, err)
	orphan, err := os.FindProcess(pid)
	require.NoError(t, err)
	defer orphan.Kill()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatal("waits for the orphan")
	}
	require.ErrorContains(t, p.ended(), "has ended")
}

func TestTail(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", tailBytes)
	for _, c := range []struct {
		name   string
		writes []string
		want   string
	}{
		{"nothing", nil, ""},
		{"a line", []string{"one\n"}, "one"},
		{"pieces", []string{"on", "e\ntwo", "\n"}, "one\ntwo"},
		{"whole lines of what was cut", []string{"first\n" + long[:tailBytes-10] + "\n", "second\nthird\n"}, "…second\nthird"},
		{"one line that is too long", []string{"y" + long}, "…" + long},
		{"and its end of line", []string{"y" + long[1:] + "\n"}, "…" + long[1:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tail tail
			for _, w := range c.writes {
				n, err := tail.Write([]byte(w))
				require.NoError(t, err)
				require.Equal(t, len(w), n)
			}
			require.Equal(t, c.want, tail.String())
			require.LessOrEqual(t, len(tail.text), tailBytes)
		})
	}
}
