package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/lab"
	"supernode/dht/wire"
	"supernode/internal/conntrack"
	"supernode/internal/udp"
)

// TestFixUnderFlood fills the table with assured flows, so that the kernel refuses every new one, and floods the node with
// queries of new sources, nearly all of which are lost. `doctor --fix notrack`, run in the middle of it, ends the loss;
// `--undo` brings the ruleset back as it was, and the loss with it.
func TestFixUnderFlood(t *testing.T) {
	needRoot(t)
	needTool(t, "nft")
	l, p := besieged(t)
	require.NoError(t, l.SetRules(lab.RulesStateful, lab.ServerPort))
	_, err := l.FillTable(t.Context(), 0)
	require.NoError(t, err)
	before := inLab(t, l, "nft", "list", "ruleset")

	f := newFlood(t, l)
	full := f.lossOf(t, 40, 10*time.Millisecond)
	state, err := l.Conntrack()
	require.NoError(t, err)
	require.Greater(t, full, 0.9, "the table is full: %+v", state)
	require.Positive(t, state.Counters["drop"])

	// The log alone can tell: a connection to its pages would need an entry.
	await(t, "the node's own alarm", func() bool {
		f.lossOf(t, 1, 10*time.Millisecond)
		return p.judged(conntrack.Dropping)
	})

	ctx, enough := context.WithCancel(t.Context())
	flooded := make(chan error, 1)
	go func() { flooded <- f.pour(ctx) }()
	report := inLab(t, l, built, "doctor", "--fix", "notrack", "--interval", "1s")
	enough()
	require.NoError(t, <-flooded)
	seen := regexp.MustCompile(`Before: .*?(\d+) of (\d+) datagrams from other hosts(?s:.*)After: a flow leaves no entry; (\d+) of (\d+) datagrams`).FindStringSubmatch(report)
	require.NotNil(t, seen, report)
	share := func(part, whole string) float64 {
		a, err := strconv.ParseFloat(part, 64)
		require.NoError(t, err)
		b, err := strconv.ParseFloat(whole, 64)
		require.NoError(t, err)
		return a / b
	}
	require.Less(t, share(seen[1], seen[2]), 0.1, report)
	require.Greater(t, share(seen[3], seen[4]), 0.95, report) // what is under way while counters are read is missing

	counted := lossesOf(t, l)
	cured := f.lossOf(t, 40, 2*time.Second)
	// What a machine with more to do loses in full rings and buffers is not connection tracking's.
	elsewhere := float64(lossesOf(t, l).since(counted).total()) / (40 * floodBatch)
	require.LessOrEqual(t, cured, elsewhere)
	again := inLab(t, l, built, "doctor", "--fix", "notrack")
	require.Contains(t, again, "exempt already")
	inLab(t, l, built, "doctor", "--undo")
	require.Equal(t, before, inLab(t, l, "nft", "list", "ruleset"))
	undone := f.lossOf(t, 40, 10*time.Millisecond)
	require.Greater(t, undone, 0.9)
	t.Logf("%s\nlost of queries from new sources: %.1f %% with a full table, %.1f %% exempt (%.1f %% in rings and buffers), %.1f %% after --undo",
		report, 100*full, 100*cured, 100*elsewhere, 100*undone)
	p.stopped()
}

// inLab runs a command in the node's namespace and returns what it prints.
func inLab(t *testing.T, l *lab.Lab, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, l.Start(lab.Server, -1, cmd))
	require.NoError(t, cmd.Wait(), "%v: %s%s", cmd.Args, stdout.String(), stderr.String())
	return stdout.String()
}

// flood sends pings, each from an address and port that have sent none before.
type flood struct {
	to        netip.AddrPort
	transport udp.Transport
	in        *udp.Inbox
	out       *udp.Outbox
	next      uint32
}

const floodBatch = 64

func newFlood(t *testing.T, l *lab.Lab) *flood {
	f := &flood{to: l.ServerEndpoint(), transport: openInClient(t, l), in: udp.NewInbox(floodBatch), out: udp.NewOutbox(floodBatch)}
	t.Cleanup(func() { f.transport.Close() })
	return f
}

// send sends a batch and returns how many of its queries were answered by the deadline.
func (f *flood) send(wait time.Duration) (answered int, err error) {
	mine := map[uint32]bool{}
	for range floodBatch {
		f.next++
		t := binary.BigEndian.AppendUint32(nil, f.next)
		id := wire.ID{19: 1}
		m := wire.Message{Kind: wire.Query, Method: wire.Ping, T: t, ID: id[:], ReadOnly: true}
		source := netip.AddrFrom4([4]byte{198, 18 + byte(f.next>>16)%2, byte(f.next >> 8), byte(f.next)})
		f.out.Add(m.Append(f.out.Buffer()), f.to, source)
		mine[f.next] = true
	}
	f.transport.Send(f.out, 0)
	for deadline := time.Now().Add(wait); len(mine) > 0 && time.Now().Before(deadline); {
		if _, err := f.transport.Receive(f.in, time.Millisecond); err != nil {
			return 0, err
		}
		for i := range f.in.Len() {
			var m wire.Message
			if wire.Parse(f.in.Payload(i), &m) == nil && m.Kind == wire.Response && len(m.T) == 4 {
				delete(mine, binary.BigEndian.Uint32(m.T))
			}
		}
	}
	return floodBatch - len(mine), nil
}

// lossOf sends so many batches and returns the part of their queries that was not answered in time.
func (f *flood) lossOf(t *testing.T, batches int, wait time.Duration) float64 {
	t.Helper()
	answered := 0
	for range batches {
		n, err := f.send(wait)
		require.NoError(t, err)
		answered += n
	}
	return 1 - float64(answered)/float64(batches*floodBatch)
}

// pour sends until ctx ends.
func (f *flood) pour(ctx context.Context) error {
	for ctx.Err() == nil {
		if _, err := f.send(5 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
