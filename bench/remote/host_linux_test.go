package remote

import (
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/measure"
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/internal/apart"
	"supernode/internal/conntrack"
)

const stateful = `nft -f - <<END
table inet filter {
	chain input { type filter hook input priority 0; policy accept; ct state established,related accept; }
}
END`

// TestArms puts every arm in place on a host without rules and on one with a firewall, each after each other, and finds
// the ruleset as it was.
func TestArms(t *testing.T) {
	apart.NeedProgram(t, "nft")
	for name, c := range map[string]struct {
		rules string
		want  map[plan.Arm]Proof
	}{
		"a host without rules": {"true", map[plan.Arm]Proof{
			plan.Off: {}, plan.Control: {}, plan.On: {Active: true}, plan.Notrack: {Active: true, Exempt: true},
		}},
		"a host with a firewall": {stateful, map[plan.Arm]Proof{
			plan.Off: {Active: true, Exempt: true}, plan.Control: {Active: true, Exempt: true},
			plan.On: {Active: true}, plan.Notrack: {Active: true, Exempt: true},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			apart.In(t, func() {
				apart.Shell(t, c.rules)
				before := apart.Shell(t, "nft -s list ruleset")
				server, err := net.ListenUDP("udp", &net.UDPAddr{Port: 6881})
				require.NoError(t, err)
				defer server.Close()
				h, err := NewHost(os.Getpid(), "this test", 6881, record.Machine{})
				require.NoError(t, err)
				defer func() { require.NoError(t, h.Close()) }()
				facts, err := h.Facts()
				require.NoError(t, err)
				require.Equal(t, c.rules == stateful, facts.Tracks, facts.Why)
				for _, arm := range []plan.Arm{plan.On, plan.Notrack, plan.Off, plan.Notrack, plan.Control, plan.On, plan.Off} {
					p, err := h.SetArm(arm)
					require.NoError(t, err, arm)
					require.NotEmpty(t, p.Evidence)
					p.Evidence = ""
					require.Equal(t, c.want[arm], p, arm)
				}
				_, err = h.SetArm(plan.Filled)
				require.ErrorContains(t, err, `arm "full" cannot be had`)
				_, err = h.SetArm(plan.Notrack)
				require.NoError(t, err)
				require.NoError(t, h.Restore())
				require.Equal(t, before, apart.Shell(t, "nft -s list ruleset"))
				require.NoError(t, h.Restore(), "again")
			})
		})
	}
}

// TestHostReads finds in the clocks and counters what was done in between.
func TestHostReads(t *testing.T) {
	apart.In(t, func() {
		server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6881})
		require.NoError(t, err)
		defer server.Close()
		h, err := NewHost(os.Getpid(), "this test", 6881, record.Machine{})
		require.NoError(t, err)
		defer h.Close()
		_, err = h.SetArm(plan.On)
		require.NoError(t, err)
		before, err := h.Read()
		require.NoError(t, err)
		client, err := net.Dial("udp", "127.0.0.1:6881")
		require.NoError(t, err)
		defer client.Close()
		buf := make([]byte, 16)
		for range 100 {
			_, err = client.Write([]byte("query"))
			require.NoError(t, err)
			_, err = server.Read(buf)
			require.NoError(t, err)
		}
		after, err := h.Read()
		require.NoError(t, err)
		require.Greater(t, after.At, before.At)
		require.Greater(t, after.Server, before.Server)
		require.Equal(t, measure.AllCPUs, after.CPU.ID)
		n, err := h.Count(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
}

// TestWorkers: a server that has others work for it is refused, at the start and in a session.
func TestWorkers(t *testing.T) {
	apart.In(t, func() {
		h, err := NewHost(os.Getpid(), "this test", 6881, record.Machine{})
		require.NoError(t, err)
		defer h.Close()
		worker := exec.Command("cat") // which ends with its input
		input, err := worker.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, worker.Start())
		_, err = h.Read()
		require.ErrorContains(t, err, "whose CPU time would not be counted")
		_, err = h.Facts()
		require.ErrorContains(t, err, "whose CPU time would not be counted")
		_, err = NewHost(os.Getpid(), "this test", 6881, record.Machine{})
		require.ErrorContains(t, err, "whose CPU time would not be counted")
		require.NoError(t, input.Close())
		require.NoError(t, worker.Wait())
		_, err = h.Read()
		require.NoError(t, err)
	})
}

// TestOutlives: rules that would stay behind after a kill -9, as on an old kernel, are not kept.
func TestOutlives(t *testing.T) {
	var hold *conntrack.Hold
	err := toggle(&hold, true, 6881, func(uint16) (*conntrack.Hold, error) { return new(conntrack.Hold), nil })
	require.ErrorIs(t, err, errOutlives)
	require.Nil(t, hold)
}

// TestForeignExemption: a port that somebody else has exempted is left to them.
func TestForeignExemption(t *testing.T) {
	apart.In(t, func() {
		require.NoError(t, conntrack.ExemptPort(6881))
		_, err := NewHost(os.Getpid(), "this test", 6881, record.Machine{})
		require.ErrorContains(t, err, "supernode_notrack_6881")
	})
}
