package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
)

// controlled is the program under --control.
type controlled struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startControlled(t *testing.T, args ...string) *controlled {
	c := &controlled{t: t, cmd: exec.CommandContext(t.Context(), program, append(args, "--control", "--quiet")...)}
	var err error
	c.in, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.out = bufio.NewScanner(out)
	require.NoError(t, c.cmd.Start())
	return c
}

func (c *controlled) say(line string) {
	c.t.Helper()
	_, err := io.WriteString(c.in, line+"\n")
	require.NoError(c.t, err)
}

// next reads one event, which must be of the given kind.
func (c *controlled) next(kind string) event {
	c.t.Helper()
	require.True(c.t, c.out.Scan(), "the program ended: %v", c.out.Err())
	var e event
	require.NoError(c.t, json.Unmarshal(c.out.Bytes(), &e), c.out.Text())
	require.Equal(c.t, kind, e.Event, c.out.Text())
	return e
}

// trial asks for one, and reads its events.
func (c *controlled) trial(line string) *result {
	c.t.Helper()
	c.say(line)
	c.next("measuring")
	c.next("measured")
	r := c.next("result").Result
	require.NotNil(c.t, r)
	return r
}

// end says that there is no more, and waits.
func (c *controlled) end() {
	c.t.Helper()
	require.NoError(c.t, c.in.Close())
	require.False(c.t, c.out.Scan())
	require.NoError(c.t, c.cmd.Wait())
}

func TestControl(t *testing.T) {
	t.Parallel()
	r := startResponder(t, good)
	c := startControlled(t, "--flows", "200", "--timeout", "1s", "--warmup", "50ms", r.addr.String())
	require.Equal(t, 200, c.next("ready").Flows)

	first := c.trial(`{"rate": 2000, "window": 0, "duration_s": 0.3, "warmup_s": 0, "flows": 40, "mix": "ping=1", "seed": 7}`)
	queries := r.all()
	require.EqualValues(t, len(queries), first.Sent)
	require.Equal(t, first.Sent, first.Answered)
	require.Len(t, flowsOf(queries), 40)
	require.Equal(t, map[string]methodCount{"ping": {first.Sent, first.Sent}}, first.Mix)
	require.EqualValues(t, 7, first.Seed)
	require.Equal(t, 0.3, first.DurationS)
	require.LessOrEqual(t, first.AnswersInInterval, first.Answered)

	require.Contains(t, c.askBadly(`{"flows": 201}`), "flows 201: only 200 were opened")
	require.Contains(t, c.askBadly(`{"rate": "fast"}`), "rate")
	c.say("") // empty lines mean nothing

	closed := c.trial(`{"rate": 0, "window": 20, "duration_s": 0.2, "flows": 200}`)
	require.Equal(t, "closed", closed.Loop)
	require.Equal(t, 20, closed.Window)
	require.Equal(t, closed.Sent, closed.Answered)
	require.Less(t, closed.Sent, uint64(len(r.all())-len(queries)), "the warm-up does not count")
	both := r.all()
	require.Len(t, flowsOf(both[len(queries):]), 200)

	ids := map[string]string{} // flows and ids are the same in all trials
	for _, q := range both {
		if known := ids[q.from.String()]; known != "" {
			require.Equal(t, known, string(q.m.ID))
		}
		ids[q.from.String()] = string(q.m.ID)
	}
	c.end()
}

func (c *controlled) askBadly(line string) string {
	c.say(line)
	return c.next("error").Error
}

// Between trials the flows are still there for the target.
func TestControlAnswersBetweenTrials(t *testing.T) {
	t.Parallel()
	r := startResponder(t, good)
	c := startControlled(t, "--flows", "5", "--timeout", "50ms", r.addr.String())
	c.next("ready")
	c.trial(`{"rate": 500, "duration_s": 0.1, "warmup_s": 0}`)
	from := r.all()[0].from
	ping := wire.Message{Kind: wire.Query, Method: wire.Ping, T: []byte("idle"), ID: responderID}
	r.send(ping.Append(nil), from)
	require.Eventually(t, func() bool { return len(r.responses()) == 1 }, waitLimit, waitStep)
	require.Equal(t, r.all()[0].m.ID, r.responses()[0].m.ID)
	c.end()
}

