package remote

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
)

var secret = []byte("a secret of at least 16 bytes")

// diary is a host that writes down what it is told.
type diary struct {
	entries []string
	failing error
}

func (d *diary) write(what string) error {
	d.entries = append(d.entries, what)
	return d.failing
}
func (d *diary) Facts() (Facts, error) { return Facts{Port: 6881, Server: "diary"}, d.write("facts") }
func (d *diary) SetArm(arm plan.Arm) (Proof, error) {
	return Proof{Active: arm.Tracks(), Evidence: "as told"}, d.write("arm " + string(arm))
}
func (d *diary) Read() (Reading, error)                { return Reading{At: 7}, d.write("read") }
func (d *diary) Count(context.Context) (uint64, error) { return 11, d.write("count") }
func (d *diary) Restore() error                        { d.entries = append(d.entries, "restore"); return nil }

// serving is an agent with a session that has not begun yet.
type serving struct {
	host diary
	end  net.Conn // the harness's
	err  chan error
	stop context.CancelFunc
}

func serve(t *testing.T, silence time.Duration) *serving {
	t.Helper()
	ours, theirs := net.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	s := &serving{end: ours, err: make(chan error, 1), stop: stop}
	go func() {
		err := Serve(ctx, theirs, secret, &s.host, silence)
		theirs.Close()
		s.err <- err
	}()
	t.Cleanup(func() { stop(); ours.Close() })
	return s
}

func TestSession(t *testing.T) {
	s := serve(t, time.Minute)
	c, err := Open(s.end, secret)
	require.NoError(t, err)
	facts, err := c.Facts()
	require.NoError(t, err)
	require.EqualValues(t, 6881, facts.Port)
	proof, err := c.SetArm(plan.On)
	require.NoError(t, err)
	require.Equal(t, Proof{Active: true, Evidence: "as told"}, proof)
	reading, err := c.Read()
	require.NoError(t, err)
	require.EqualValues(t, 7, reading.At)
	n, err := c.Count()
	require.NoError(t, err)
	require.EqualValues(t, 11, n)

	s.host.failing = errors.New("no such luck")
	_, err = c.SetArm(plan.Notrack)
	require.ErrorContains(t, err, "no such luck")
	s.host.failing = nil
	_, err = c.Read()
	require.NoError(t, err, "what fails on the host does not end the session")

	require.NoError(t, c.Close())
	require.NoError(t, <-s.err)
	require.Equal(t, []string{"facts", "arm on", "read", "count", "arm notrack", "read", "restore", "restore"}, s.host.entries)
}

// TestRestored: however a session ends, the host is as it was.
func TestRestored(t *testing.T) {
	for name, end := range map[string]func(*serving, *Client){
		"the harness goes":   func(s *serving, _ *Client) { s.end.Close() },
		"the agent stops":    func(s *serving, _ *Client) { s.stop() },
		"a line is no line":  func(s *serving, _ *Client) { io.WriteString(s.end, "what?\n") },
		"a line has no end":  func(s *serving, _ *Client) { s.end.Write(bytes.Repeat([]byte("x"), MaxLine)) },
		"an unknown request": func(s *serving, c *Client) { _, _ = c.ask(Request{Do: "rm"}); s.end.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, time.Minute)
			c, err := Open(s.end, secret)
			require.NoError(t, err)
			_, err = c.SetArm(plan.On)
			require.NoError(t, err)
			end(s, c)
			require.Error(t, <-s.err)
			require.Equal(t, []string{"arm on", "restore"}, s.host.entries)
		})
	}
}

func TestSilence(t *testing.T) {
	s := serve(t, 50*time.Millisecond)
	n, err := shake(s.end, secret, time.Minute)
	require.NoError(t, err)
	require.NoError(t, n.send(Request{Do: SetArm, Arm: plan.On}))
	var r Reply
	require.NoError(t, n.receive(&r))
	require.ErrorIs(t, <-s.err, os.ErrDeadlineExceeded)
	require.Equal(t, []string{"arm on", "restore"}, s.host.entries)
}

// TestStopInHandshake: an agent that is asked to stop does not wait for somebody who has called and says nothing.
func TestStopInHandshake(t *testing.T) {
	s := serve(t, time.Minute)
	_, err := bufio.NewReader(s.end).ReadBytes('\n')
	require.NoError(t, err)
	s.stop()
	require.ErrorIs(t, <-s.err, context.Canceled)
	require.Equal(t, []string{"restore"}, s.host.entries)
}

// hasty is a stream that notes its first deadline and fails.
type hasty struct{ patience time.Duration }

func (h *hasty) SetDeadline(at time.Time) error { h.patience = time.Until(at); return io.ErrClosedPipe }
func (*hasty) Read([]byte) (int, error)         { return 0, io.ErrClosedPipe }
func (*hasty) Write([]byte) (int, error)        { return 0, io.ErrClosedPipe }
func (*hasty) Close() error                     { return nil }

