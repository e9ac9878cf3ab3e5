package main

import (
	"errors"
	"iter"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/internal/udp"
)

// inCrew calls f with a crew against an echo, on a thread as the program's lead has one.
func inCrew(t *testing.T, f func(t *testing.T, w *crew, c *config), args ...string) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer conn.Close()
	go echo(conn)
	c, err := parse(append(args, conn.LocalAddr().String())...)
	require.NoError(t, err)
	t.Run("locked to a thread", func(t *testing.T) { // a goroutine of its own
		runtime.LockOSThread()
		w, err := openCrew(t.Context(), c, conn.LocalAddr().(*net.UDPAddr).AddrPort())
		require.NoError(t, err)
		f(t, w, c)
	})
}

// What several threads are seen to do is what they did, second by second, in every trial.
func TestCrewIsWatched(t *testing.T) {
	inCrew(t, func(t *testing.T, w *crew, c *config) {
		var phases map[phase]uint64
		var answers int64
		ended := false
		w.watch = func(intervals iter.Seq[*interval]) {
			phases, answers, ended = map[phase]uint64{}, 0, false
			at := int64(0)
			for i := range intervals {
				if i.from != at {
					t.Errorf("an interval from %d on after one to %d", i.from, at)
				}
				at = i.to
				phases[i.phase] += i.sent
				answers += i.latency.TotalCount()
			}
			ended = true
		}
		for range 2 {
			r, err := w.run(c.params)
			require.NoError(t, err)
			require.True(t, ended, "run returned before all was seen")
			require.Equal(t, r.Sent, phases[phaseMeasure])
			require.EqualValues(t, r.Answered, answers)
			require.NotZero(t, phases[phaseWarmup])
			require.NotZero(t, r.Answered)
		}
		require.NoError(t, w.close())
	}, "--threads", "3", "--rate", "3000", "--warmup", "100ms", "--duration", "1100ms", "--flows", "30")
}

// broken is a transport that fails from some time on.
type broken struct {
	udp.Transport
	now atomic.Bool
}

var errBroken = errors.New("broken")

func (b *broken) Receive(in *udp.Inbox, d time.Duration) (int, error) {
	if b.now.Load() {
		return 0, errBroken
	}
	return b.Transport.Receive(in, d)
}

// A thread whose sockets fail ends the trial of all, with its error, once; and there is no other after it.
func TestCrewFailsTogether(t *testing.T) {
	inCrew(t, func(t *testing.T, w *crew, c *config) {
		e, err := newEngine(t.Context(), c, w.lead.target, part{1, 2}, w.lead.epoch)
		require.NoError(t, err)
		failing := &broken{Transport: e.transport}
		e.transport = failing
		f := &follower{engine: e, jobs: make(chan *job, 1), ended: make(chan error, 1)}
		go func() { f.ended <- errors.Join(f.work(), e.transport.Close()) }()
		w.engines, w.others = append(w.engines, e), append(w.others, f)

		seen := 0
		w.watch = func(intervals iter.Seq[*interval]) {
			for range intervals {
				seen++
			}
		}
		w.lead.events.measuring = func() error {
			failing.now.Store(true)
			return nil
		}
		for trial := range 2 {
			_, err := w.run(c.params)
			require.ErrorIs(t, err, errBroken)
			require.NotContains(t, err.Error(), "\n")
			require.Greater(t, seen, trial)
		}
		require.NoError(t, w.close(), "it was told before")
	}, "--rate", "3000", "--warmup", "0s", "--duration", time.Hour.String(), "--flows", "30")
}
