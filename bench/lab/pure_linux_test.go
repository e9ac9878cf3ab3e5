package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/require"
)

// TestRulesetsDifferOnlyInTracking: every packet of the measured port meets as many rules in every arm, in the same
// chains, and only what the arm is about differs.
func TestRulesetsDifferOnlyInTracking(t *testing.T) {
	const port = 6881
	uses := func(c chainSpec) (ct, notrack bool) {
		for _, e := range c.exprs {
			switch e.(type) {
			case *expr.Ct:
				ct = true
			case *expr.Notrack:
				notrack = true
			}
		}
		return ct, notrack
	}
	for _, c := range []struct {
		rules            Ruleset
		stateful, exempt bool
	}{{RulesPlain, false, false}, {RulesStateful, true, false}, {RulesNotrack, true, true}} {
		t.Run(c.rules.String(), func(t *testing.T) {
			chains, err := plan(c.rules, port)
			require.NoError(t, err)
			require.Len(t, chains, 4)
			for i, want := range []struct {
				name     string
				hook     *nftables.ChainHook
				priority *nftables.ChainPriority
			}{
				{"raw_prerouting", nftables.ChainHookPrerouting, nftables.ChainPriorityRaw},
				{"raw_output", nftables.ChainHookOutput, nftables.ChainPriorityRaw},
				{"input", nftables.ChainHookInput, nftables.ChainPriorityFilter},
				{"output", nftables.ChainHookOutput, nftables.ChainPriorityFilter},
			} {
				require.Equal(t, want.name, chains[i].name)
				require.Equal(t, want.hook, chains[i].hook)
				require.Equal(t, want.priority, chains[i].priority)
				ct, notrack := uses(chains[i])
				raw := i < 2
				require.Equal(t, c.stateful && !raw, ct, "%s uses ct", want.name)
				require.Equal(t, c.exempt && raw, notrack, "%s exempts", want.name)
			}
		})
	}
	_, err := plan(RulesPlain, 0)
	require.ErrorContains(t, err, "port 0")
	_, err = plan(Ruleset(9), port)
	require.ErrorContains(t, err, "Ruleset(9)")
}

func TestFindNAPI(t *testing.T) {
	proc := t.TempDir()
	for pid, comm := range map[string]string{
		"1": "init", "20": "napi/sv1-8193", "21": "napi/sv1-8194", "22": "napi/sv12-1", "23": "napi/svzik0zj-8", "self": "napi/sv12-9",
	} {
		require.NoError(t, os.Mkdir(filepath.Join(proc, pid), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(proc, pid, "comm"), []byte(comm+"\n"), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(proc, "24"), 0o700)) // ended while we looked
	for dev, want := range map[string][]int{"sv1": {20, 21}, "sv12": {22}, "svzik0zj": {23}, "sv2": nil} {
		got, err := findNAPI(proc, dev)
		require.NoError(t, err)
		require.Equal(t, want, got, dev)
	}
}

// TestDeviceNamesFit: before Linux 5.17 a thread's name was cut to 15 bytes, and the device's name must be whole in
// it.
func TestDeviceNamesFit(t *testing.T) {
	f, err := os.Open("/proc/self/ns/net")
	require.NoError(t, err)
	defer f.Close()
	names, err := deviceNames(int(f.Fd()))
	require.NoError(t, err)
	require.NotEqual(t, names[Server], names[Client])
	for _, n := range names {
		require.LessOrEqual(t, len(napiComm(n)), 15)
		require.LessOrEqual(t, len(n), 9)
	}
}

func TestParseLosses(t *testing.T) {
	var l Losses
	require.NoError(t, eachSNMP([]byte(
		"Ip: Forwarding\nIp: 1\n"+
			"Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors\n"+
			"Udp: 28 3 129 0 129 5 0 0 0\nUdpLite: NoPorts\nUdpLite: 7\n"), "Udp", l.add))
	require.NoError(t, eachSNMP6([]byte("Ip6InReceives 9\nUdp6NoPorts   \t4\nUdp6RcvbufErrors\t1\nUdpLite6NoPorts 8\n"), "Udp", l.add))
	require.Equal(t, Losses{ReceiveBuffer: 130, NoPort: 7, SendBuffer: 5}, l)
	require.Equal(t, Losses{Ring: 2, NoPort: 1}, Losses{Ring: 5, NoPort: 2}.Sub(Losses{Ring: 3, NoPort: 1}))

	for _, in := range []string{"", "Udp: NoPorts\n", "Udp: NoPorts\nUdp: 1 2\n", "Udp: NoPorts\nUdp: x\n"} {
		require.Error(t, eachSNMP([]byte(in), "Udp", l.add), "%q", in)
	}
	require.Error(t, eachSNMP6([]byte("Udp6NoPorts -1\n"), "Udp", l.add))
}

func TestOwnerAlive(t *testing.T) {
	start, err := ownStart()
	require.NoError(t, err)
	self := identity{pid: os.Getpid(), start: start, name: "a"}
	require.True(t, self.ownerAlive())
	reused := self
	reused.start--
	require.False(t, reused.ownerAlive(), "another process that got the same id is not the owner")
	gone := identity{pid: 1<<22 + 1, name: "a"} // beyond PID_MAX_LIMIT
	require.False(t, gone.ownerAlive(), fmt.Sprint(gone))
}