// TestStrangers: who calls and says nothing is sent away before the next in line gives up.
func TestStrangers(t *testing.T) {
	require.Less(t, strangerTime, handshakeTime)
	var h hasty
	_, err := welcomeHarness(&h, secret, time.Minute)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.LessOrEqual(t, h.patience, strangerTime)
}

func TestWrongSecret(t *testing.T) {
	s := serve(t, time.Minute)
	_, err := Open(s.end, []byte("another secret of 24 byte"))
	require.ErrorContains(t, err, "wrong secret")
	require.ErrorIs(t, <-s.err, errSecret)
	require.Equal(t, []string{"restore"}, s.host.entries)
}

// TestFalseAgent: somebody who does not know the secret cannot play the agent, not even with what the harness said.
func TestFalseAgent(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		in := bufio.NewReader(theirs)
		io.WriteString(theirs, `{"supernode_bench":1,"nonce":"`+strings.Repeat("00", nonceSize)+`"}`+"\n")
		line, _ := in.ReadBytes('\n')
		var c claim
		_ = json.Unmarshal(line, &c)
		echo, _ := json.Marshal(welcome{Proof: c.Proof})
		theirs.Write(append(echo, '\n'))
	}()
	_, err := Open(ours, secret)
	require.ErrorIs(t, err, errSecret)
}

func TestOtherVersion(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go io.WriteString(theirs, `{"supernode_bench":2,"nonce":""}`+"\n")
	_, err := Open(ours, secret)
	require.ErrorContains(t, err, "take the same build on both hosts")
}

// TestForgery: a line that was changed, repeated, left out or sent back ends the session before it does anything.
func TestForgery(t *testing.T) {
	arm := Request{Do: SetArm, Arm: plan.Notrack}
	for name, lines := range map[string]func(n *session) [][]byte{
		"changed": func(n *session) [][]byte {
			line, _ := n.out.seal(Request{Do: ReadAll})
			return [][]byte{bytes.Replace(line, []byte("read"), []byte("end"), 1)}
		},
		"repeated": func(n *session) [][]byte {
			line, _ := n.out.seal(Request{Do: Beat})
			return [][]byte{line, line}
		},
		"left out": func(n *session) [][]byte {
			_, _ = n.out.seal(Request{Do: Beat})
			line, _ := n.out.seal(arm)
			return [][]byte{line}
		},
		"sent back": func(n *session) [][]byte {
			mirror := channel{key: n.hi.key}
			line, _ := mirror.seal(arm)
			return [][]byte{line}
		},
		"without authentication": func(*session) [][]byte { return [][]byte{[]byte(`{"do":"arm","arm":"notrack"}` + "\n")} },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, time.Minute)
			n, err := shake(s.end, secret, time.Minute)
			require.NoError(t, err)
			go io.Copy(io.Discard, s.end)
			for _, line := range lines(n) {
				_, _ = s.end.Write(line)
			}
			require.ErrorIs(t, <-s.err, ErrForged)
			require.Equal(t, []string{"restore"}, s.host.entries)
		})
	}
}

func TestReadSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	write := func(text string, mode os.FileMode) {
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		require.NoError(t, os.Chmod(path, mode))
	}
	write(string(secret)+"\n", 0o600)
	got, err := ReadSecret(path)
	require.NoError(t, err)
	require.Equal(t, secret, got)
	write(string(secret), 0o640)
	_, err = ReadSecret(path)
	require.ErrorContains(t, err, "chmod 600")
	write("too short\n", 0o600)
	_, err = ReadSecret(path)
	require.ErrorContains(t, err, "9 bytes")
	_, err = ReadSecret(path + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// FuzzOpen: no line that was not sealed with the key is taken, and none that was changed.
func FuzzOpen(f *testing.F) {
	out := channel{key: secret}
	line, err := out.seal(Request{Do: SetArm, Arm: plan.On})
	require.NoError(f, err)
	f.Add(line[:len(line)-1])
	f.Add([]byte(strings.Repeat("0", macDigits) + ` {"do":"end"}`))
	f.Add([]byte(`{"do":"end"}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		in := channel{key: secret}
		var q Request
		err := in.open(b, &q)
		// Hexadecimal digits may be written large.
		if bytes.EqualFold(b[:min(len(b), macDigits)], line[:macDigits]) && bytes.Equal(b[min(len(b), macDigits):], line[macDigits:len(line)-1]) {
			require.NoError(t, err)
			require.Equal(t, Request{Do: SetArm, Arm: plan.On}, q)
			return
		}
		require.ErrorIs(t, err, ErrForged)
		require.Zero(t, q)
	})
}
