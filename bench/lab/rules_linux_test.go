package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/internal/conntrack"
)

func TestRulesets(t *testing.T) {
	l := up(t)
	to := l.ServerEndpoint()
	serve(t, l, to)
	serve(t, l, l.ServerEndpoint6())
	const flows4, flows6 = 5, 2

	// Plain comes first, again after tracking was on, and again after an exemption: each must undo the one before.
	for i, c := range []struct {
		rules   Ruleset
		entries uint64
		active  bool
	}{
		{RulesPlain, 0, false},
		{RulesStateful, flows4 + flows6, true},
		{RulesPlain, 0, false},
		{RulesNotrack, 0, true},
		{RulesStateful, flows4 + flows6, true},
		{RulesNotrack, 0, true},
		{RulesPlain, 0, false},
	} {
		t.Run(fmt.Sprint(i, " ", c.rules), func(t *testing.T) {
			require.NoError(t, l.SetRules(c.rules, to.Port()))
			for n := range flows4 {
				require.NoError(t, ask(l, netip.AddrFrom4([4]byte{198, 18, 0, byte(10 + n)}), to))
			}
			for n := range flows6 {
				require.NoError(t, ask(l, netip.MustParseAddr(fmt.Sprintf("fd00:18:1::%d", n+1)), l.ServerEndpoint6()))
			}
			state, err := l.Conntrack()
			require.NoError(t, err)
			require.Empty(t, state.Unchecked)
			require.Equal(t, c.entries, state.Count)

			active, err := l.TrackingActive()
			require.NoError(t, err)
			require.Equal(t, c.active, active, "canary")
			state, err = l.Conntrack()
			require.NoError(t, err)
			require.Equal(t, c.entries, state.Count, "the canary leaves no entry")
		})
	}
	require.ErrorContains(t, l.SetRules(RulesPlain, 0), "port 0")
}

// TestFullTable: a table filled to the limit refuses new flows and lets old ones pass, and the canary tells a refused
// datagram from a lost one.
func TestFullTable(t *testing.T) {
	l := up(t)
	serve(t, l, l.ServerEndpoint())
	require.NoError(t, l.SetRules(RulesStateful, ServerPort))
	old, err := listenIn(l, Client, netip.AddrPortFrom(netip.MustParseAddr("198.18.0.9"), 4000))
	require.NoError(t, err)
	defer old.Close()
	require.NoError(t, askFrom(old, l.ServerEndpoint()))

	before, err := l.Conntrack()
	require.NoError(t, err)
	if before.Limit > 1<<20 {
		t.Logf("the table of this machine holds %d entries; only its beginning is filled", before.Limit)
		added, err := l.FillTable(context.Background(), before.Limit-before.Count-5000)
		require.NoError(t, err)
		require.Equal(t, 5000, added)
		return
	}
	const room = 1000
	_, err = l.FillTable(context.Background(), room)
	require.NoError(t, err)
	state, err := l.Conntrack()
	require.NoError(t, err)
	require.Equal(t, before.Limit-room, state.Count)
	require.NoError(t, ask(l, netip.MustParseAddr("198.18.0.10"), l.ServerEndpoint()), "there is room")

	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = l.FillTable(cancelled, 0)
	require.ErrorIs(t, err, context.Canceled)

	added, err := l.FillTable(context.Background(), 0)
	require.NoError(t, err)
	require.Equal(t, room-1, added)
	state, err = l.Conntrack()
	require.NoError(t, err)
	require.Equal(t, before.Limit, state.Count)
	require.InDelta(t, 1, state.Fill(), 0)

	require.NoError(t, askFrom(old, l.ServerEndpoint()), "a flow that has its entry passes")
	active, err := l.TrackingActive()
	require.NoError(t, err)
	require.True(t, active, "a refused canary is proof")
	after, err := l.Conntrack()
	require.NoError(t, err)
	require.Positive(t, after.Counters.Sub(state.Counters)[conntrack.Drop])
	requireEachDropped(t, l)

	require.NoError(t, l.SwitchRules(RulesNotrack, ServerPort))
	state, err = l.Conntrack()
	require.NoError(t, err)
	require.Equal(t, before.Limit, state.Count, "SwitchRules leaves the entries")
	require.NoError(t, ask(l, netip.MustParseAddr("198.18.0.11"), l.ServerEndpoint()), "an exempt port does not care")
	require.NoError(t, l.SwitchRules(RulesStateful, ServerPort))

	require.NoError(t, l.SetRules(RulesStateful, ServerPort))
	state, err = l.Conntrack()
	require.NoError(t, err)
	require.Zero(t, state.Count, "SetRules empties the table")
}

// requireEachDropped sends to a full table from new flows, and out of it, and wants each datagram among the drops: those
// that the server's side wanted to send among the refused as well.
func requireEachDropped(t *testing.T, l *Lab) {
	t.Helper()
	const sent = 500
	before, err := l.Conntrack()
	require.NoError(t, err)
	refused, known, err := l.Refused(Server)
	require.NoError(t, err)
	dropped := func(want uint64) {
		require.Eventually(t, func() bool {
			after, err := l.Conntrack()
			require.NoError(t, err)
			return after.Counters.Sub(before.Counters)[conntrack.Drop] == want
		}, patience, time.Millisecond, "each datagram, and no other")
	}
	for n := range sent {
		c, err := listenIn(l, Client, netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, 1 + byte(n>>8), byte(n)}), 4000))
		require.NoError(t, err)
		_, err = c.WriteToUDPAddrPort([]byte("new"), l.ServerEndpoint())
		require.NoError(t, errors.Join(err, c.Close()))
		if (n+1)%100 == 0 { // more at once than the veth's ring of 256 takes might be lost there
			dropped(uint64(n + 1))
		}
	}
	out, err := listenIn(l, Server, netip.AddrPortFrom(l.ServerEndpoint().Addr(), 4000))
	require.NoError(t, err)
	defer out.Close()
	const own = 3
	for range own {
		_, err = out.WriteToUDPAddrPort([]byte("new"), netip.MustParseAddrPort("198.18.0.99:4000"))
		require.ErrorIs(t, err, unix.EPERM)
	}
	dropped(sent + own)
	after, _, err := l.Refused(Server)
	require.NoError(t, err)
	if known {
		require.EqualValues(t, own, after-refused)
	}
}

// TestTwoLabs: labs do not see each other, though their addresses are the same.
func TestTwoLabs(t *testing.T) {
	a, b := up(t), up(t)
	require.NotEqual(t, a.Namespace(Server), b.Namespace(Server))
	require.NoError(t, a.SetRules(RulesStateful, ServerPort))
	require.NoError(t, b.SetRules(RulesPlain, ServerPort))
	require.NoError(t, echoOnce(a))
	require.NoError(t, echoOnce(b))
	inA, err := a.Conntrack()
	require.NoError(t, err)
	inB, err := b.Conntrack()
	require.NoError(t, err)
	require.EqualValues(t, 1, inA.Count)
	require.Zero(t, inB.Count)
}