// A target that falls silent for one trial does not spoil the next, in which its late answers come.
func TestControlSurvivesSilence(t *testing.T) {
	t.Parallel()
	silent := true
	var held []seen
	r := startResponder(t, func(r *responder, n int, q seen) {
		if silent && q.m.Method == wire.Ping {
			held = append(held, q)
			return
		}
		silent = false
		for _, q := range held {
			r.send(goodAnswer(q), q.from)
		}
		held = nil
		good(r, n, q)
	})
	c := startControlled(t, "--flows", "5", "--timeout", "100ms", "--warmup", "0s", r.addr.String())
	c.next("ready")
	first := c.trial(`{"rate": 0, "window": 10, "duration_s": 0.3, "mix": "ping=1"}`)
	require.Equal(t, first.Sent, first.Lost)
	require.GreaterOrEqual(t, first.Sent, uint64(20), "lost queries are replaced")
	second := c.trial(`{"rate": 1000, "duration_s": 0.2, "mix": "find_node=1", "timeout_s": 1}`)
	require.Equal(t, second.Sent, second.Answered)
	require.Equal(t, first.Sent, second.Late)
	c.end()
}

// The info_hashes and their popularity can change from trial to trial.
func TestControlPopularity(t *testing.T) {
	t.Parallel()
	r := startResponder(t, good)
	c := startControlled(t, "--flows", "5", "--warmup", "0s", "--mix", "get_peers=1", "--infohashes", "1000", r.addr.String())
	c.next("ready")
	distinct := func(line string) int {
		before := len(r.all())
		c.trial(line)
		hashes := map[string]bool{}
		for _, q := range r.all()[before:] {
			hashes[string(q.m.InfoHash)] = true
		}
		return len(hashes)
	}
	require.Greater(t, distinct(`{"rate": 500, "duration_s": 0.3}`), 50)
	require.Equal(t, 1, distinct(`{"rate": 500, "duration_s": 0.1, "infohashes": 1}`))
	for range 2 { // the second time from the table that was kept
		require.Less(t, distinct(`{"rate": 500, "duration_s": 0.3, "zipf": 3}`), 50)
	}
	for line, says := range map[string]string{
		`{"infohashes": 0}`: "infohashes 0: must be 1 to", `{"zipf": -1}`: "zipf -1: must be 0 to",
		`{"timeout_s": 0}`: "timeout 0s: must be more than 0", `{"grace_s": -1}`: "grace_s -1: must be seconds",
	} {
		require.Contains(t, c.askBadly(line), says)
	}
	c.end()
}

// A trial can have a time-out of its own, and end without waiting for what is on its way.
func TestControlTimeoutAndGrace(t *testing.T) {
	t.Parallel()
	const delay = time.Second
	r := startResponder(t, func(r *responder, _ int, q seen) {
		answer := goodAnswer(q)
		time.AfterFunc(delay, func() { r.send(answer, q.from) })
	})
	c := startControlled(t, "--flows", "5", "--timeout", "100ms", "--warmup", "0s", "--mix", "ping=1", r.addr.String())
	c.next("ready")
	require.Zero(t, c.trial(`{"rate": 200, "duration_s": 0.2}`).Answered)
	patient := c.trial(`{"rate": 200, "duration_s": 0.2, "timeout_s": 20, "grace_s": 4}`)
	require.Equal(t, patient.Sent, patient.Answered)
	require.Equal(t, 20.0, patient.TimeoutS)
	hasty := c.trial(`{"rate": 200, "duration_s": 0.2, "timeout_s": 20, "grace_s": 0}`)
	require.Equal(t, hasty.Sent, hasty.Answered+hasty.Lost)
	require.Less(t, hasty.Answered, hasty.Sent)
	require.Zero(t, c.trial(`{"rate": 200, "duration_s": 0.2}`).Answered, "the command line's again")
	c.end()
}
