package main

import (
	"context"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/dht/wire"
	"supernode/internal/udp"
)

// BenchmarkSaveGap measures how long a worker that knows a million nodes leaves askers alone while its state is saved:
// the duration of its turns, each of which answers a batch of 64 queries from a real socket, without a save and with
// saves to disk one after the other. Beside the wall clock, which also shows what the rest of the machine does, it gives
// the CPU time of the worker's thread.
func BenchmarkSaveGap(b *testing.B) {
	w := newTestWorker(b, udp.OpenMmsg)
	fillNodes(b, w, 1_000_000)
	client, err := udp.OpenMmsg([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, udp.Options{ReceiveBuffer: 4 << 20})
	require.NoError(b, err)
	defer client.Close()
	for _, saving := range []bool{false, true} {
		name := map[bool]string{false: "without", true: "saving"}[saving]
		b.Run(name, func(b *testing.B) {
			if saving {
				defer saveForever(b, w)()
			}
			measureTurns(b, w, client)
		})
	}
}

// saveForever saves w's state again and again, until stop is called.
func saveForever(b *testing.B, w *worker) (stop func()) {
	dir, err := openStateDir(b.TempDir())
	require.NoError(b, err)
	k := &keeper{dir: dir, log: quiet}
	ctx, cancel := context.WithCancel(b.Context())
	saves, ended := 0, make(chan struct{})
	go func() {
		defer close(ended)
		for k.save(ctx, w) == nil {
			saves++
		}
	}()
	return func() {
		cancel()
		<-ended
		b.ReportMetric(float64(saves), "saves")
		b.ReportMetric(float64(k.bytes.Load()), "bytes")
		require.NoError(b, dir.close())
	}
}

func measureTurns(b *testing.B, w *worker, client udp.Transport) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	to, in, out := w.transport.Local()[0], udp.NewInbox(64), udp.NewOutbox(64)
	var wall, cpu []time.Duration
	for i := range b.N {
		for j := range 64 {
			target := scattered(i*64 + j)
			m := wire.Message{
				Kind: wire.Query, Method: wire.FindNode, T: []byte("aa"), ID: target[:], Target: target[:], ReadOnly: true,
			}
			out.Add(m.Append(out.Buffer()), to, netip.Addr{})
		}
		client.Send(out, 0)
		began, used := time.Now(), threadTime(b)
		_, err := w.turn(0)
		cpu = append(cpu, threadTime(b)-used)
		wall = append(wall, time.Since(began))
		require.NoError(b, err)
		for got := 0; got < 64; {
			n, err := client.Receive(in, patience)
			require.NoError(b, err)
			require.Positive(b, n, "no answer")
			got += n
		}
	}
	for name, turns := range map[string][]time.Duration{"wall": wall, "cpu": cpu} {
		slices.Sort(turns)
		b.ReportMetric(microseconds(turns[len(turns)/2]), name+"-p50-µs")
		b.ReportMetric(microseconds(turns[len(turns)*999/1000]), name+"-p99.9-µs")
		b.ReportMetric(microseconds(turns[len(turns)-1]), name+"-max-µs")
	}
}

func microseconds(d time.Duration) float64 { return float64(d) / 1e3 }

// threadTime is the CPU time that this thread has used.
func threadTime(b *testing.B) time.Duration {
	var t unix.Timespec
	require.NoError(b, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t))
	return time.Duration(t.Nano())
}
